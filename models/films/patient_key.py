"""Which films are of one patient: by the study that a DICOM file states, or by the file's name.

What identifies a person is never kept: it goes into a digest at once, and only equal digests mean anything.
"""

import hashlib
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from models.films.formats import dicom_start, picture_format
from models.films.refusal import attempt

_PATIENT, _STUDY = 0x00100020, 0x0020000D  # PatientID, StudyInstanceUID (DICOM PS3.6)

_HEAD: Final = 4 * 2**20  # bytes of a file that are looked at: a study is stated in the first kilobytes

# What de-identified exports write for every patient; such a number says nothing.
_NOBODY: Final = {
    "0", "1", "anon", "anonymous", "anonymized", "anonymised", "na", "n/a", "none", "null", "patient", "unknown", "xxx",
}  # fmt: skip

# The names under which doi:10.17632/rscbjbr9sj circulates. Whatever follows the running number is accepted, so that a
# crop or an augmented copy stays with its patient. Picture formats only: DICOM viewers export `IM-<series>-<n>.dcm`,
# where the first number says nothing about the patient.
_PICTURE: Final = r"(?!\d).*\.(?i:jpe?g|png|bmp|tiff?|webp)"
_PERSON: Final = re.compile(r"(?P<patient>person\d+)_(?P<batch>bacteria|virus)_\d+" + _PICTURE)
_IM: Final = re.compile(r"(?P<patient>(?P<batch>(?:NORMAL2-)?IM)-\d+)-\d+" + _PICTURE)


class PublishedName(NamedTuple):
    """What a published file name says."""

    patient: str
    batch: str


def published_name(file_name: str) -> PublishedName | None:
    """The patient and the acquisition batch of a published name of this data; None for any other name.

    `person12_virus_3.jpeg` gives ("person12", "virus"), `NORMAL2-IM-0115-0001.jpeg` gives ("NORMAL2-IM-0115",
    "NORMAL2-IM"). 808 numbers of the training split occur with both bacteria and virus. Whether they are the same
    children is not published, so they count as one patient: a patient too few costs nothing, a patient on both sides of
    a split does. The two IM series count separately, as their prefix is a part of the name.
    """
    match = _PERSON.fullmatch(file_name) or _IM.fullmatch(file_name)
    return PublishedName(match["patient"], match["batch"]) if match else None


def patient_pattern(expression: str) -> re.Pattern[str]:
    """A pattern that is searched in file names; its first group is the patient.

    Raises:
        ValueError: where it is no regular expression, or has no group.
    """
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise ValueError(
            f"The pattern for the patient must be a regular expression. Received: {expression!r}, {error}."
        ) from error
    if pattern.groups == 0:
        raise ValueError(
            f"The pattern for the patient must have a group, which is the patient. Received: {expression!r}. "
            r"Put it in brackets, as in '^(\d+)_'."
        )
    return pattern


def patient_key(name: str, source: Path | bytes, pattern: re.Pattern[str] | None = None) -> str | None:
    """A digest that is equal for films of one patient, as far as is known; None where nothing is.

    Of what is there, the first counts: the pattern in the file's name, the study that a DICOM file states, the patient that it
    states (unless it is one of the numbers that stand for nobody), the patient in a published file name. A study goes before a
    patient: films of another year are another question.

    Args:
        name: the file's name, without folders.
        source: the file, or its bytes; whether it can be judged does not matter.
    """
    if pattern is not None:
        match = pattern.search(name)
        return _digest("name", match[1]) if match and match[1] else None
    return dicom_key(source) or name_key(name)


def name_key(name: str) -> str | None:
    """The key of the patient in a published file name; None for any other name."""
    published = published_name(name)
    return _digest("published", published.patient) if published else None


def dicom_key(source: Path | bytes) -> str | None:
    """The key of the study, or else of the patient, that a DICOM file states; None for other files, and where none is."""
    key = attempt(lambda: _stated(_head(source) if isinstance(source, Path) else source[:_HEAD]))
    return key if isinstance(key, str) else None


def _head(path: Path) -> bytes:
    if not path.is_file():  # opening a pipe would wait for a writer for ever
        return b""
    try:
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except OSError:
        return b""


def _stated(content: bytes) -> str | None:
    if picture_format(content) or (start := dicom_start(content)) is None:
        return None
    from models.films.dicom_file import first_elements  # only when needed: pydicom takes most of a second to import
    from models.films.dicom_header import DICOM_ERRORS

    try:
        found = first_elements(content, start, _STUDY)
        values = {element.tag: _text(element) for element in found if element.tag in (_STUDY, _PATIENT)}
    except DICOM_ERRORS:
        return None
    if study := values.get(_STUDY):
        return _digest("study", study)
    patient = values.get(_PATIENT, "")
    return _digest("patient", patient) if patient and patient.casefold() not in _NOBODY else None


def _text(element: Any) -> str:
    """The value of an element as it stands in the file: what is not understood is still equal to itself."""
    value = element.value
    return (value.decode("latin-1") if isinstance(value, bytes) else str(value or "")).strip(" \0")


def _digest(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}\0{value}".encode(errors="surrogateescape")).hexdigest()
