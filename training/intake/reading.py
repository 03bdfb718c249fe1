"""What one row of a label file says of one film, in the same words for every format."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from training.intake.label_table import Source

# The whole vocabulary. Of the reasons that hold for a row, the first in this order counts.
REJECTIONS: Final = {
    "malformed_row": "the row does not fit the header, or a cell holds what it cannot hold",
    "lateral": "a lateral view",
    "other_view": "neither a frontal nor a lateral view, or not said which",
    "excluded": "marked as not to be used by those who labelled it",
    "no_patient": "the patient is not said",
    "missing_image": "no file of this name lies in the folder of images",
    "several_images": "several files of this name lie in the folder of images",
    "duplicate_row": "says again what an earlier row says of this film",
    "contradictory": "the film is said to be of both classes, or of two patients, or normal with a finding",
    "uncertain": "uncertain, or as many readers say one thing as the other",
    "another_finding": "another finding than those of the two classes",
    "no_statement": "nothing is said of either class",
    "unlisted_image": "a file in the folder of images of which no row speaks that can be read",
}

FRONTAL, LATERAL = "frontal", "lateral"

_OLDEST: Final = 120


class MalformedError(ValueError):
    """A row that does not hold what its format says."""


@dataclass(frozen=True)
class Reading:
    """What one row says.

    Attributes:
        source: the row.
        places: under which names the film's file may lie below the folder of images, the likeliest first.
        patient: "" where it should be said and is not; None where the format names no patients.
        view: "frontal", "lateral", or "" for others.
        present, uncertain: findings, as `plain` writes them.
        excluded: whether the film is not to be used.
        split: "train", "val" or "test"; "" where that is not said.
        label: of a table of one's own, the class as it is written.
        facts: what else is known: `sex`, `age_years`, `view`.
    """

    source: Source
    places: tuple[str, ...]
    patient: str | None
    present: frozenset[str]
    uncertain: frozenset[str] = frozenset()
    view: str = FRONTAL
    excluded: bool = False
    split: str = ""
    label: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A finding's name in lower case and with single blanks: label files differ in both."""
    return " ".join(name.casefold().split())


def plain_set(names: Iterable[str]) -> frozenset[str]:
    """The names as `plain` writes them, without empty ones."""
    return frozenset(filter(None, map(plain, names)))


def known_facts(*, sex: str, age: str, view: str) -> dict[str, str]:
    """What subgroups may be made of: M or F, an age from 0 to 120 years, and the view; what is not such is left out.

    In `Data_Entry_2017.csv` some are said to be 411 years old.
    """
    facts = {"sex": sex[:1].upper() if sex[:1].upper() in ("M", "F") else "", "view": view.upper()}
    number, unit = (age[:-1], age[-1:].upper()) if age[-1:].upper() in ("Y", "M", "D") else (age, "Y")
    if number.isascii() and number.isdigit():
        years = int(number) / {"Y": 1, "M": 12, "D": 365}[unit]
        facts["age_years"] = f"{round(years, 2):g}" if years <= _OLDEST else ""
    return {name: value for name, value in facts.items() if value}
