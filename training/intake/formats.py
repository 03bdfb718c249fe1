"""The label files that people have, each with its faults: NIH, RSNA, CheXpert, VinDr, PadChest, and any table."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from training.data.patients import DatasetError
from training.intake.label_table import LabelTable, Row
from training.intake.reading import (
    FRONTAL,
    LATERAL,
    MalformedError,
    Reading,
    known_facts,
    plain,
    plain_set,
)

RSNA_CLASSES_FILE: Final = "stage_2_detailed_class_info.csv"

ReadRow = Callable[[Row], Reading]


@dataclass(frozen=True)
class LabelFormat:
    """A kind of label file.

    Attributes:
        name: for `--format`.
        title: for people.
        columns: in lower case; a table that has them all is of this kind.
        read: what a row says.
        positive, negative: the findings that make a film PNEUMONIA, and NORMAL.
        rows: what several rows of one film are: "films" (a mistake), "boxes" (all hold) or "readers" (they vote).
        aside: columns and findings that are no finding of the lungs: a film with them can still be normal.
        patients: what is to be known of the patients.
    """

    name: str
    title: str
    columns: frozenset[str]
    read: ReadRow
    positive: str
    negative: str
    rows: str = "films"
    aside: frozenset[str] = frozenset()
    patients: str = ""


def _read_nih(row: Row) -> Reading:
    """`Data_Entry_2017.csv` and `_v2020`: findings between bars; the older one ends each line in a comma."""
    view = row["view position"].upper()
    return Reading(
        row.source,
        (row["image index"],),
        row["patient id"],
        plain_set(row["finding labels"].split("|")),
        view=FRONTAL if view in ("PA", "AP") else "",
        facts=known_facts(sex=row["patient gender"] or row["patient sex"], age=row["patient age"], view=view),
    )


def _read_rsna_boxes(row: Row) -> Reading:
    """`stage_2_train_labels.csv`: a row for each box of opacity, or one row without a box."""
    if row["target"] not in ("0", "1"):
        raise MalformedError(f"Target {row['target']!r}")
    finding = "lung opacity" if row["target"] == "1" else "no lung opacity"
    return Reading(row.source, (row["patientid"],), row["patientid"], frozenset({finding}))


def _read_rsna_classes(row: Row) -> Reading:
    """`stage_2_detailed_class_info.csv`: a row for each box, as above, with one of three classes."""
    return Reading(row.source, (row["patientid"],), row["patientid"], plain_set([row["class"]]))


_CHEXPERT_PATH: Final = re.compile(r"(?:(?:.*/)?(train|valid|test)/)?((?:.*/)?(patient\d+)/.+)", re.IGNORECASE)
_CHEXPERT_OTHERS: Final = {"path", "sex", "age", "frontal/lateral", "ap/pa"}
_STATES: Final = {1.0: "present", 0.0: "absent", -1.0: "uncertain"}


def _read_chexpert(row: Row) -> Reading:
    """`train.csv` and `valid.csv`: 1, 0, -1 (uncertain) or blank for each finding; the path holds split and patient."""
    path = row["path"].replace("\\", "/")
    match = _CHEXPERT_PATH.fullmatch(path)
    split = (match[1] or "").lower() if match else ""
    places = (path, *((f"{match[1]}/{match[2]}",) if split and match else ()), *((match[2],) if match else ()))
    states = {plain(name): _state(cell) for name, cell in (row.cells or {}).items() if name not in _CHEXPERT_OTHERS}
    return Reading(
        row.source,
        places,
        match[3].lower() if match else "",
        frozenset(name for name, state in states.items() if state == "present"),
        frozenset(name for name, state in states.items() if state == "uncertain"),
        view={"frontal": FRONTAL, "lateral": LATERAL}.get(row["frontal/lateral"].lower(), ""),
        split={"valid": "val"}.get(split, split),
        facts=known_facts(sex=row["sex"], age=row["age"], view=row["ap/pa"]),
    )


def _state(cell: str) -> str:
    """What a number says of a finding; blank: nothing."""
    if not cell:
        return ""
    try:
        return _STATES[float(cell)]
    except (KeyError, ValueError):
        raise MalformedError(f"{cell!r} is none of 1, 0, -1") from None


def _read_vindr(row: Row) -> Reading:
    """`image_labels_train.csv` of VinDr-PCXR and VinDr-CXR: 1 or 0 for each finding, in a row for each reader of a film; of the
    test films there is one row, without a reader.
    """
    states = {
        plain(name): _state(cell) for name, cell in (row.cells or {}).items() if name not in ("image_id", "rad_id")
    }
    if "uncertain" in states.values():
        raise MalformedError("-1 is none of 1, 0")
    present = frozenset(name for name, state in states.items() if state == "present")
    return Reading(row.source, (row["image_id"],), None, present)


_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_PADCHEST_VIEWS: Final = {"PA": FRONTAL, "AP": FRONTAL, "AP_HORIZONTAL": FRONTAL, "L": LATERAL}
_PADCHEST_EXCLUDED: Final = {"exclude", "suboptimal study"}


def _read_padchest(row: Row) -> Reading:
    """`PADCHEST_chest_x_ray_images_labels_160K`: labels as Python writes a list, some with blanks within the quotes."""
    labels = row["labels"] if row["labels"].lower() != "nan" else ""
    if labels and not (labels.startswith("[") and labels.endswith("]")):
        raise MalformedError(f"Labels {labels[:40]!r}")
    found = plain_set(one or other for one, other in _QUOTED.findall(labels))
    view = row["projection"].upper()
    patient = row["patientid"]
    return Reading(
        row.source,
        tuple(filter(None, (f"{row['imagedir']}/{row['imageid']}" if row["imagedir"] else "", row["imageid"]))),
        "" if patient.lower() == "nan" else patient,
        found - _PADCHEST_EXCLUDED,
        view=_PADCHEST_VIEWS.get(view, ""),
        excluded=bool(found & _PADCHEST_EXCLUDED),
        facts=known_facts(sex=row["patientsex_dicom"], age=_age(row), view=view.split("_")[0]),
    )


def _age(row: Row) -> str:
    """PadChest's year of birth (1943, or 1943.0) and date of study (20140915) as an age."""
    birth, study = row["patientbirth"].partition(".")[0], row["studydate_dicom"][:4]
    return str(int(study) - int(birth)) if birth.isdecimal() and study.isdecimal() else ""


