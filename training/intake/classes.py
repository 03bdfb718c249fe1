"""What makes a film one of a class: by the findings that are stated of it, and a rule for what is uncertain."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from training.data.listing import SPLITS, refuse_alike
from training.data.patients import DatasetError, shortened
from training.intake.formats import LabelFormat
from training.intake.reading import Reading, plain_set

UNCERTAIN_RULES: Final = ("leave-out", "positive", "negative")
READER_RULES: Final = ("majority", "any")


@dataclass(frozen=True)
class Classes:
    """Two classes, by findings as `plain` writes them.

    A film with a finding of `positive` is of the one class, whatever else it shows. One with a finding of `negative` is of the
    other class; where that is the absence of findings (`is_normal`), with no further finding but those of `aside`.

    Attributes:
        labels: the names of the class folders, negative and positive.
        uncertain: what a finding that is neither stated nor denied counts as, one of `UNCERTAIN_RULES`.
    """

    labels: tuple[str, str]
    negative: frozenset[str]
    positive: frozenset[str]
    is_normal: bool
    aside: frozenset[str]
    uncertain: str

    def of(self, present: frozenset[str], uncertain: frozenset[str]) -> tuple[str, str]:
        """The label of a film and "", or "" and the reason why it has none."""
        if self.uncertain == "positive":
            present, uncertain = present | uncertain, frozenset()
        elif self.uncertain == "negative":
            uncertain = frozenset()
        others = present - self.negative - self.positive - self.aside
        positive, negative = present & self.positive, present & self.negative
        if (positive and negative) or (negative and others and self.is_normal):
            return "", "contradictory"
        if positive:
            return self.labels[1], ""
        if uncertain & (self.positive | self.negative) or (negative and uncertain - self.aside and self.is_normal):
            return "", "uncertain"
        if negative:
            return self.labels[0], ""
        return "", "another_finding" if others or uncertain - self.aside else "no_statement"

    def describe(self) -> str:
        """The rule as a sentence."""
        alone = ", with no further finding" if self.is_normal else ""
        return (
            f"{self.labels[1]} where {_quoted(self.positive)} is stated, {self.labels[0]} where {_quoted(self.negative)} is"
            f"{alone}; what is uncertain: {self.uncertain}"
        )


def _quoted(names: frozenset[str]) -> str:
    return " or ".join(f"“{name}”" for name in sorted(names))


def make_classes(
    kind: LabelFormat, positive: Sequence[str] | None, negative: Sequence[str] | None, *, uncertain: str
) -> Classes | None:
    """The classes that were asked for, PNEUMONIA and NORMAL by default; None where a table's own labels are the classes."""
    if not kind.positive and not (positive and negative):
        if positive or negative:
            raise ValueError("For a table of your own, --positive and --negative go together. Received: one of them.")
        return None
    positives = plain_set(positive or [kind.positive])
    negatives = plain_set(negative or [kind.negative])
    labels = (
        _folder(negative) if negative and negatives != {kind.negative} else "NORMAL",
        _folder(positive) if positive and positives != {kind.positive} else "PNEUMONIA",
    )
    if positives & negatives or labels[0] == labels[1]:
        raise ValueError(f"--positive and --negative must name different findings. Received: {positive}, {negative}")
    is_normal = not negative or negatives == {kind.negative}
    return Classes(labels, negatives, positives, is_normal and bool(kind.negative), kind.aside, uncertain)


def require_known(classes: Classes, readings: Sequence[Reading], columns: Sequence[str]) -> None:
    """Refuse findings that the table never speaks of: a slip of the pen would take everything for the other class.

    Raises:
        DatasetError: "labels_csv", with the findings that there are, the most frequent first.
    """
    counts = Counter(name for reading in readings for name in reading.present | reading.uncertain)
    known = counts.keys() | plain_set(columns)
    if unknown := sorted((classes.positive | classes.negative) - known):
        raise DatasetError(
            "labels_csv",
            f"The findings of the two classes must occur in the table. Received: {', '.join(unknown)}, which do not. Name "
            f"others with --positive and --negative: {shortened([name for name, _ in counts.most_common()])}.",
        )


def votes(readings: Sequence[Reading], rule: str, *, normal: str) -> tuple[frozenset[str], frozenset[str]]:
    """What several readers say together: the findings that are present, and those that are uncertain.

    "majority": present where more than half of the readers state it, uncertain where exactly half do. "any": a finding is
    present where one reader states it, the absence of findings only where all do.
    """
    counts = Counter(name for reading in readings for name in reading.present)
    number = len(readings)
    if rule == "any":
        return frozenset(name for name, count in counts.items() if name != normal or count == number), frozenset()
    present = frozenset(name for name, count in counts.items() if 2 * count > number)
    return present, frozenset(name for name, count in counts.items() if 2 * count == number)


def require_folder_names(labels: Sequence[str]) -> None:
    """Refuse labels of a table that cannot be the names of class folders.

    Raises:
        DatasetError: "alike_classes", or "labels_csv" for what is no name of a folder, or is one of a split.
    """
    refuse_alike(labels)
    if wrong := [one for one in labels if re.search(r'[/\\:*?"<>|\0]|^\.|[. ]$', one) or one.lower() in SPLITS]:
        raise DatasetError(
            "labels_csv",
            f"Labels must serve as names of folders. Received: {shortened(wrong)}. Write others into the table; or name two "
            "of them with --positive and --negative, and leave the others out.",
        )


def _folder(names: Sequence[str]) -> str:
    """A finding's name as that of a class folder: PLEURAL_EFFUSION."""
    return re.sub(r"\W+", "_", names[0]).strip("_").upper()
