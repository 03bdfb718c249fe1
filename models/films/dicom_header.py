"""What a DICOM header states, read as writers write it: empty, several times, in the wrong place, with a comma for a point."""

import math
from collections.abc import Iterator
from typing import Any, Final

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.sequence import Sequence

from models.films.pictures import CODEC_ERRORS
from models.films.refusal import Refusal, RefusedError
from models.system.sentence import Sentence

DICOM_ERRORS: Final = (*CODEC_ERRORS, BytesLengthException)  # what broken content makes pydicom and its codecs raise

_BINARY_VRS: Final = ("US", "SS", "UL", "SL", "FL", "FD", "US or SS", "SV", "UV", "AT", "OB", "OW", "OF", "OD", "SQ")


class Faults:
    """What of a header cannot be followed, in words, each once."""

    def __init__(self) -> None:
        self._found: dict[Sentence, None] = {}

    def add(self, what: Sentence) -> None:
        self._found[what] = None

    def notes(self) -> tuple[Refusal, ...]:
        """One note that lists them all; none where there are none."""
        if not self._found:
            return ()
        return (
            Refusal(
                "header_faults",
                Sentence(
                    "The DICOM file states what cannot be followed, and was read without it: {faults}. Compare the picture with "
                    "the one that a viewer shows.",
                    faults=list(self._found),
                ),
            ),
        )


def numbers(dataset: Dataset, keyword: str) -> list[float]:
    """The finite numbers of an element; none where it is absent or empty.

    Raises:
        ValueError: where something else stands there. A decimal comma is taken for a point.
    """
    if keyword not in dataset:
        return []
    element = dataset.get_item(keyword)
    vr = element.VR if element.VR not in (None, "UN") else dictionary_VR(keyword)
    if isinstance(element, RawDataElement) and vr not in _BINARY_VRS:
        parts = (element.value or b"").decode("latin-1").split("\\")
        values = [float(part.replace(",", ".")) for text in parts if (part := text.strip(" \0\t\r\n"))]
    else:
        value = dataset[keyword].value
        several = isinstance(value, (list, tuple)) or hasattr(value, "append")
        values = [float(one) for one in (value if several else [value]) if one not in (None, "")]
    if not all(map(math.isfinite, values)):
        raise ValueError(f"{keyword} must be finite. Received: {values}")
    return values


def whole_number(dataset: Dataset, keyword: str, default: int | None = None) -> int:
    """The first number of an element, as a whole one.

    Raises:
        RefusedError: damaged, where there is none, and no default.
    """
    try:
        found = numbers(dataset, keyword)
    except DICOM_ERRORS:
        found = []
    if found:
        return int(found[0])
    if default is None:
        raise damaged()
    return default


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is absent, empty, broken or no sequence."""
    try:
        value = dataset.get(keyword)
    except DICOM_ERRORS:
        return []
    return list(value) if isinstance(value, Sequence) else []


def statements(dataset: Dataset, group: str) -> Iterator[Dataset]:
    """Where an object may state something of its one frame, the most particular place first.

    An enhanced object does so in the functional group `group` of the frame, or of all frames (PS3.3, C.7.6.16); others at
    the top.
    """
    for place in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for groups in items(dataset, place)[:1]:
            yield from items(groups, group)[:1]
    yield dataset


def text(dataset: Dataset, keyword: str) -> str:
    """A code string in capitals, without blanks at its ends; "" where there is none, or none that can be read."""
    try:
        value: Any = dataset.get(keyword)
        return str(value or "").strip(" \0").upper()
    except DICOM_ERRORS:
        return ""


def damaged() -> RefusedError:
    return RefusedError("damaged", "This DICOM file is cut short or broken. Export the radiograph again.")


def unsupported(what: Sentence) -> RefusedError:
    return RefusedError(
        "unsupported_encoding",
        Sentence("{what}. Export the radiograph uncompressed or as JPEG 2000, in greyscale.", what=what),
    )
