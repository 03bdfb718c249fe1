"""The elements of a DICOM file, with or without meta information, and the encoding that they really are in (PS3.5, PS3.10)."""

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import Any, Final

from pydicom import uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import data_element_generator

from models.films.dicom_codecs import check_transfer_syntax, coded_syntax
from models.films.dicom_header import DICOM_ERRORS, damaged
from models.films.formats import FIRST_GROUPS

PIXEL_DATA: Final = 0x7FE00010

_MAX_ELEMENTS: Final = 10_000  # a radiograph has a few hundred; parsing millions of empty ones would take minutes
_ITEM: Final = b"\xfe\xff\x00\xe0"  # encapsulated pixels begin with an item (PS3.5, A.4)


def read_dataset(content: bytes, start: int) -> Dataset:
    """Parse the elements from `start` on, strictly: what ends early is an error, not a data set with less in it.

    Only what follows the pixels may be broken, or padding: it is left out.

    Raises:
        RefusedError: unsupported_encoding or damaged.
        DICOM_ERRORS: from broken content.
    """
    stream = BytesIO(content)
    stream.seek(start)
    meta = _read_meta(stream, content)
    if stated := str(meta.get("TransferSyntaxUID") or "").strip(" \0"):
        check_transfer_syntax(stated)
    explicit, little = _encoding(content, stream.tell())
    elements = _read_elements(stream, explicit=explicit, little=little)
    dataset = Dataset(elements)
    dataset.file_meta = meta
    dataset.set_original_encoding(not explicit, little)
    pixels = elements.get(PIXEL_DATA)
    meta.TransferSyntaxUID = _true_syntax(stated, pixels, explicit=explicit, little=little)
    return dataset


def first_elements(content: bytes, start: int, last: int) -> Iterator[Any]:
    """The elements up to the tag `last`, as they stand in a file that may be cut off after them.

    Raises:
        DICOM_ERRORS: from broken content.
    """
    stream = BytesIO(content)
    stream.seek(start)
    _read_meta(stream, content)
    explicit, little = _encoding(content, stream.tell())
    yield from data_element_generator(stream, not explicit, little, stop_when=lambda tag, vr, length: tag > last)


def _read_meta(stream: BytesIO, content: bytes) -> FileMetaDataset:
    explicit, _ = _encoding(content, stream.tell())  # always to be explicit (PS3.10, 7.1), and not always is
    elements = data_element_generator(stream, not explicit, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    return FileMetaDataset({element.tag: element for element in elements})


def _encoding(content: bytes, start: int) -> tuple[bool, bool]:
    """Whether an element states its VR, and whether its numbers are little-endian.

    Some writers state the wrong kind of encoding, some none: the first element tells.
    """
    vr = content[start + 4 : start + 6]
    explicit = vr.isalpha() and vr.isupper()
    return explicit, int.from_bytes(content[start : start + 2], "big") not in FIRST_GROUPS


def _read_elements(stream: BytesIO, *, explicit: bool, little: bool) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    try:
        for element in islice(data_element_generator(stream, not explicit, little), _MAX_ELEMENTS + 1):
            if len(found) == _MAX_ELEMENTS or _is_cut_short(element):
                if PIXEL_DATA in found:
                    break
                raise damaged()
            found.setdefault(element.tag, element)
    except DICOM_ERRORS:
        if PIXEL_DATA not in found:
            raise
    if not found:
        raise damaged()
    return found


def _is_cut_short(element: Any) -> bool:
    return (
        isinstance(element, RawDataElement)
        and element.length != 0xFFFFFFFF
        and len(element.value or b"") < element.length
    )


def _true_syntax(stated: str, pixels: Any, *, explicit: bool, little: bool) -> str:
    """The transfer syntax by which pixels can be decoded: that of the elements, or of the compressed frame within them."""
    value = pixels.value if pixels is not None else None
    if isinstance(value, bytes) and value.startswith(_ITEM) and little:
        compressed = stated and uid.UID(stated).is_encapsulated
        return stated if compressed else coded_syntax(value)
    if not explicit:
        return str(uid.ImplicitVRLittleEndian)
    return str(uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian)
