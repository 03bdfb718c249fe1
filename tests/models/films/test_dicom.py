"""DICOM to luminance: the order of transformations, each encoding, and a real chest radiograph."""

from pathlib import Path

import gdcm
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from models.films.radiograph import read_radiograph
from models.films.refusal import RefusedError
from tests.models.films import dicom_files as dicom
from tests.models.films.bad_input import saved, scene

SCENE = scene().astype(np.uint16)
# Mean luminance of the real chest film in 8 by 8 fields, from top left
GOLDEN_FIELDS = np.array(
    [
        [86.2, 142.4, 170.1, 207.4, 201.2, 158.7, 138.6, 78.5],
        [212.4, 174.0, 137.4, 182.0, 168.7, 129.2, 175.9, 206.6],
        [222.2, 153.3, 119.8, 190.9, 179.0, 123.0, 159.3, 222.8],
        [219.0, 161.4, 157.5, 211.6, 198.4, 133.9, 161.1, 220.2],
        [209.8, 170.8, 184.9, 214.8, 216.9, 164.2, 169.1, 213.2],
        [219.5, 203.1, 198.9, 224.1, 227.5, 213.6, 171.7, 219.7],
        [223.7, 231.7, 228.2, 229.9, 227.7, 216.2, 218.4, 220.8],
        [194.5, 233.1, 234.0, 233.8, 232.5, 224.4, 219.7, 175.4],
    ]
)


def _pixels(dataset: Dataset, **options: str) -> np.ndarray:
    return read_radiograph(dicom.encode(dataset, **options)).pixels


def _stretched(values: np.ndarray) -> np.ndarray:
    values = values.astype(float)
    return np.rint((values - values.min()) * 255 / (values.max() - values.min()))


def _real(name: str) -> Path:
    """One of pydicom's own test files, or of the package pydicom-data; never fetched."""
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip(f"{name} comes with the package pydicom-data, which is not installed")
    return Path(path)


@pytest.fixture(scope="module")
def chest() -> np.ndarray:
    return read_radiograph(_real("RG1_UNCR.dcm")).pixels


def test_real_chest_radiograph(chest: np.ndarray) -> None:
    """A PA chest film, computed radiography, 15 bits, MONOCHROME1."""
    fields = [[field.mean() for field in np.array_split(band, 8, axis=1)] for band in np.array_split(chest, 8)]
    np.testing.assert_allclose(fields, GOLDEN_FIELDS, atol=0.2)
    assert chest.shape == (1955, 1841)
    assert (chest.min(), chest.max()) == (0, 255)


def test_real_chest_radiograph_has_dark_lungs_and_a_bright_mediastinum(chest: np.ndarray) -> None:
    height, width = chest.shape
    right_lung = chest[int(0.2 * height) : int(0.3 * height), int(0.25 * width) : int(0.35 * width)]
    mediastinum = chest[int(0.3 * height) : int(0.6 * height), int(0.47 * width) : int(0.53 * width)]
    assert right_lung.mean() + 40 < mediastinum.mean()
    assert chest[: height // 12, : width // 12].mean() < 60  # air beside the neck


def test_real_chest_radiograph_states_facts_that_name_nobody() -> None:
    read = read_radiograph(_real("RG1_UNCR.dcm"))
    assert read.format == "DICOM"
    assert read.facts == {"modality": "CR", "view": "PA", "body_part": "CHEST", "sex": "F"}


@pytest.mark.parametrize(("name", "plain", "tolerance"), [("RG1_J2KR", "RG1_UNCR", 0), ("RG1_J2KI", "RG1_UNCI", 2)])
def test_real_chest_radiograph_in_jpeg_2000(name: str, plain: str, tolerance: int) -> None:
    compressed, uncompressed = (read_radiograph(_real(f"{stem}.dcm")).pixels for stem in (name, plain))
    assert np.abs(compressed.astype(int) - uncompressed).max() <= tolerance


def test_monochrome2_is_stretched_and_monochrome1_is_its_inverse() -> None:
    np.testing.assert_array_equal(_pixels(dicom.dataset(SCENE)), _stretched(SCENE))
    inverted = _pixels(dicom.dataset(SCENE, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(inverted, 255 - _stretched(SCENE))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32])
def test_bit_depths_and_signs(dtype: type[np.integer]) -> None:
    offset = -1000 if np.issubdtype(dtype, np.signedinteger) else 0
    values = (SCENE.astype(np.int32) * (1 if dtype is np.uint8 else 13) + offset).astype(dtype)
    assert np.abs(_pixels(dicom.dataset(values)) - _stretched(SCENE)).max() <= 1


def test_twelve_bits_in_sixteen() -> None:
    dataset = dicom.dataset(SCENE * 16, BitsStored=12, HighBit=11)
    np.testing.assert_array_equal(_pixels(dataset), _stretched(SCENE))


def test_window_clips_after_the_rescale() -> None:
    dataset = dicom.dataset(SCENE, RescaleSlope=2, RescaleIntercept=-50, WindowCenter=150.5, WindowWidth=101)
    values = np.clip(SCENE * 2.0 - 50, 100, 200)
    np.testing.assert_allclose(_pixels(dataset), _stretched(values), atol=1)


def test_the_first_of_several_windows_counts() -> None:
    one = dicom.dataset(SCENE, WindowCenter=100, WindowWidth=50)
    two = dicom.dataset(SCENE, WindowCenter=[100, 30], WindowWidth=[50, 20])
    np.testing.assert_array_equal(_pixels(one), _pixels(two))


@pytest.mark.parametrize("width", [0, None])
def test_a_window_without_width_is_ignored(width: int | None) -> None:
    dataset = dicom.dataset(SCENE, WindowCenter=100)
    dataset.WindowWidth = width
    np.testing.assert_array_equal(_pixels(dataset), _stretched(SCENE))


def _table(values: np.ndarray) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(values), 0, 16])
    item.add_new("LUTData", "OW", values.astype("<u2").tobytes())
    return Sequence([item])


