"""Splits that keep a patient on one side, and splits that hold out whole acquisition batches.

A grouped split answers "how good on new patients of this hospital?". Holding out batches sees a part of what changes
from one collection of images to the next, which the grouped split does not.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from training.data.patients import DatasetError
from training.data.stratified_groups import deal_groups

STOPPING_SHARE: Final = 1 / 7
"""Share of the patients that training from scratch is watched by, to stop when it no longer helps them."""

TUNING_SHARE: Final = 1 / 5
"""Share of the patients that fine-tuning never learns from, and by whom its result is judged."""

_MOST_BATCH_FOLDS: Final = 16
_ATTEMPTS: Final = 50

Split = tuple[NDArray[np.int64], NDArray[np.int64]]
T = TypeVar("T")


@dataclass(frozen=True)
class BatchFold:
    """One choice of a batch per class.

    Attributes:
        name: the fit part's batches in label order, such as "IM+bacteria".
        fit: sorted indices of the images in the chosen batches.
        held_out: sorted indices of all other images.
    """

    name: str
    fit: NDArray[np.int64]
    held_out: NDArray[np.int64]


def grouped_folds(
    labels: NDArray[np.int64], patients: Sequence[str], *, folds: int = 5, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Divide images into folds of similar class shares, with all images of a patient in one fold.

    Args:
        labels: `(n,)` class numbers.
        patients: the n patients.
        folds: how many, at least 2; reduced to the number of patients of the rarest class where there are fewer.
        seed: the same seed gives the same folds.

    Returns:
        For each fold, sorted indices `(fit, held_out)`. Every image is held out once, and every class is in every fit
        part.

    Raises:
        DatasetError: "too_few_patients" where a class has fewer than two patients, or where patients with images of
            several classes leave no such folds.
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2. Received: {folds}")
    groups, rarest = _groups(labels, patients)

    def divide(attempt: int) -> list[Split]:
        return deal_groups(labels, groups, folds=min(folds, rarest), seed=attempt)

    return _first_that_fits(divide, seed, lambda splits: all(_has_all(labels, fit) for fit, _ in splits))


def grouped_hold_out(labels: NDArray[np.int64], patients: Sequence[str], *, fraction: float, seed: int) -> Split:
    """Hold out about `fraction` of each class's images, by whole patients, to watch a training by.

    Returns:
        Sorted indices `(fit, validation)`; every class is in both. The validation part comes as near to `fraction` as
        whole patients allow, with at least one patient of each class.

    Raises:
        DatasetError: "too_few_patients", as for `grouped_folds`.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be between 0 and 1, both excluded. Received: {fraction}")
    groups, _ = _groups(labels, patients)

    def divide(attempt: int) -> Split:
        held_out = np.isin(groups, _draw_patients(labels, groups, fraction, np.random.default_rng(attempt)))
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)

    return _first_that_fits(divide, seed, lambda split: all(_has_all(labels, part) for part in split))


def can_be_learnt(labels: NDArray[np.int64], patients: Sequence[str]) -> bool:
    """Whether there are two patients or more of each class."""
    try:
        _groups(labels, patients)
    except DatasetError:
        return False
    return True


def leave_batch_out(labels: NDArray[np.int64], batches: Sequence[str]) -> list[BatchFold]:
    """Fit on one acquisition batch of each class and judge on all others, for every choice.

    Where there are more than 16 choices, the i-th fold takes the i-th batch of every class instead (going round where a
    class has fewer), at most 16 folds. Patients are not looked at: one who has images in two batches of a class (with
    the published names, a number that occurs with bacteria and virus) is on both sides.

    Args:
        labels: `(n,)` class numbers.
        batches: the n batches, "" where unknown.

    Returns:
        The folds, in the order of the batches' names; none where a batch is unknown or a class comes in only one.
    """
    names = np.asarray(batches, dtype=str)
    _require_equal_lengths(labels, names)
    of_class = [np.unique(names[labels == label]).tolist() for label in np.unique(labels)]
    if np.any(names == "") or not of_class or min(map(len, of_class)) < 2:
        return []
    if math.prod(map(len, of_class)) <= _MOST_BATCH_FOLDS:
        choices = list(itertools.product(*of_class))
    else:
        rounds = min(_MOST_BATCH_FOLDS, max(map(len, of_class)))
        choices = [tuple(own[turn % len(own)] for own in of_class) for turn in range(rounds)]
    position = np.unique(labels, return_inverse=True)[1]
    folds = []
    for choice in choices:
        chosen = names == np.asarray(choice)[position]
        folds.append(BatchFold("+".join(choice), np.flatnonzero(chosen), np.flatnonzero(~chosen)))
    return folds


