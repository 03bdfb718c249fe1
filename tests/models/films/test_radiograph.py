"""Ordinary pictures decode to the same luminance, whatever format, depth and orientation they were saved in."""

import hashlib
import pickle
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.films.radiograph import Radiograph, read_radiograph
from models.films.refusal import RefusedError
from tests.models.films.bad_input import png_chunk, saved, scene

SCENE = scene()
GREY = Image.fromarray(SCENE)
DEEP = Image.fromarray(SCENE.astype(np.uint16) * 257)
COLOUR = Image.merge("RGB", (GREY, GREY.transpose(Image.Transpose.ROTATE_90), GREY))
OPAQUE = Image.new("L", GREY.size, 255)


def _difference(content: bytes) -> int:
    return int(np.abs(read_radiograph(content).pixels.astype(int) - SCENE).max())


@pytest.mark.parametrize(
    ("image", "kind", "options", "tolerance"),
    [
        pytest.param(GREY, "PNG", {}, 0, id="png8"),
        pytest.param(DEEP, "PNG", {}, 0, id="png16"),
        pytest.param(GREY.convert("P"), "PNG", {}, 0, id="png-palette"),
        pytest.param(GREY.convert("RGB"), "PNG", {}, 0, id="png-rgb"),
        pytest.param(Image.merge("LA", (GREY, OPAQUE)), "PNG", {}, 0, id="png-grey-alpha"),
        pytest.param(Image.merge("RGBA", (GREY, GREY, GREY, OPAQUE)), "PNG", {}, 0, id="png-rgba"),
        pytest.param(GREY, "JPEG", {"quality": 95}, 10, id="jpeg"),
        pytest.param(GREY.convert("RGB"), "JPEG", {"quality": 95, "progressive": True}, 10, id="jpeg-progressive"),
        pytest.param(GREY.convert("RGB").convert("CMYK"), "JPEG", {"quality": 95}, 10, id="jpeg-cmyk"),
        pytest.param(GREY, "TIFF", {}, 0, id="tiff"),
        pytest.param(GREY, "TIFF", {"compression": "tiff_lzw"}, 0, id="tiff-lzw"),
        pytest.param(DEEP, "TIFF", {}, 0, id="tiff16"),
        pytest.param(GREY.convert("RGB"), "TIFF", {"compression": "packbits"}, 0, id="tiff-rgb"),
        pytest.param(GREY, "BMP", {}, 0, id="bmp"),
        pytest.param(GREY.convert("RGB"), "BMP", {}, 0, id="bmp-rgb"),
        pytest.param(GREY, "WEBP", {"lossless": True}, 0, id="webp-lossless"),
        pytest.param(GREY, "WEBP", {"quality": 95}, 10, id="webp"),
    ],
)
def test_one_scene_in_every_format(image: Image.Image, kind: str, options: dict[str, object], tolerance: int) -> None:
    assert _difference(saved(image, kind, **options)) <= tolerance


