"""The films of a stress test, and everything that they are shown as."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.config import NO_VIEWS
from training.data.learnable import class_indices
from training.data.manifest import Entry
from training.data.patients import DatasetError
from training.embedding.folder_lungs import FolderLungs, film_of
from training.embedding.views import film_views
from training.stress.corruptions import CORRUPTIONS, SEVERITIES, Film, corrupt
from training.stress.shortcuts import MARKERS, border_only, centre_masked, with_marker

CLEAN: Final = "clean"
LUNGLESS: Final = {
    "border only": (border_only, "the border, a tenth of each side,"),
    "centre masked": (centre_masked, "the margin about the lungs"),
}

_ALL: Final = slice(None)

Show = Callable[[Film, str], Film]
"""Takes a film and its digest, gives a picture of the same size."""


@dataclass(frozen=True)
class Sample:
    """The films that are stressed.

    Attributes:
        films: n, uint8 `(size, size)`: the size of the network's input, which the severities are meant for.
        entries: n, what the films are.
        places: `(n,)`, of the films in the list they were drawn from.
        truth: `(n,)`, class indices.
        lungs: where the lungs of the films are; None: they are shown whole.
    """

    films: Sequence[Film]
    entries: Sequence[Entry]
    places: NDArray[np.int64]
    truth: NDArray[np.int64]
    lungs: FolderLungs | None = None

    @property
    def patients(self) -> list[str]:
        return [entry.patient for entry in self.entries]

    def of(self, places: NDArray[np.int64]) -> "Sample":
        """Some of the films, by their places among these."""
        films, entries = [self.films[place] for place in places], [self.entries[place] for place in places]
        return Sample(films, entries, self.places[places], self.truth[places], self.lungs)

    def weights(self, part: slice = _ALL) -> NDArray[np.float32] | None:
        """How much of each place of some of the films is lung, `(n, 28, 28)`; None where they are shown whole."""
        if self.lungs is None:
            return None
        return np.stack([self.lungs.found[entry.sha256].weights for entry in self.entries[part]])


def draw_sample(
    root: Path,
    entries: Sequence[Entry],
    labels: Sequence[str],
    count: int,
    *,
    seed: int,
    size: int,
    lungs: FolderLungs | None = None,
) -> Sample:
    """Draw about `count` films, as many of each class, of as many patients as can be, at `size` pixels."""
    truth = class_indices(entries, labels)
    classes = np.unique(truth)
    if count < 2 * len(classes):
        raise ValueError(
            f"--sample must be two films of each class or more. Received: {count} for {len(classes)} classes"
        )
    dice = np.random.default_rng(seed)
    places: list[int] = []
    for label in classes:
        turns: Counter[str] = Counter()
        by_turn: list[tuple[int, int]] = []
        for place in dice.permutation(np.flatnonzero(truth == label)).tolist():
            by_turn.append((turns[entries[place].patient], place))
            turns[entries[place].patient] += 1
        # A second film of a patient is drawn only when each has had a turn.
        by_turn.sort(key=lambda pair: pair[0])
        places += [place for _, place in by_turn[: count // len(classes)]]
        patients = len(turns)
        if patients < 2:
            raise DatasetError(
                "too_few_patients",
                f"Each class must have films of two patients or more. Received: {patients} for {labels[label]}.",
            )
    films = []
    for entry in (entries[place] for place in places):
        plain = film_views(film_of(root, entry, lungs), [0], config=NO_VIEWS, seed=seed, size=size).pixels[0, ..., 0]
        films.append(np.rint(plain).astype(np.uint8))
    chosen = np.array(places, dtype=np.int64)
    return Sample(films, [entries[place] for place in places], chosen, truth[chosen], lungs)


def pictures(seed: int) -> dict[str, Show]:
    """Everything that is made of each film, by name; the film as it is comes first."""
    return {
        CLEAN: lambda film, _: film,
        **{
            cell_name(name, severity): partial(_corrupt, name, severity, seed)
            for name in CORRUPTIONS
            for severity in SEVERITIES
        },
        **{name: partial(_without_digest, show) for name, (show, _) in LUNGLESS.items()},
        **{f"{letter} {corner}": partial(_mark, letter, corner) for letter, corner in MARKERS},
    }


def example_rows(sample: Sample, seed: int) -> dict[str, list[Film]]:
    """Pictures of one film, a row for each corruption and one for the shortcuts."""
    film, image = sample.films[0], sample.entries[0].sha256
    shown = {name: show(film, image) for name, show in pictures(seed).items()}
    rows = {name: [film, *(shown[cell_name(name, severity)] for severity in SEVERITIES)] for name in CORRUPTIONS}
    letters = [f"{letter} {corner}" for letter, corner in MARKERS]
    return {**rows, "shortcuts": [film, *(shown[name] for name in [*LUNGLESS, *letters[::3]])]}


def cell_name(name: str, severity: int) -> str:
    return f"{name} {severity}"


def _corrupt(name: str, severity: int, seed: int, film: Film, image: str) -> Film:
    return corrupt(film, name, severity, image=image, seed=seed)


def _without_digest(show: Callable[[Film], Film], film: Film, _: str) -> Film:
    return show(film)


def _mark(letter: str, corner: str, film: Film, _: str) -> Film:
    return with_marker(film, letter, corner)
