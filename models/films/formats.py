"""What kind of file some bytes are, by their content alone; a file's name is never looked at."""

import re
import struct
from typing import Final

from models.films.refusal import RefusedError
from models.system.sentence import Sentence

_PREAMBLE: Final = 128  # bytes before the letters DICM (DICOM PS3.10, 7.1)
_BMP_HEADER_SIZES: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})

FIRST_GROUPS: Final = frozenset({0x0002, 0x0004, 0x0008, 0x0010, 0x0018, 0x0020, 0x0028})
"""Groups of the elements that a DICOM data set may begin with."""

_ELEMENTS_LOOKED_AT: Final = 3
_UNDEFINED: Final = 0xFFFFFFFF
_LONG_VRS: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # four bytes of length (PS3.5, 7.1.2)
_VRS: Final = _LONG_VRS | frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())

_EXPORT: Final = Sentence("Save or export the radiograph as PNG, JPEG or DICOM.")
_SAVE_WITHIN: Final = Sentence("Save the radiograph in it as PNG, JPEG or DICOM.")
_ONE_FILM: Final = Sentence(
    "Choose the radiograph itself, as PNG, JPEG or DICOM; volumes and tables of numbers are not read."
)
_UNPACK: Final = Sentence("Unpack it and choose the films in it.")

_LOOKED_AT: Final = 1024  # bytes

# How files of other programs begin, what they are, and what their owner can do.
_OTHERS: Final = (
    (rb".{4}ftyp(avi[fs]|mi[fa][1f].{,40}avi[fs])", Sentence("an AVIF picture"), _EXPORT),
    (rb".{4}ftyp(hei[cmsx]|hev[cmsx]|mif[12]|msf1)", Sentence("a HEIC picture, as telephones take them"), _EXPORT),
    (rb".{4}(ftyp|moov|mdat)|\0\0\x01[\xb3\xba]|\x1aE\xdf\xa3|RIFF.{4}AVI ", Sentence("a video"), _SAVE_WITHIN),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", Sentence("a JPEG XL picture"), _EXPORT),
    (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", Sentence("a JPEG 2000 picture outside DICOM"), _EXPORT),
    (rb"II\xbc", Sentence("a JPEG XR picture"), _EXPORT),
    (rb"GIF8[79]a", Sentence("a GIF picture"), _EXPORT),
    (rb"P[1-7]\s", Sentence("a PNM picture"), _EXPORT),
    (rb"\0\0[\x01\x02]\0[^\0]", Sentence("an icon"), _EXPORT),
    (rb"8BPS", Sentence("a Photoshop file"), _EXPORT),
    (rb"\x76\x2f\x31\x01", Sentence("an OpenEXR picture"), _EXPORT),
    (rb"DDS ", Sentence("a DDS picture"), _EXPORT),
    (rb"gimp xcf", Sentence("a GIMP file"), _EXPORT),
    (rb"\s*+%PDF-", Sentence("a PDF document"), _SAVE_WITHIN),
    (rb"%!PS|\xc5\xd0\xd3\xc6", Sentence("a PostScript document"), _SAVE_WITHIN),
    (rb"(?i)(\xef\xbb\xbf)?\s*+(<\?xml[^>]*+>)?\s*+(<![^>]*+>\s*+){,3}<svg\b", Sentence("an SVG drawing"), _EXPORT),
    (rb"(?i)(\xef\xbb\xbf)?\s*+(<!doctype html|<html)", Sentence("a web page"), _SAVE_WITHIN),
    (
        rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1|PK\x03\x04.{26}(word|xl|ppt|\[Content)",
        Sentence("an Office document"),
        _SAVE_WITHIN,
    ),
    (rb".{344}n[+i]1\0|.{4}n[+i]2\0", Sentence("a NIfTI volume"), _ONE_FILM),
    (rb"NRRD0", Sentence("an NRRD volume"), _ONE_FILM),
    (rb"(ObjectType|NDims) *+=", Sentence("a MetaImage volume"), _ONE_FILM),
    (rb"\x89HDF\r\n\x1a\n|CDF[\x01\x02]", Sentence("an HDF5 or NetCDF file"), _ONE_FILM),
    (rb"MATLAB 5", Sentence("a MATLAB file"), _ONE_FILM),
    (rb"\x93NUMPY", Sentence("a NumPy array"), _ONE_FILM),
    (rb"PK[\x03\x05]", Sentence("a ZIP archive"), _UNPACK),
    (rb"\x1f\x8b", Sentence("a gzip file"), _UNPACK),
    (rb"BZh", Sentence("a bzip2 file"), _UNPACK),
    (rb"\xfd7zXZ\0", Sentence("an xz file"), _UNPACK),
    (rb"\x28\xb5\x2f\xfd", Sentence("a Zstandard file"), _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", Sentence("a 7z archive"), _UNPACK),
    (rb"Rar!\x1a\x07", Sentence("a RAR archive"), _UNPACK),
    (rb".{257}ustar", Sentence("a tar archive"), _UNPACK),
)


def picture_format(content: bytes) -> str | None:
    """The accepted picture format that the first bytes announce, or None."""
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WEBP"
    if content.startswith(b"BM") and int.from_bytes(content[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    return None


def dicom_start(content: bytes) -> int | None:
    """Where the elements of a DICOM file begin, with or without preamble, letters and meta information; or None."""
    if content[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return _PREAMBLE + 4
    for start in (4 if content.startswith(b"DICM") else 0, _PREAMBLE):
        if any(_elements_follow(content, start, explicit=e, order=o) for e in (True, False) for o in "<>"):
            return start
    return None


def not_an_image(content: bytes) -> RefusedError:
    """The refusal of a file that is neither DICOM nor a picture read here; a known format is named."""
    for start, what, advice in _OTHERS:
        if re.match(start, content[:_LOOKED_AT], re.DOTALL):
            sentence = Sentence("This is {what}; that is not read here. {advice}", what=what, advice=advice)
            return RefusedError("not_an_image", sentence)
    return RefusedError(
        "not_an_image", "This is not an image that can be read here. Use JPEG, PNG, TIFF, BMP, WebP or DICOM."
    )


def _elements_follow(content: bytes, position: int, *, explicit: bool, order: str) -> bool:
    """Whether some DICOM elements stand here, by rising tag and within the file (PS3.5, 7.1)."""
    last = 0
    for number in range(_ELEMENTS_LOOKED_AT):
        if position + 12 > len(content):
            return False
        group, element = struct.unpack_from(f"{order}HH", content, position)
        tag = group << 16 | element
        if tag <= last or (number == 0 and group not in FIRST_GROUPS):
            return False
        size = _element_size(content, position, explicit=explicit, order=order)
        if size is None or (size != _UNDEFINED and position + size > len(content)):
            return False
        if size == _UNDEFINED:
            return number > 0
        last, position = tag, position + size
    return True


def _element_size(content: bytes, position: int, *, explicit: bool, order: str) -> int | None:
    """Bytes of an element with its header; `_UNDEFINED` where it does not say; None where it is none."""
    header, code = 8, "L"
    place = position + 4
    if explicit:
        vr = content[position + 4 : position + 6]
        if vr not in _VRS:
            return None
        header, place, code = (12, position + 8, "L") if vr in _LONG_VRS else (8, position + 6, "H")
    (length,) = struct.unpack_from(f"{order}{code}", content, place)
    return _UNDEFINED if length == _UNDEFINED else header + length