def test_format_comes_from_the_content_and_not_from_the_name(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    path.write_bytes(saved(GREY, "PNG"))
    assert read_radiograph(path).format == "PNG"


def test_a_file_and_its_bytes_give_the_same(tmp_path: Path) -> None:
    content = saved(GREY, "PNG")
    path = tmp_path / "film.png"
    path.write_bytes(content)
    from_path, from_bytes = read_radiograph(path), read_radiograph(content)
    np.testing.assert_array_equal(from_path.pixels, from_bytes.pixels)
    assert from_path.sha256 == from_bytes.sha256 == hashlib.sha256(content).hexdigest()
    assert from_path.facts == {}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_upright(kind: str, orientation: int) -> None:
    shown_by = {  # what a viewer does to the stored picture (EXIF 2.32, tag 274)
        1: lambda stored: stored,
        2: np.fliplr,
        3: lambda stored: np.rot90(stored, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda stored: np.rot90(stored, -1),
        7: lambda stored: np.rot90(stored, 2).T,
        8: np.rot90,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = SCENE[:64, :80]
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    pixels = read_radiograph(saved(Image.fromarray(stored), kind, exif=exif, **options)).pixels
    expected = shown_by[orientation](stored)
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).max() <= 3


def test_broken_camera_data_does_not_spoil_the_picture() -> None:
    content = saved(GREY, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(read_radiograph(content).pixels, SCENE)


def _with_chunks(content: bytes, *chunks: bytes) -> bytes:
    """A PNG file with chunks after its header."""
    return content[:33] + b"".join(chunks) + content[33:]


TWO_MEGABYTES = np.random.default_rng(0).bytes(2 * 2**20)
REMARKS = {
    "profile": png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(TWO_MEGABYTES)),
    "profile that unfolds": png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(2**26))),
    "broken profile": png_chunk(b"iCCP", b"profile\0\0 no stream"),
    "text": png_chunk(b"tEXt", b"Comment\0" + TWO_MEGABYTES),
    "compressed text": png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(TWO_MEGABYTES)),
    "international text": png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(TWO_MEGABYTES)),
    "camera data as text": png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(TWO_MEGABYTES)),
    "wrong checksum of a text": png_chunk(b"tEXt", b"Comment\0hello")[:-4] + bytes(4),
    "a hundred texts": png_chunk(b"tEXt", b"Comment\0" + TWO_MEGABYTES[: 2**20]) * 30,
}


@pytest.mark.parametrize("name", REMARKS)
def test_what_is_said_about_a_png_does_not_spoil_it(name: str) -> None:
    np.testing.assert_array_equal(read_radiograph(_with_chunks(saved(GREY, "PNG"), REMARKS[name])).pixels, SCENE)


@pytest.mark.parametrize(("kind", "tolerance"), [("PNG", 0), ("JPEG", 10), ("TIFF", 0), ("WEBP", 0)])
def test_a_large_profile_does_not_spoil_a_picture(kind: str, tolerance: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    assert _difference(saved(GREY, kind, icc_profile=TWO_MEGABYTES, **options)) <= tolerance


def test_application_data_do_not_spoil_a_jpeg() -> None:
    whole = saved(GREY, "JPEG", quality=95)
    segments = [bytes([0xFF, marker]) + struct.pack(">H", 65_535) + TWO_MEGABYTES[:65_533]
                for marker in [*range(0xE0, 0xF0), 0xFE] for _ in range(3)]  # fmt: skip
    assert _difference(whole[:2] + b"".join(segments) + whole[2:]) <= 10


@pytest.mark.parametrize(
    "text",
    [
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b'<x:xmpmeta><rdf tiff:Orientation="6"/></x:xmpmeta>'),
        png_chunk(
            b"zTXt",
            b"Raw profile type exif\0\0"
            + zlib.compress(
                b"\nexif\n      32\n"
                + b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\1\0\0\0\6\0\0\0\0\0\0\0".hex().encode()
            ),
        ),
    ],
    ids=["xmp", "exif"],
)
def test_a_text_that_says_how_a_png_is_turned_is_followed(text: bytes) -> None:
    np.testing.assert_array_equal(read_radiograph(_with_chunks(saved(GREY, "PNG"), text)).pixels, np.rot90(SCENE, -1))


def test_colour_becomes_luminance() -> None:
    np.testing.assert_array_equal(read_radiograph(saved(COLOUR, "PNG")).pixels, np.asarray(COLOUR.convert("L")))


def test_alpha_lies_on_black() -> None:
    half = Image.merge("LA", (GREY, Image.new("L", GREY.size, 128)))
    expected = np.round(SCENE * (128 / 255))
    assert np.abs(read_radiograph(saved(half, "PNG")).pixels - expected).max() <= 1


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_deep_greyscale_is_scaled_by_the_depth_it_uses(bits: int, kind: str) -> None:
    deep = np.round(scene() * ((2**bits - 1) / 255)).astype(np.uint16)
    deep[0, 0] = 2**bits - 1
    pixels = read_radiograph(saved(Image.fromarray(deep), kind)).pixels
    assert pixels[0, 0] == 255
    np.testing.assert_array_equal(pixels.ravel()[1:], SCENE.ravel()[1:])