def test_modality_table_and_voi_table() -> None:
    table = np.round(np.sqrt(np.arange(256) / 255) * 4095)
    expected = _stretched(table[SCENE])
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        dataset = dicom.dataset(SCENE, **{keyword: _table(table)})
        if keyword == "ModalityLUTSequence":
            dataset.ModalityLUTSequence[0].ModalityLUTType = "US"
        np.testing.assert_allclose(_pixels(dataset), expected, atol=1, err_msg=keyword)


@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_has_no_say_in_the_range(kind: str) -> None:
    framed = SCENE + 500
    framed[:, :10] = 0
    dataset = dicom.dataset(framed, PhotometricInterpretation=kind)
    dataset.add_new("PixelPaddingValue", "US", 0)
    pixels = _pixels(dataset)
    inside = _stretched(framed[:, 10:])
    assert not pixels[:, :10].any()
    np.testing.assert_array_equal(pixels[:, 10:], 255 - inside if kind == "MONOCHROME1" else inside)


def test_padding_of_signed_pixels_that_was_written_unsigned() -> None:
    framed = SCENE.astype(np.int16)
    framed[:, :10] = -2000
    dataset = dicom.dataset(framed)
    dataset.add_new("PixelPaddingValue", "US", 65536 - 2000)
    assert not _pixels(dataset)[:, :10].any()
    assert _pixels(dataset)[:, 10:].max() == 255


def test_padding_range() -> None:
    framed = SCENE + 500
    framed[:, :10] = np.arange(10)
    dataset = dicom.dataset(framed)
    dataset.add_new("PixelPaddingValue", "US", 9)
    dataset.add_new("PixelPaddingRangeLimit", "US", 0)
    pixels = _pixels(dataset)
    assert not pixels[:, :10].any()
    np.testing.assert_array_equal(pixels[:, 10:], _stretched(framed[:, 10:]))


def test_colour_captures_become_luminance() -> None:
    rgb = np.stack([scene(), scene().T, 255 - scene()], axis=-1)
    colour = {"SamplesPerPixel": 3, "PlanarConfiguration": 0}
    expected = np.asarray(Image.fromarray(rgb).convert("L"))
    plain = dicom.dataset(rgb, PhotometricInterpretation="RGB", **colour)
    np.testing.assert_array_equal(_pixels(plain), expected)
    ycbcr = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    coded = dicom.dataset(ycbcr, PhotometricInterpretation="YBR_FULL", **colour)
    assert np.abs(_pixels(coded).astype(int) - expected).max() <= 2


def test_palette_captures_become_luminance() -> None:
    dataset = dicom.dataset(scene(), PhotometricInterpretation="PALETTE COLOR")
    table = np.arange(256)[::-1] * 257
    for colour in ("Red", "Green", "Blue"):
        dataset.add_new(f"{colour}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        dataset.add_new(f"{colour}PaletteColorLookupTableData", "OW", table.astype("<u2").tobytes())
    np.testing.assert_array_equal(_pixels(dataset), 255 - scene())


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian], ids=["implicit", "big-endian"])
def test_uncompressed_encodings(syntax: str) -> None:
    stored = SCENE.astype(">u2") if syntax == ExplicitVRBigEndian else SCENE
    np.testing.assert_array_equal(_pixels(dicom.dataset(stored), syntax=syntax), _stretched(SCENE))


