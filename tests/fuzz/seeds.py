"""Whole files of each format, to be damaged: made here, and those that packages and the folder of shared cases hold."""

from functools import cache
from pathlib import Path

import numpy as np
import pydicom.data
from PIL import Image

from models.films.formats import dicom_start, picture_format
from tests.models.films import dicom_files as dicom
from tests.models.films.bad_input import png_chunk, saved, scene

FORMATS = ("DICOM", "JPEG", "PNG", "TIFF", "WEBP", "BMP")
CASES = Path(__file__).parents[3] / "shared" / "cases"

_SIDE = 64
_MOST_BYTES = 200_000  # ten thousand damaged copies of a larger file would take hours
_J2K, _JPEG, _JPEG_LS, _RLE = (f"1.2.840.10008.1.2.{end}" for end in ("4.90", "4.50", "4.80", "5"))

_GREY = Image.fromarray(scene(_SIDE))
_DEEP = Image.fromarray(scene(_SIDE).astype(np.uint16) * 257)
_COLOUR = Image.merge("RGB", (_GREY, _GREY.transpose(Image.Transpose.ROTATE_90), _GREY))


def seeds(kind: str, *folders: Path) -> list[bytes]:
    """Files of one of `FORMATS`: those made here first, then those found in packages, cases and `folders`, by name."""
    return [*made(kind), *(content for content in _found(folders) if _kind(content) == kind)]


@cache
def made(kind: str) -> tuple[bytes, ...]:
    """Small files of one of `FORMATS`, in many of its ways of storing a picture."""
    pictures = {
        "JPEG": lambda: (
            saved(_GREY, "JPEG"),
            saved(_COLOUR, "JPEG", progressive=True, exif=_exif()),
            saved(_COLOUR.convert("CMYK"), "JPEG"),
            saved(_GREY, "JPEG", icc_profile=bytes(70_000), comment=b"a film"),
            saved(_GREY, "MPO", save_all=True, append_images=[_GREY.resize((32, 32))]),
        ),
        "PNG": lambda: (
            saved(_GREY, "PNG"),
            saved(_DEEP, "PNG"),
            saved(_COLOUR.quantize(16), "PNG", transparency=3),
            saved(Image.merge("LA", (_GREY, _GREY)), "PNG", exif=_exif()),
            _with_text(saved(_GREY.convert("1"), "PNG", icc_profile=bytes(3000))),
        ),
        "TIFF": lambda: (
            *(saved(_COLOUR, "TIFF", compression=name) for name in ("tiff_lzw", "packbits", "jpeg", "tiff_adobe_deflate")),
            saved(_GREY.convert("1"), "TIFF", compression="group4"),
            saved(_DEEP, "TIFF"),
            saved(_GREY.convert("F"), "TIFF", big_tiff=True),
        ),
        "WEBP": lambda: (
            saved(_GREY, "WEBP"),
            saved(_COLOUR, "WEBP", lossless=True, exif=_exif()),
            saved(Image.merge("LA", (_GREY, _GREY)).convert("RGBA"), "WEBP", icc_profile=bytes(1000)),
            saved(_GREY, "WEBP", save_all=True, append_images=[_COLOUR]),
        ),
        "BMP": lambda: tuple(saved(image, "BMP") for image in (_GREY, _COLOUR, _GREY.convert("1"), _COLOUR.quantize(16))),
        "DICOM": _dicoms,
    }  # fmt: skip
    return tuple(pictures[kind]())


def _dicoms() -> tuple[bytes, ...]:
    deep = scene(_SIDE).astype(np.uint16) * 16
    plain = dicom.dataset(deep, BitsStored=12, HighBit=11, WindowCenter=1000, WindowWidth=1800, RescaleSlope=1)
    colour = np.asarray(_COLOUR)
    return (
        dicom.encode(plain),
        dicom.encode(plain, syntax="1.2.840.10008.1.2"),
        dicom.encode(plain)[132:],
        dicom.encode(dicom.dataset(colour, SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation="RGB")),
        *(
            dicom.encode(dicom.dataset(values, frame=frame), syntax=syntax)
            for values, frame, syntax in (
                (scene(_SIDE), saved(_GREY, "JPEG2000", no_jp2=True), _J2K),
                (scene(_SIDE), saved(_GREY, "JPEG"), _JPEG),
                (deep, dicom.jpeg_ls(deep), _JPEG_LS),
                (scene(_SIDE), dicom.rle(scene(_SIDE)), _RLE),
            )
        ),
    )


def _found(folders: tuple[Path, ...]) -> list[bytes]:
    packaged = Path(pydicom.data.__file__).parent / "test_files"
    files = sorted(path for folder in (packaged, CASES, *folders) for path in folder.rglob("*") if path.is_file())
    return [path.read_bytes() for path in files if path.stat().st_size <= _MOST_BYTES]


def _kind(content: bytes) -> str | None:
    return "DICOM" if dicom_start(content) is not None else picture_format(content)


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _with_text(content: bytes) -> bytes:
    text = png_chunk(b"tEXt", b"Raw profile type exif\0nothing") + png_chunk(
        b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>"
    )
    return content[:33] + text + content[33:]
