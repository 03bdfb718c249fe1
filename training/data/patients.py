"""Which files show the same patient: from published file names, a pattern, or a table.

Splitting by file instead of by patient puts one patient on both sides and flatters every score. The DICOM PatientID is
deliberately not read: a data set for training should not carry one, and de-identified exports often share a dummy.
"""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.films.patient_key import patient_pattern, published_name

# The whole vocabulary. A code never changes its meaning: programs that start a training read it.
DATASET_ERROR_CODES: Final = {
    "not_a_folder": "the path leads to no folder that can be listed",
    "no_images": "no file that can be read as a radiograph",
    "single_class": "fewer than two class folders",
    "empty_class": "a class folder without a readable radiograph",
    "mixed_layout": "neither CLASS/* nor {train,val,test}/CLASS/* with the same classes in each split",
    "patient_regex": "an invalid pattern for the patient, or one without a group",
    "patients_csv": "a table of patients that does not fit the files",
    "too_few_patients": "a class with too few patients to hold one out",
    "leak": "films or patients that would stand on both sides of a split",
    "no_lungs": "a class in whose films no lungs were found",
    "unknown_class": "a class folder whose name the bundle does not know",
    "labels_csv": "a table of labels that cannot be imported",
    "no_client": "a client for a download that is not installed",
    "download": "a download that fails, or brings something else than what was published",
    "not_empty": "a folder to be made that is there already",
    "alike_classes": "class folders whose names differ in case or blanks alone",
}

_SHOWN = 5


class DatasetError(Exception):
    """A data set that cannot be trained on; the message says what was found and what to do.

    Attributes:
        code: one of `DATASET_ERROR_CODES`.
        candidates: folders one of which may have been meant, the likeliest first.
    """

    def __init__(self, code: str, message: str, candidates: Sequence[Path] = ()) -> None:
        if code not in DATASET_ERROR_CODES:
            raise ValueError(f"A code must be one of {', '.join(DATASET_ERROR_CODES)}. Received: {code!r}")
        super().__init__(message)
        self.code = code
        self.candidates = tuple(candidates)


@dataclass(frozen=True)
class PatientNames:
    """What is known about the patients of a folder's files before any of them is opened.

    Attributes:
        origin: where the names come from, as the beginning of a sentence.
        patients: the patient of each file, by path relative to the data set; files of unknown patients are absent.
        complete: whether a file without a patient is an error, as where a table was given.
    """

    origin: str
    patients: Mapping[Path, str]
    complete: bool = False

    def require(self, files: Sequence[Path]) -> None:
        """Raise `DatasetError("patients_csv")` where a table was given and one of `files` is not in it."""
        missing = [file.as_posix() for file in files if file not in self.patients]
        if self.complete and missing:
            raise DatasetError(
                "patients_csv",
                f"Each image must have a row in the table of patients. Received: {len(missing)} of {len(files)} images "
                f"without one ({shortened(missing)}). Add the rows, or move the images out of the folder.",
            )

    def describe(self, files: Sequence[Path]) -> str:
        """A sentence on where the patients of `files` come from, with counts."""
        named = [self.patients[file] for file in files if file in self.patients]
        unknown = len(files) - len(named)
        if not named and not self.origin:
            return "unknown: each file is treated as a patient"
        sentence = f"{self.origin or 'the published file names'}: {_count(named)}"
        return f"{sentence}; unknown for {unknown} more: each of these is treated as a patient" if unknown else sentence


def name_patients(
    files: Sequence[Path], *, patient_regex: str | None = None, patients_csv: Path | None = None
) -> PatientNames:
    """Find the patients of `files` (paths relative to the data set) by a table, a pattern, or the published names.

    Args:
        patient_regex: searched in each file's name; its first group is the patient.
        patients_csv: a UTF-8 table with a header that holds `file` and `patient`.

    Raises:
        DatasetError: "patient_regex" or "patients_csv".
    """
    if patient_regex is not None and patients_csv is not None:
        raise DatasetError(
            "patients_csv", "Patients must come from a pattern or from a table. Received: both; leave one of them out."
        )
    if patients_csv is not None:
        return PatientNames(f"the table {patients_csv.name}", read_patients_csv(patients_csv, files), complete=True)
    if patient_regex is not None:
        pattern = _compile(patient_regex)
        matches = ((file, pattern.search(file.name)) for file in files)
        patients = {file: match[1] for file, match in matches if match and match[1]}
        return PatientNames(f"the pattern {patient_regex!r} in the file names", patients)
    published = ((file, published_name(file.name)) for file in files)
    return PatientNames("", {file: name.patient for file, name in published if name})


def read_patients_csv(table: Path, files: Sequence[Path]) -> dict[Path, str]:
    """Read a table whose header holds `file` and `patient`; further columns are ignored.

    `file` is a path relative to the data set with `/` between folders, or just a file name that occurs once. A byte
    order mark and Windows line ends are accepted.

    Raises:
        DatasetError: "patients_csv" where the table cannot be read, or a row names no file, several, one that has a row
            already, or no patient.
    """
    by_path = {file.as_posix(): file for file in files}
    occurrences = Counter(file.name for file in files)
    by_name = {file.name: file for file in files if occurrences[file.name] == 1}
    patients: dict[Path, str] = {}
    faults: dict[str, list[str]] = {"no such image": [], "several images": [], "second row": [], "no patient": []}
    for name, patient in _rows(table):
        file = by_path.get(name) or by_name.get(name)
        if file is None:
            faults["several images" if occurrences[name] else "no such image"].append(name)
        elif file in patients:
            faults["second row"].append(name)
        elif not patient:
            faults["no patient"].append(name)
        else:
            patients[file] = patient
    found = [f"{fault} for {len(names)} ({shortened(names)})" for fault, names in faults.items() if names]
    if found:
        raise DatasetError(
            "patients_csv",
            f"Each row of {table.name} must name one image, once, and its patient. Received: {'; '.join(found)}. "
            "Write the path below the data set's folder, with / between folders.",
        )
    return patients


def names_patients(table: Path) -> bool:
    """Whether there is a table at this place whose header holds `file` and `patient`."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return False
    return {"file", "patient"} <= {column.strip().lower() for column in header}


def shortened(names: Sequence[str]) -> str:
    """Up to five of the names, and how many more there are."""
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _count(patients: Sequence[str]) -> str:
    number = len(set(patients))
    return f"{len(patients)} file{'s'[: len(patients) != 1]} of {number} patient{'s'[: number != 1]}"


def _compile(expression: str) -> re.Pattern[str]:
    try:
        return patient_pattern(expression)
    except ValueError as error:
        raise DatasetError("patient_regex", str(error)) from error


def _rows(table: Path) -> list[tuple[str, str]]:
    """The `(file, patient)` pairs of a table, stripped of surrounding space."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            header = [column.strip().lower() for column in reader.fieldnames or ()]
            reader.fieldnames = header
            rows = [((row.get("file") or "").strip(), (row.get("patient") or "").strip()) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            "patients_csv", f"The table of patients must be a readable CSV file in UTF-8. Received: {table}, {error}."
        ) from error
    if not {"file", "patient"} <= set(header):
        raise DatasetError(
            "patients_csv",
            f"The header of {table.name} must hold the columns file and patient, separated by commas. "
            f"Received: {', '.join(header) or 'an empty file'}.",
        )
    return rows
