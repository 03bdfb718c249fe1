"""Ordinary picture files to luminance, by Pillow."""

import ctypes
import logging
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, _imaging
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import jpeg_factory
from PIL.MpoImagePlugin import MpoImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from models.films.png_chunks import without_remarks
from models.films.refusal import RefusedError
from models.system.sentence import Sentence

# What Pillow and pydicom raise on broken content. They parse with struct, indexing and attribute access and let the
# failure of those through, so the tuple is wide; fuzzing every format found nothing beyond it.
CODEC_ERRORS: Final = (
    OSError,
    ValueError,
    SyntaxError,  # Pillow's way to say "not my format"
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    MemoryError,  # sizes are checked before decoding: what still asks for too much is a broken length field
    RuntimeError,  # a pydicom codec that gave up, nesting too deep
    struct.error,
    zlib.error,
)
_BOMB_ERRORS: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)

# Pillow's own classes instead of `Image.open`: the format is fixed by the signature, and a size is ours to refuse
# before Pillow warns of it.
_OPENERS: Final[dict[str, Callable[[BytesIO], Any]]] = {
    "JPEG": jpeg_factory,
    "PNG": PngImageFile,
    "TIFF": TiffImageFile,
    "BMP": BmpImageFile,
    "WEBP": WebPImageFile,
}
_DEPTHS: Final = (8, 10, 12, 14, 16)  # bits a detector or its exporting software delivers
_ROWS: Final = 256  # that are copied or stretched at a time
_ORIENTATION: Final = 0x0112
_WHITE_IS_ZERO: Final = 0
_PHOTOMETRIC: Final = 262
# Formats and modes whose decoding or conversion holds so many times the memory of others, which is six bytes a pixel.
_COSTLY: Final = {"WEBP": 3, "F": 2, "I": 2, "CMYK": 2, "YCbCr": 2}
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_CODEC_MODULES: Final = r"(PIL|pydicom|gdcm)\b"
_QUIET: Final = ("ignore", None, UserWarning, re.compile(_CODEC_MODULES), 0)
for _name in ("PIL", "pydicom"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # what they log either does no harm or ends in a refusal


def _silence_libtiff() -> None:
    """Take away libtiff's habit of writing to the terminal; its errors still end in exceptions of Pillow."""
    library = ctypes.CDLL(_imaging.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        set_handler = getattr(library, name, None)  # absent where Pillow was linked in another way
        if set_handler is not None:
            set_handler(None)


_silence_libtiff()


def quiet_codecs() -> None:
    """Let no codec's remark on a file's oddities reach the terminal or become an exception.

    `warnings.catch_warnings` swaps the filters of the whole process and is not safe with threads. One filter, put in
    front for good and only for the codecs' own modules, is; it is renewed because others may reset the list.
    """
    if not warnings.filters or warnings.filters[0] != _QUIET:
        warnings.filterwarnings("ignore", category=UserWarning, module=_CODEC_MODULES)


def decode_picture(content: bytes, kind: str, *, max_pixels: int) -> NDArray[np.uint8]:
    """Decode a picture of a known format to `(H, W)` luminance, turned as its EXIF data says.

    Args:
        content: the file's bytes.
        kind: what `models.films.formats.picture_format` said of them.
        max_pixels: the largest width times height, and a part of it for what takes more memory a pixel (`_COSTLY`); more is
            refused on the header's word, before decoding.

    Raises:
        RefusedError: too_large, multi_frame, damaged or unsupported_encoding.
    """
    quiet_codecs()
    if kind == "PNG":
        content = without_remarks(content)
    try:
        image = _OPENERS[kind](BytesIO(content))
        limit = max_pixels // _COSTLY.get(kind, _COSTLY.get(image.mode, 1))
        if image.width * image.height > limit:
            raise too_many_pixels(image.width, image.height, limit)
        if _has_more_frames(image):
            raise RefusedError(
                "multi_frame", "The file holds several pictures. Save the one radiograph as a file of its own."
            )
        if kind == "PNG":  # Pillow decodes without comparing the checksums
            PngImageFile(BytesIO(content)).verify()
        image.load()
        return _luminance(image)
    except _BOMB_ERRORS as error:
        raise RefusedError(
            "too_large", "The image claims more pixels than a radiograph has. Export it in its ordinary size."
        ) from error
    except CODEC_ERRORS as error:
        raise RefusedError(
            "damaged",
            Sentence("This {kind} file is cut short or broken. Copy or export the radiograph again.", kind=kind),
        ) from error


def too_many_pixels(width: int, height: int, max_pixels: int) -> RefusedError:
    """The refusal for a picture whose header asks for more pixels than are decoded here."""
    return RefusedError(
        "too_large",
        Sentence(
            "The image has {width} by {height} pixels; at most {most} million are read. Export the radiograph in its ordinary "
            "size.",
            width=width,
            height=height,
            most=max_pixels // 1_000_000,
        ),
    )


def stretch(values: NDArray[Any], *, outside: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
    """Spread numbers over 0 to 255, the least to black and the greatest to white.

    Args:
        values: an array of any real type. What is not finite counts as outside.
        outside: where True, the value is no part of the picture: it has no say in the range and becomes black.
    """
    inside = np.isfinite(values)
    if outside is not None:
        inside &= ~outside
    result = np.zeros(values.shape, np.uint8)
    if not inside.any():
        return result
    seen = values if inside.all() else values[inside]
    low, high = seen.min(), seen.max()
    del seen
    with np.errstate(all="ignore"):
        span = float(high) - float(low)
        factor = 255.0 / span if 0 < span < np.inf else 0.0
        kind = np.float32 if values.dtype.itemsize <= 2 else np.float64
        for top in range(
            0, len(values), _ROWS
        ):  # as numbers with a point, the whole film would take eight times its room
            rows = slice(top, top + _ROWS)
            scaled = np.subtract(values[rows], low, dtype=kind) * kind(factor)
            result[rows] = np.rint(np.where(inside[rows], scaled, 0)).astype(np.uint8)
    return result


def rgb_luminance(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`(H, W, 3)` red, green, blue to `(H, W)` luminance with the weights of ITU-R 601, as Pillow's mode L."""
    return np.array(Image.fromarray(np.ascontiguousarray(rgb)).convert("L"))


def _has_more_frames(image: Any) -> bool:
    if (
        isinstance(image, MpoImageFile) and image.mpinfo
    ):  # a camera's smaller copies of the same photograph do not count
        kinds = [entry["Attribute"]["MPType"] for entry in image.mpinfo[0xB002][1:]]
        return not all(kind.startswith("Large Thumbnail") for kind in kinds)
    if isinstance(image, TiffImageFile):  # n_frames would walk through every page
        try:
            image.seek(1)
        except EOFError:
            return False
        return True
    return bool(getattr(image, "n_frames", 1) > 1)


def _luminance(image: Any) -> NDArray[np.uint8]:
    """The loaded image as `(H, W)` luminance, upright."""
    turn = _TURNS.get(_orientation(image))
    if image.mode in ("F", "I") or image.mode.startswith("I;16"):
        grey = _deep_grey(_numbers(image if turn is None else image.transpose(turn)))
        white_is_zero = isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
        return 255 - grey if white_is_zero else grey
    if image.mode == "LAB":
        raise RefusedError(
            "unsupported_encoding", "The image is in the Lab colour space. Save the radiograph in greyscale."
        )
    shades = _on_black(image) if image.has_transparency_data else _shades(image)
    return np.array(shades if turn is None else shades.transpose(turn))


def _numbers(image: Any) -> NDArray[Any]:
    """The numbers `(H, W)` of deep greyscale, band by band: NumPy would ask Pillow for all of them twice."""
    first = np.asarray(image.crop((0, 0, image.width, 1)))
    numbers = np.empty((image.height, image.width), first.dtype)
    for top in range(0, image.height, _ROWS):
        bottom = min(top + _ROWS, image.height)
        numbers[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return numbers


def _shades(image: Any) -> Any:
    """The image in mode L. What it was made of is given up at once: four bytes a pixel, of millions of pixels."""
    if image.mode not in ("L", "LA", "1", "RGB", "RGBA"):
        coloured = image.convert("RGB")
        image.close()
        return _shades(coloured)
    shades = image.convert("L")
    image.close()
    return shades


def _on_black(image: Any) -> Any:
    """The image in mode L, laid on black where it is transparent."""
    if image.mode not in ("LA", "RGBA"):
        opaque, image = image, image.convert("RGBA")
        opaque.close()
    alpha = image.getchannel("A")
    return ImageChops.multiply(_shades(image), alpha)


def _orientation(image: Any) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except CODEC_ERRORS:  # the pixels were fine: broken camera data is no reason to refuse them
        return 1


def _deep_grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Greyscale deeper than 8 bits; integers by the least usual depth that holds the brightest pixel.

    A file says how many bits it has room for (16), seldom how many the detector used (often 12): taken at its word,
    most radiographs would be black. Floats, negative and wider integers have no such depth and are stretched.
    """
    least, brightest = values.min(), values.max()
    if values.dtype.kind == "f" or least < 0 or brightest >= 2 ** _DEPTHS[-1]:
        return stretch(values)
    depth = next(bits for bits in _DEPTHS if brightest < 2**bits)
    levels = np.arange(2**depth, dtype=np.float64) * (255 / (2**depth - 1))
    return np.rint(levels).astype(np.uint8)[values]