def test_eight_bit_values_in_a_sixteen_bit_file_stay_as_they_are() -> None:
    np.testing.assert_array_equal(read_radiograph(saved(Image.fromarray(SCENE.astype(np.uint16)), "PNG")).pixels, SCENE)


@pytest.mark.parametrize("white_is_zero", [False, True])
def test_sixteen_bit_tiff_with_white_as_zero_is_inverted(white_is_zero: bool) -> None:
    content = saved(DEEP, "TIFF", tiffinfo={262: 0 if white_is_zero else 1})
    np.testing.assert_array_equal(read_radiograph(content).pixels, 255 - SCENE if white_is_zero else SCENE)


def test_floats_are_stretched_and_what_is_no_number_is_black() -> None:
    values = SCENE.astype(np.float32) / 100 - 7
    values[:4] = np.nan
    values[4:8] = np.inf
    pixels = read_radiograph(saved(Image.fromarray(values), "TIFF")).pixels
    low, high = SCENE[8:].min(), SCENE[8:].max()
    assert not pixels[:8].any()
    np.testing.assert_allclose(pixels[8:], (SCENE[8:].astype(float) - low) * 255 / (high - low), atol=0.51)


def test_a_photograph_with_a_thumbnail_is_one_picture() -> None:
    content = saved(GREY, "MPO", save_all=True, append_images=[GREY.resize((48, 48))], quality=95)
    with pytest.raises(RefusedError):
        read_radiograph(content)  # a second picture of no stated kind
    as_thumbnail = _with_second_entry(content, 0x010001)
    assert np.abs(read_radiograph(as_thumbnail).pixels.astype(int) - SCENE).max() <= 10


def _with_second_entry(content: bytes, kind: int) -> bytes:
    """The multi-picture file with the kind of its second picture changed (CIPA DC-007, 5.2.3.3)."""
    primary = content.index((0x030000).to_bytes(4, "little"), content.index(b"MPF\0"))
    return content[: primary + 16] + kind.to_bytes(4, "little") + content[primary + 20 :]


def test_the_smallest_picture_that_is_read() -> None:
    assert read_radiograph(saved(GREY.resize((32, 33)), "PNG")).pixels.shape == (33, 32)


def test_pixels_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        read_radiograph(saved(GREY, "PNG")).pixels[0, 0] = 1


def test_a_radiograph_survives_the_way_to_another_process() -> None:
    sent = read_radiograph(saved(GREY, "PNG"))
    received = pickle.loads(pickle.dumps(sent))  # noqa: S301 - our own object
    np.testing.assert_array_equal(received.pixels, sent.pixels)
    assert (received.sha256, received.format, received.facts) == (sent.sha256, sent.format, sent.facts)


@pytest.mark.parametrize("pixels", [np.zeros((32, 32)), np.zeros((32, 32, 3), np.uint8)], ids=["float", "colour"])
def test_a_radiograph_is_two_dimensional_and_eight_bits(pixels: np.ndarray) -> None:
    with pytest.raises(ValueError, match="must be an"):
        Radiograph(pixels, "", "PNG", {})


def test_threads_decode_side_by_side_without_a_warning(capfd: pytest.CaptureFixture[str]) -> None:
    # An animation of no frames makes Pillow warn, and the test run turns warnings into errors
    still = saved(GREY, "PNG")
    content = still[:33] + png_chunk(b"acTL", bytes(8)) + still[33:]
    outcomes: list[bool] = []

    def decode() -> None:
        outcomes.extend(bool((read_radiograph(content).pixels == SCENE).all()) for _ in range(20))

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 80
    assert capfd.readouterr().err == ""


def test_pictures_need_neither_tensorflow_nor_pydicom() -> None:
    code = (
        "import sys\n"
        "from models.films.radiograph import read_radiograph\n"
        "print(read_radiograph(sys.stdin.buffer.read()).format)\n"
        "print(sorted({'tensorflow', 'keras', 'pydicom', 'gdcm'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=saved(GREY, "PNG"), capture_output=True, check=True)
    assert done.stdout.decode().split("\n")[:2] == ["PNG", "[]"]