def test_a_missing_transfer_syntax_is_told_from_the_first_element() -> None:
    content = dicom.encode(dicom.dataset(SCENE))
    start = content.index(b"\x02\x00\x10\x00UI")
    length = 8 + int.from_bytes(content[start + 6 : start + 8], "little")
    np.testing.assert_array_equal(
        read_radiograph(content[:start] + content[start + length :]).pixels, _stretched(SCENE)
    )


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("RLELossless", 0),
        ("JPEGLosslessProcess14", 0),
        ("JPEGLosslessProcess14_1", 0),
        ("JPEGLSLossless", 0),
        ("JPEGLSNearLossless", 4),
        ("JPEG2000Lossless", 0),
    ],
)
def test_compressed_encodings_made_by_gdcm(name: str, tolerance: int, tmp_path: Path) -> None:
    plain, compressed = tmp_path / "plain.dcm", tmp_path / "compressed.dcm"
    plain.write_bytes(dicom.encode(dicom.dataset(SCENE * 16, BitsStored=12, HighBit=11)))
    dicom.transcode(plain, compressed, getattr(gdcm.TransferSyntax, name))
    assert pydicom.dcmread(compressed).file_meta.TransferSyntaxUID.is_compressed
    assert np.abs(read_radiograph(compressed).pixels - _stretched(SCENE)).max() <= tolerance


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"], ids=["baseline", "extended"])
def test_lossy_jpeg(syntax: str) -> None:
    frame = saved(Image.fromarray(scene()), "JPEG", quality=95)
    pixels = _pixels(dicom.dataset(scene(), frame=frame), syntax=syntax)
    assert np.abs(pixels - _stretched(SCENE)).max() <= 10


def test_lossy_jpeg_2000() -> None:
    options = {"no_jp2": True, "irreversible": True, "quality_mode": "rates", "quality_layers": [5]}
    frame = saved(Image.fromarray(scene()), "JPEG2000", **options)
    pixels = _pixels(dicom.dataset(scene(), frame=frame), syntax="1.2.840.10008.1.2.4.91")
    assert np.abs(pixels - _stretched(SCENE)).mean() <= 2


def test_a_lossless_jpeg_frame_with_a_hole_is_damaged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """gdcm fills the rest with nothing and only says so on the terminal."""
    plain, compressed = tmp_path / "plain.dcm", tmp_path / "compressed.dcm"
    plain.write_bytes(dicom.encode(dicom.dataset(SCENE)))
    dicom.transcode(plain, compressed, gdcm.TransferSyntax.JPEGLosslessProcess14_1)
    dataset = pydicom.dcmread(compressed)
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    dataset.PixelData = pydicom.encaps.encapsulate([frame[: len(frame) // 2] + b"\xff\xd9"])
    dataset.save_as(compressed)
    with pytest.raises(RefusedError) as refused:
        read_radiograph(compressed)
    assert refused.value.refusal.code == "damaged"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("MR_small_implicit.dcm", "MR_small.dcm"),
        ("SC_rgb_rle_16bit.dcm", "SC_rgb_rle.dcm"),
    ],
)
def test_other_peoples_files_agree_with_their_twins(name: str, twin: str) -> None:
    np.testing.assert_array_equal(read_radiograph(_real(name)).pixels, read_radiograph(_real(twin)).pixels)


@pytest.mark.parametrize(
    ("age", "years"),
    [("005Y", "5"), ("064Y", "64"), ("018M", "1.5"), ("003W", "0.06"), ("010D", "0.03"), ("5", None), ("", None)],
)
def test_age_in_years(age: str, years: str | None) -> None:
    dataset = dicom.dataset(SCENE)
    dataset.add_new("PatientAge", "LO", age)  # a long string, so that the wrong ones can be written
    assert read_radiograph(dicom.encode(dataset)).facts.get("age_years") == years


def test_facts_hold_nothing_but_codes() -> None:
    dataset = dicom.dataset(
        SCENE, PatientName="Doe^Jane", PatientID="4711", PatientBirthDate="20150203", StudyDate="20200203"
    )
    dataset.Modality, dataset.PatientSex = "DX", "M"
    dataset.add_new("ViewPosition", "LO", "<b>PA</b>")
    dataset.add_new("BodyPartExamined", "LO", "chest of Jane Doe, born 2015")
    assert read_radiograph(dicom.encode(dataset)).facts == {"modality": "DX", "sex": "M"}