FORMATS: Final = (
    LabelFormat(
        "nih",
        "NIH ChestX-ray14",
        frozenset({"image index", "finding labels", "patient id", "view position"}),
        _read_nih,
        "pneumonia",
        "no finding",
    ),
    LabelFormat(
        "rsna",
        "RSNA pneumonia, boxes",
        frozenset({"patientid", "target"}),
        _read_rsna_boxes,
        "lung opacity",
        "no lung opacity",
        rows="boxes",
        patients="RSNA's patientId is of a film, and several films can be of one person; NORMAL are all films without opacity, "
        "some with other findings: stage_2_detailed_class_info.csv as --csv leaves these out",
    ),
    LabelFormat(
        "rsna-classes",
        "RSNA pneumonia, classes",
        frozenset({"patientid", "class"}),
        _read_rsna_classes,
        "lung opacity",
        "normal",
        rows="boxes",
        patients="RSNA's patientId is of a film, and several films can be of one person",
    ),
    LabelFormat(
        "chexpert",
        "CheXpert",
        frozenset({"path", "frontal/lateral", "no finding", "pneumonia"}),
        _read_chexpert,
        "pneumonia",
        "no finding",
        aside=frozenset({"support devices"}),
    ),
    LabelFormat(
        "vindr",
        "VinDr",
        frozenset({"image_id", "no finding"}),
        _read_vindr,
        "pneumonia",
        "no finding",
        rows="readers",
        patients="VinDr does not say which films are of one patient",
    ),
    LabelFormat(
        "padchest",
        "PadChest",
        frozenset({"imageid", "patientid", "projection", "labels"}),
        _read_padchest,
        "pneumonia",
        "normal",
        aside=frozenset({"unchanged"}),
    ),
)


def recognise(table: LabelTable, named: str | None) -> LabelFormat:
    """The format of this name, or the one whose columns the table has.

    Raises:
        DatasetError: "labels_csv" where there is none, or its columns are not all there.
    """
    fitting = [one for one in FORMATS if one.columns <= set(table.columns)]
    chosen = next((one for one in FORMATS if one.name == named), None) or (fitting[0] if fitting else None)
    if chosen is None:
        raise DatasetError(
            "labels_csv",
            f"The header of {table.path.name} must be that of {', '.join(one.title for one in FORMATS)}. Received: "
            f"{', '.join(filter(None, table.header))}. Say which columns hold what: --file COLUMN --label COLUMN, "
            "and --patient COLUMN where there is one.",
        )
    if missing := sorted(chosen.columns - set(table.columns)):
        raise DatasetError(
            "labels_csv",
            f"A table of {chosen.title} must have the columns {', '.join(sorted(chosen.columns))}. Received: "
            f"{table.path.name}, without {', '.join(missing)}.",
        )
    return chosen


def table_format(table: LabelTable, *, file: str, label: str, patient: str | None, split: str | None) -> LabelFormat:
    """A format for any table: one row for each film, and the columns that say its file, label, patient and split."""
    columns = {name: name.strip().lower() for name in (file, label, patient, split) if name is not None}
    if missing := [name for name, column in columns.items() if column not in table.columns]:
        raise DatasetError(
            "labels_csv",
            f"--file, --label, --patient and --split must name columns of {table.path.name}. Received: {', '.join(missing)}. "
            f"It has {', '.join(filter(None, table.header))}.",
        )

    def read(row: Row) -> Reading:
        return Reading(
            row.source,
            (row[columns[file]].replace("\\", "/"),),
            row[columns[patient]] if patient else None,
            plain_set([row[columns[label]]]),
            split=_split(row[columns[split]]) if split else "",
            label=row[columns[label]],
        )

    return LabelFormat("table", "a table of your own", frozenset(columns.values()), read, "", "")


def _split(cell: str) -> str:
    known = {"train": "train", "training": "train", "test": "test", "testing": "test"}
    known |= dict.fromkeys(("val", "valid", "validation", "dev"), "val")
    if cell.lower() not in known:
        raise MalformedError(f"{cell!r} is no split: train, val or test")
    return known[cell.lower()]
