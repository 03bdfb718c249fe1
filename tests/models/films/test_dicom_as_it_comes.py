"""DICOM as people have it: whatever shape a film comes in, the picture is that of the clean one, or there is a refusal."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, get_frame

from models.films.radiograph import read_radiograph
from models.films.refusal import RefusedError
from tests.models.films import dicom_files as dicom
from tests.models.films.bad_input import scene
from tests.models.films.odd_dicom import FILM, J2K, JPEG_LS, NOTED, READ, coded, film, table, windowed

CLEAN = read_radiograph(dicom.encode(film())).pixels


@pytest.mark.parametrize("name", READ)
def test_a_film_in_another_shape_is_the_same_picture(name: str, recwarn: pytest.WarningsRecorder) -> None:
    content = READ[name]()
    recwarn.clear()
    read = read_radiograph(content)
    assert read.format == "DICOM"
    assert read.notes == ()
    # A table of 8 or 10 bits knows fewer shades than the film; half a shade may be rounded up or down.
    np.testing.assert_allclose(read.pixels.astype(int), CLEAN, atol=1)
    assert not recwarn.list


@pytest.mark.parametrize("name", NOTED)
def test_what_cannot_be_followed_is_left_aside_and_noted(name: str, recwarn: pytest.WarningsRecorder) -> None:
    content = NOTED[name]()
    recwarn.clear()
    read = read_radiograph(content)
    np.testing.assert_allclose(read.pixels.astype(int), CLEAN, atol=1)
    (note,) = read.notes
    assert note.code == "header_faults"
    assert note.sentence.endswith(".")
    assert not recwarn.list


FRAMES = np.stack([FILM, FILM.T, FILM])
COLOUR = np.stack([scene()] * 3, axis=-1)


@pytest.mark.parametrize(
    ("code", "content"),
    [
        pytest.param("multi_frame", lambda: film(FILM, PixelData=FRAMES.tobytes()), id="three frames, number missing"),
        pytest.param(
            "multi_frame", lambda: film(FILM, NumberOfFrames=1, PixelData=FRAMES.tobytes()), id="number wrong"
        ),
        pytest.param("multi_frame", lambda: film(FILM, NumberOfFrames=3), id="three are stated"),
        pytest.param("unsupported_encoding", lambda: film(SamplesPerPixel=2), id="two samples"),
        pytest.param(
            "unsupported_encoding", lambda: dicom.dataset(COLOUR, SamplesPerPixel=3), id="grey of three samples"
        ),
        pytest.param(
            "unsupported_encoding",
            lambda: dicom.dataset(COLOUR, SamplesPerPixel=4, PhotometricInterpretation="RGB"),
            id="four samples",
        ),
        pytest.param(
            "unsupported_encoding", lambda: film(PhotometricInterpretation="RGB", SamplesPerPixel=1), id="RGB of one"
        ),
        pytest.param("damaged", lambda: film(PixelData=FILM.tobytes()[:-2]), id="one pixel too few"),
    ],
)
def test_what_is_not_one_frame_is_refused(code: str, content: Callable[[], Dataset]) -> None:
    with pytest.raises(RefusedError) as refused:
        read_radiograph(dicom.encode(content()))
    assert refused.value.refusal.code == code


@pytest.mark.parametrize("syntax", [J2K, JPEG_LS, "1.2.840.10008.1.2.5"], ids=["jpeg-2000", "jpeg-ls", "rle"])
def test_several_compressed_frames_without_a_number_are_refused(syntax: str) -> None:
    made = coded(FILM, JPEG_LS if syntax == JPEG_LS else J2K)
    stream = get_frame(made.PixelData, 0, number_of_frames=1)
    made.PixelData = encapsulate([stream] * 3)
    with pytest.raises(RefusedError) as refused:
        read_radiograph(dicom.encode(made, syntax=syntax))
    assert refused.value.refusal.code == "multi_frame"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_eight_bits_stored_in_jpeg_ls(dtype: type[np.integer]) -> None:
    frame = dicom.jpeg_ls(scene().astype(dtype), bits=8)
    content = dicom.encode(film(scene().astype(dtype), frame=frame, BitsStored=8, HighBit=7), syntax=JPEG_LS)
    np.testing.assert_allclose(read_radiograph(content).pixels.astype(int), CLEAN, atol=1)


def test_sigmoid_window_darkens_and_brightens_towards_its_ends() -> None:
    pixels = read_radiograph(dicom.encode(windowed(2048, 2048, "SIGMOID"))).pixels
    curve = 1 / (1 + np.exp(-4 * (FILM - 2048.0) / 2048))
    expected = (curve - curve.min()) * 255 / (curve.max() - curve.min())
    np.testing.assert_allclose(pixels, expected, atol=0.51)


def test_a_window_after_an_inverting_rescale_inverts_once() -> None:
    made = film(4095 - FILM, RescaleSlope=-1, RescaleIntercept=4095, WindowCenter=2048, WindowWidth=4096)
    np.testing.assert_allclose(read_radiograph(dicom.encode(made)).pixels.astype(int), CLEAN, atol=1)


def test_a_voi_table_of_a_film_in_monochrome1_is_looked_up_first() -> None:
    made = film(PhotometricInterpretation="MONOCHROME1", VOILUTSequence=table(12))
    np.testing.assert_allclose(read_radiograph(dicom.encode(made)).pixels.astype(int), 255 - CLEAN, atol=1)


def test_colour_without_a_statement_of_its_planes() -> None:
    rgb = np.stack([scene(), scene().T, 255 - scene()], axis=-1)
    made = dicom.dataset(rgb, PhotometricInterpretation="RGB", SamplesPerPixel=3)
    np.testing.assert_array_equal(
        read_radiograph(dicom.encode(made)).pixels, np.asarray(Image.fromarray(rgb).convert("L"))
    )


def test_colour_by_planes() -> None:
    rgb = np.stack([scene(), scene().T, 255 - scene()], axis=-1)
    made = dicom.dataset(rgb, PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=1)
    made.PixelData = rgb.transpose(2, 0, 1).tobytes()
    np.testing.assert_array_equal(
        read_radiograph(dicom.encode(made)).pixels, np.asarray(Image.fromarray(rgb).convert("L"))
    )


def test_an_odd_number_of_bytes() -> None:
    odd = scene()[:95, :95]
    content = dicom.encode(dicom.dataset(odd))
    np.testing.assert_array_equal(read_radiograph(content).pixels, read_radiograph(content + b"\0").pixels)
