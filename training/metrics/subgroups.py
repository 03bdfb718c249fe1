"""How good a bundle is on parts of a folder: by acquisition batch, view, sex, age, and whatever a table says.

Batches come from the published file names (bacteria and virus are two), view, sex and age from DICOM files, and any of
these and more from a table with the column `file`.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.prediction import OperatingPoint
from training.config import NOT_STATED
from training.data.manifest import Entry
from training.heads.validation import Judged
from training.metrics.bootstrap import DRAWS
from training.metrics.classification import auroc_metric

MOST_GROUPS: Final = 20

_KNOWN: Final = {"batch": "acquisition batch", "view": "view", "sex": "sex", "age_years": "age"}
_NO_GROUPS: Final = {"file", "label", "patient", "split", "sha256"}
_AGES: Final = ((1, "under 1 year"), (6, "1 to 5 years"), (18, "6 to 17 years"), (40, "18 to 39 years"),
                (65, "40 to 64 years"), (131, "65 years and over"))  # fmt: skip
_SHOWN: Final = ("auroc", "sensitivity", "specificity", "brier")
_SHOWN_OF_MORE_CLASSES: Final = ("macro_auroc", "accuracy", "brier")


@dataclass(frozen=True)
class Column:
    """What divides images into groups: the group of each, `(n,)`, "" where it is not stated."""

    name: str
    groups: tuple[str, ...]


def find_columns(entries: Sequence[Entry], table: Path | None) -> list[Column]:
    """The columns of a folder: batch, view, sex and age always, further ones from the table.

    Raises:
        ValueError: a table that cannot be read, has no column `file`, or names none of the images.
    """
    known = {"batch": [entry.batch for entry in entries]}
    known |= {fact: [entry.facts.get(fact, "") for entry in entries] for fact in ("view", "sex", "age_years")}
    if table is not None:
        for name, values in _read(table, entries).items():
            before = known.get(name, [""] * len(entries))
            known[name] = [new or old for new, old in zip(values, before, strict=True)]
    return [
        Column(_KNOWN.get(name, name), tuple(map(_age_group, values) if name == "age_years" else values))
        for name, values in known.items()
    ]


def subgroup_report(
    judged: Judged, operating_point: OperatingPoint | None, columns: Sequence[Column], *, draws: int = DRAWS
) -> list[dict[str, Any]]:
    """Metrics of each group of each column, as a report holds them; a column may have none, with the reason."""
    return [_column(judged, operating_point, column, draws) for column in columns]


def _column(judged: Judged, point: OperatingPoint | None, column: Column, draws: int) -> dict[str, Any]:
    counts = Counter(column.groups)
    stated = len(counts) - ("" in counts)
    reason = "no image states it" if not stated else None
    if stated > MOST_GROUPS:
        reason = f"{stated:,} different values; a subgroup needs a column with at most {MOST_GROUPS}"
    names = [] if reason else sorted(counts, key=lambda name: (not name, _order(name)))
    members = np.asarray(column.groups)
    groups = [_group(judged, point, name, members == name, draws) for name in names]
    return {"column": column.name, "not_assessable": reason, "groups": groups}


def _group(
    judged: Judged, point: OperatingPoint | None, name: str, members: NDArray[np.bool_], draws: int
) -> dict[str, Any]:
    part = judged.select(members)
    found = part.metrics(point, draws=draws)
    metrics = {key: found[key] for key in (_SHOWN if point else _SHOWN_OF_MORE_CLASSES)}
    against = None
    classes = np.unique(part.truth)
    if point is not None and len(classes) == 1:
        # A group of one class, such as bacterial pneumonia, is told from all images of the other class.
        against = judged.labels[1 - int(classes[0])]
        both = judged.select(members | (judged.truth != classes[0]))
        metrics["auroc"] = auroc_metric(both.is_positive, both.positive_probability, both.patients, draws=draws)
    return {
        "group": name or NOT_STATED,
        "images": {label: int((part.truth == index).sum()) for index, label in enumerate(judged.labels)},
        "patients": len(set(part.patients)),
        "auroc_against_all": against,
        "metrics": {key: value.as_json() if value else None for key, value in metrics.items()},
    }


def _order(name: str) -> tuple[int, str]:
    ages = [label for _, label in _AGES]
    return (ages.index(name), "") if name in ages else (len(ages), name)


def _age_group(years: str) -> str:
    """The age group of a number of years; "" for anything else."""
    try:
        age = float(years)
    except ValueError:
        return ""
    return next((label for limit, label in _AGES if 0 <= age < limit), "")


def _read(table: Path, entries: Sequence[Entry]) -> Mapping[str, list[str]]:
    """The values of each column of a table for each entry, "" where it says nothing."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            rows = [{key: (row.get(key) or "").strip() for key in names} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"--subgroups must be a readable CSV file in UTF-8. Received: {table}, {error}") from error
    if "file" not in names:
        raise ValueError(
            f"The header of {table.name} must hold the column file. Received: {', '.join(names) or 'an empty file'}."
        )
    by_path = {row["file"]: row for row in rows}
    occurrences = Counter(entry.path.name for entry in entries)
    found = [
        by_path.get(entry.path.as_posix())
        or (by_path.get(entry.path.name) if occurrences[entry.path.name] == 1 else None)
        for entry in entries
    ]
    if not any(found):
        raise ValueError(
            f"{table.name} must name images by their path below the data set's folder, or by a file name that occurs once. "
            f"Received: none of the {len(entries):,} images among its {len(rows):,} rows."
        )
    aliases = {"age": "age_years"}
    return {
        aliases.get(name, name): [row[name] if row else "" for row in found] for name in names if name not in _NO_GROUPS
    }
