"""Files of other formats are named in the refusal, with what to do."""

import gzip
import io
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.films.radiograph import read_radiograph
from models.films.refusal import RefusedError
from tests.models.films.bad_input import saved, scene

CASES = Path(__file__).parents[4] / "shared" / "cases"
GREY = Image.fromarray(scene())


def media(brand: bytes, *others: bytes) -> bytes:
    """An ISO media file (ISO/IEC 14496-12) of a brand, with nothing in it."""
    kinds = brand + bytes(4) + b"".join(others)
    return struct.pack(">L4s", 8 + len(kinds), b"ftyp") + kinds + struct.pack(">L4s", 4096, b"mdat") + bytes(4088)


def office() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<w:document/>")
    return stream.getvalue()


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("film.png", saved(GREY, "PNG"))
    return stream.getvalue()


def nifti() -> bytes:
    return struct.pack("<i", 348) + bytes(340) + b"n+1\0" + bytes(4 + 96 * 96)


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, scene())
    return stream.getvalue()


OTHERS = {
    "HEIC": media(b"heic", b"mif1", b"heic"),
    "HEIC, by another brand": media(b"mif1", b"mif1", b"heic"),
    "AVIF": media(b"avif", b"mif1", b"avif"),
    "AVIF, by another brand": media(b"mif1", b"miaf", b"avif"),
    "video, MP4": media(b"isom", b"mp41"),
    "video, QuickTime": media(b"qt  "),
    "video, Matroska": b"\x1aE\xdf\xa3" + bytes(400),
    "video, AVI": b"RIFF" + struct.pack("<L", 4000) + b"AVI LIST" + bytes(4000),
    "JPEG XL": b"\xff\x0a" + bytes(300),
    "JPEG XL, in boxes": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(300),
    "JPEG 2000": saved(GREY, "JPEG2000"),
    "GIF": saved(GREY, "GIF"),
    "PNM": saved(GREY, "PPM"),
    "icon": saved(GREY, "ICO"),
    "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n",
    "SVG": b"<?xml version='1.0'?>\n<!DOCTYPE svg PUBLIC '-'>\n<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>",
    "SVG, bare": b"  <svg width='96' height='96'/>",
    "web page": b"<!DOCTYPE html><html><body><img src='film.png'></body></html>",
    "Office": office(),
    "Office, old": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "Photoshop": b"8BPS\0\1" + bytes(100),
    "NIfTI": nifti(),
    "NRRD": b"NRRD0004\ntype: short\ndimension: 3\n\n" + bytes(100),
    "MetaImage": b"ObjectType = Image\nNDims = 3\n",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(300),
    "NumPy": npy(),
    "ZIP": zipped(),
    "gzip": gzip.compress(nifti()),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(100),
    "RAR": b"Rar!\x1a\7\0" + bytes(100),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_format_that_is_not_read_is_named(name: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read_radiograph(OTHERS[name])
    assert refused.value.refusal.code == "not_an_image"
    assert name.partition(",")[0] in refused.value.refusal.sentence
    assert re.search(r"Save|Choose|Unpack", refused.value.refusal.sentence)


def test_a_telephones_picture_named_jpg_is_called_by_its_name() -> None:
    if not (CASES / "heic_named.jpg").is_file():
        pytest.skip("the picture is not in the repository")
    with pytest.raises(RefusedError, match=r"HEIC.*JPEG"):
        read_radiograph(CASES / "heic_named.jpg")


@pytest.mark.parametrize("content", [b" " * 2**22, b"<?xml " * 2**20, b"<!" * 2**20, bytes(2**22)])
def test_a_long_file_of_no_format_is_told_at_once(content: bytes) -> None:
    with pytest.raises(RefusedError, match="not an image that can be read here"):
        read_radiograph(content)
