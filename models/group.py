"""Do many films, as a group, differ from those that the bundle was trained on?

A film by itself may look usual, and a hundred of them still be of another device, ward or age: then nothing that was promised
holds for them. Held against a sample of the training films by a two-sample test on what the backbone sees: the energy distance
(Székely & Rizzo 2013, doi:10.1016/j.jspi.2013.03.018), its p-value by permutation.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.system.sentence import Sentence

GROUP_FILE: Final = "group.npz"
FEWEST_FILMS: Final = 20
"""Films from which a group is compared."""

SURE: Final = 0.01
"""p-value below which a group is said to differ."""

_MOST_FILMS: Final = 300  # of a group: more only make the same answer more certain
_PERMUTATIONS: Final = 1999


@dataclass(frozen=True)
class GroupComparison:
    """What the comparison of a group with the training films says.

    Attributes:
        films: how many were compared.
        p_value: of the hypothesis that they are like the training films; in (0, 1].
        distance: the median distance of the group from the training films, over theirs: 1 for films like them.
        probability: the median probability of the group's films.
        usual_probability: that of the training films, out of fold. Both are of the second class, or the positive one.
    """

    films: int
    p_value: float
    distance: float
    probability: float
    usual_probability: float

    @property
    def differs(self) -> bool:
        return self.p_value < SURE

    def sentence(self) -> Sentence:
        """For people: whether the group differs, in which direction, and what follows."""
        p_value = f"p {'<' if self.p_value < 0.001 else '='} {max(self.p_value, 0.001):.3f}"
        if not self.differs:
            return Sentence(
                "As a group, these {films} films are not found to differ from the training films ({p_value}).",
                films=self.films,
                p_value=p_value,
            )
        return Sentence(
            "As a group, these {films} films differ from the training films ({p_value}): in the median they lie {distance:.1f} "
            "times as far from them as these from each other, and their probability is {probability:.2f} (training films: "
            "{usual:.2f}). What is promised of verdicts does not hold for them: judge a labelled part of them first "
            "(python -m training evaluate), or train on such films.",
            films=self.films,
            p_value=p_value,
            distance=self.distance,
            probability=self.probability,
            usual=self.usual_probability,
        )


@dataclass(frozen=True, eq=False)
class GroupReference:
    """A sample of the training films, one of each patient.

    Attributes:
        mean, deviation: `(d,)`, of the training films' embeddings.
        components: `(k, d)`, directions in which they are compared.
        coordinates: `(m, k)`, of the sample, in standard deviations along each direction.
        distances: `(m,)`, by a gate that has not seen the patient.
        probabilities: `(m,)`, by a head that has not seen the patient.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    components: NDArray[np.float32]
    coordinates: NDArray[np.float32]
    distances: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    def compare(
        self, embeddings: Sequence[NDArray[np.float32]], distances: Sequence[float], probabilities: Sequence[float]
    ) -> GroupComparison | None:
        """Hold a group of films against the sample; None for fewer than `FEWEST_FILMS`.

        Args:
            embeddings: of each film, `(d,)`.
            distances: of each film, by the bundle's gate.
            probabilities: of each film.
        """
        if len(embeddings) < FEWEST_FILMS:
            return None
        chosen = np.linspace(0, len(embeddings) - 1, min(len(embeddings), _MOST_FILMS)).astype(np.int64)
        group = self.project(np.stack([embeddings[place] for place in chosen]))
        return GroupComparison(
            len(embeddings),
            energy_p_value(group, self.coordinates),
            float(np.median(distances) / np.median(self.distances)),
            float(np.median(probabilities)),
            float(np.median(self.probabilities)),
        )

    def project(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """The coordinates `(n, k)` of embeddings `(n, d)`."""
        return np.asarray((embeddings - self.mean) / self.deviation @ self.components.T, np.float32)

    def save(self, folder: Path) -> None:
        """Write the sample as `group.npz`; no film can be made out from it."""
        arrays = {name: getattr(self, name) for name in ("mean", "deviation", "components", "coordinates", "distances")}
        small = {
            name: array.astype(np.float16) for name, array in arrays.items() if name in ("components", "coordinates")
        }
        np.savez(folder / GROUP_FILE, probabilities=self.probabilities, **{**arrays, **small})

    @classmethod
    def load(cls, path: Path) -> "GroupReference":
        """Read what `save` wrote; a ValueError where it holds something else."""
        names = ("mean", "deviation", "components", "coordinates", "distances", "probabilities")
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                return cls(*(arrays[name].astype(np.float32) for name in names))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path.name} holds no sample of training films: {error}") from error


def energy_p_value(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The p-value of the energy distance between two samples `(n, k)` and `(m, k)`, by permutation; always the same."""
    both = np.concatenate([one, other]).astype(np.float64)
    apart = np.sqrt(np.maximum(np.square(both[:, None] - both[None]).sum(axis=-1), 0))
    member = np.zeros(len(both))
    member[: len(one)] = 1
    dice = np.random.default_rng(0)
    drawn = np.stack([member, *(dice.permutation(member) for _ in range(_PERMUTATIONS))])
    statistics = _energies(drawn, apart)
    return float((statistics >= statistics[0] - 1e-12).mean())


def _energies(members: NDArray[np.float64], apart: NDArray[np.float64]) -> NDArray[np.float64]:
    """The energy distance for each way `(p, n)` to part points whose distances are `(n, n)`."""
    others, count = 1 - members, members[0].sum()
    rest = members.shape[1] - count
    towards = members @ apart
    within, between = (towards * members).sum(axis=1), (towards * others).sum(axis=1)
    elsewhere = ((others @ apart) * others).sum(axis=1)
    return np.asarray(2 * between / (count * rest) - within / count**2 - elsewhere / rest**2)
