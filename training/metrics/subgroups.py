"""How good a bundle is on parts of a folder: by acquisition batch, view, sex, age, and whatever a table says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.prediction import OperatingPoint
from training.metrics.bootstrap import DRAWS, NOT_STATED
from training.metrics.classification import auroc_metric
from training.metrics.judged import Judged

MOST_GROUPS: Final = 20

_AGES: Final = ((1, "under 1 year"), (6, "1 to 5 years"), (18, "6 to 17 years"), (40, "18 to 39 years"),
                (65, "40 to 64 years"), (131, "65 years and over"))  # fmt: skip
_SHOWN: Final = ("auroc", "sensitivity", "specificity", "brier")
_SHOWN_OF_MORE_CLASSES: Final = ("macro_auroc", "accuracy", "brier")


@dataclass(frozen=True)
class Column:
    """What divides images into groups: the group of each, `(n,)`, "" where it is not stated."""

    name: str
    groups: tuple[str, ...]


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


def age_group(years: str) -> str:
    """The age group of a number of years; "" for anything else."""
    try:
        age = float(years)
    except ValueError:
        return ""
    return next((label for limit, label in _AGES if 0 <= age < limit), "")