def batch_folds(labels: NDArray[np.int64], batches: Sequence[str], patients: Sequence[str]) -> list[BatchFold]:
    """Those of `leave_batch_out` that a head can be fitted on: with two patients or more of each class."""
    return [
        fold
        for fold in leave_batch_out(labels, batches)
        if can_be_learnt(labels[fold.fit], [patients[index] for index in fold.fit])
    ]


def _groups(labels: NDArray[np.int64], patients: Sequence[str]) -> tuple[NDArray[np.int64], int]:
    """The `(n,)` patient numbers, and how many patients the class with the fewest has: at least two, or an error."""
    groups = np.unique(np.asarray(patients, dtype=str), return_inverse=True)[1]
    _require_equal_lengths(labels, groups)
    counts = {int(label): len(np.unique(groups[labels == label])) for label in np.unique(labels)}
    poor = [f"{count} for class {label}" for label, count in counts.items() if count < 2]
    if poor or not counts:
        raise DatasetError(
            "too_few_patients",
            f"Each class must have images of two patients or more. Received: {', '.join(poor) or 'no images'}. Add "
            "images of further patients; if names were misread, say whose they are with --patient-regex or --patients.",
        )
    return groups, min(counts.values())


def _draw_patients(
    labels: NDArray[np.int64], groups: NDArray[np.int64], fraction: float, draw: np.random.Generator
) -> list[int]:
    """Patients, class by class from the rarest, until about `fraction` of each class's images are drawn."""
    classes, sizes = np.unique(labels, return_counts=True)
    drawn: set[int] = set()
    for label in classes[np.argsort(sizes, kind="stable")]:
        own, images = np.unique(groups[labels == label], return_counts=True)
        target = fraction * images.sum()
        taken, left = 0, len(own)
        # Patients who came with a rarer class count first; then the others in random order.
        places = draw.permutation(len(own))
        for place in sorted(places, key=lambda place: own[place] not in drawn):
            nearer = abs(taken + images[place] - target) < abs(taken - target)
            if own[place] in drawn or (nearer and left > 1):
                drawn.add(int(own[place]))
                taken, left = taken + images[place], left - 1
        if not taken:
            drawn.add(int(own[places[np.argmin(images[places])]]))
    return sorted(drawn)


def _first_that_fits(divide: Callable[[int], T], seed: int, fits: Callable[[T], bool]) -> T:
    """Divide with the seed, and with seeds drawn from it as long as chance puts all patients of a class on one side."""
    further = np.random.SeedSequence(seed).generate_state(_ATTEMPTS).tolist()
    for attempt in (seed, *further):
        if fits(split := divide(attempt)):
            return split
    raise DatasetError(
        "too_few_patients",
        "Each class must have patients on both sides of a split. Received: patients so few, with images of several "
        f"classes, that none of {_ATTEMPTS + 1} divisions had that. Add images of further patients.",
    )


def _has_all(labels: NDArray[np.int64], part: NDArray[np.int64]) -> bool:
    return len(np.unique(labels[part])) == len(np.unique(labels))


def _require_equal_lengths(labels: NDArray[np.int64], others: NDArray[np.generic]) -> None:
    if labels.shape != others.shape:
        raise ValueError(f"Each image must have one label and one name. Received: {labels.shape} and {others.shape}")
