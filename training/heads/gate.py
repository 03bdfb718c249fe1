"""Fitting the gate: the plane of the training films, and thresholds from films of patients that it had not seen."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh
from threadpoolctl import threadpool_limits

from models.gate import Gate, GateThresholds, plane_distances
from training.data.folds import Split
from training.metrics.bootstrap import bootstrap

_COMPONENTS: Final = 32
_SMALLEST_DEVIATION: Final = 1e-3
_FILMS_AT_ONCE: Final = 1024

# One film in a hundred of new patients is asked about in vain. A lower limit would catch a few more inverted films, and withhold
# many more verdicts on films of the same hospital from another time (1.4 to 8.6 % at one in fifty; benchmarks/gate.py).
_UNLIKE_QUANTILE: Final = 0.99

# Photographs, drawings, text and noise lie at 7 times the first threshold and more, new patients' films at 3 times at most
# (measured with the shipped bundle's backbone and data; benchmarks/gate.py).
_NOT_A_RADIOGRAPH: Final = 4.0


class FittedGate(NamedTuple):
    """A gate, and what its thresholds rest on.

    Attributes:
        gate: the gate.
        distances: of the held-out films, in the order of the folds: each from a plane that its patient took no part in.
    """

    gate: Gate
    distances: NDArray[np.float64]


def fit_gate(embeddings: NDArray[np.float32], patients: Sequence[str], folds: Sequence[Split]) -> FittedGate:
    """Fit the gate on plain films' embeddings `(n, d)`."""
    origin = embeddings.mean(axis=0)

    def moments(films: NDArray[np.int64]) -> _Moments:
        about = embeddings[films] - origin
        return _Moments(len(films), about.sum(axis=0), about.T @ about)

    def held_out_distances(fold: Split) -> NDArray[np.float64]:
        # The films of a fold are all but a few: what these add is taken away again.
        *plane, residual = _plane(_sum(map(moments, _parts(fold[1]))).taken_from(everything), origin)
        return np.concatenate([plane_distances(embeddings[films], *plane) for films in _parts(fold[1])]) / residual

    # How threads share one product out is not the same each time, nor is its last digit; so one takes each of them.
    with threadpool_limits(1):
        everything = _sum(map(moments, _parts(np.arange(len(embeddings)))))
        judged = np.concatenate([held_out_distances(fold) for fold in folds])
        plane = _plane(everything, origin)
    unlike = float(np.quantile(judged, _UNLIKE_QUANTILE))
    people = [patients[index] for _, held_out in folds for index in held_out]
    thresholds = GateThresholds(unlike, _NOT_A_RADIOGRAPH * unlike, _false_alarms(judged > unlike, people))
    return FittedGate(Gate(*plane, thresholds), judged)


class _Moments(NamedTuple):
    """How many films, and the sums of their embeddings `(d,)` and of the products `(d, d)`, both about a common origin."""

    films: int
    total: NDArray[np.float32]
    products: NDArray[np.float32]

    def taken_from(self, all_films: "_Moments") -> "_Moments":
        """Of all films but these, whose sums become theirs: the products of wide embeddings take 50 MB."""
        np.subtract(all_films.products, self.products, out=self.products)
        return _Moments(all_films.films - self.films, all_films.total - self.total, self.products)


def _parts(films: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (films[start : start + _FILMS_AT_ONCE] for start in range(0, len(films), _FILMS_AT_ONCE))


def _sum(parts: Iterator[_Moments]) -> _Moments:
    """Of all films of some parts, none of them in two."""
    films, total, products = next(parts)
    for part in parts:
        films += part.films
        total += part.total
        products += part.products
    return _Moments(films, total, products)


def _plane(
    moments: _Moments, origin: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], float]:
    """The principal components of standardised embeddings, with their mean, deviation and the mean squared distance.

    The moments' products are used up.
    """
    centre = moments.total / moments.films
    scatter = moments.products
    scatter /= moments.films
    for rows in _parts(np.arange(len(centre))):
        scatter[rows] -= np.outer(centre[rows], centre)
    deviation = np.sqrt(np.maximum(scatter.diagonal(), _SMALLEST_DEVIATION**2))
    scatter /= deviation[:, None]
    scatter /= deviation
    # A plane through nearly as many films as it has directions would hold every one of them, and no new one.
    count = max(1, min(_COMPONENTS, moments.films // 8))
    within, directions = eigsh(scatter, k=count, v0=np.ones(len(centre), np.float32))
    components = np.ascontiguousarray(directions.T[::-1], dtype=np.float32)
    # What of the spread is not within the plane.
    residual = float(np.trace(scatter, dtype=np.float64) - within.sum())
    return np.asarray(origin + centre, np.float32), deviation.astype(np.float32), components, residual


def _false_alarms(flagged: NDArray[np.bool_], patients: Sequence[str]) -> tuple[float, float, float]:
    share = bootstrap(
        lambda weights: {"share": weights @ flagged / weights.sum(axis=1)},
        patients,
        proportions={"share": np.ones_like(flagged)},
    )["share"]
    return (share.value, share.low, share.high) if share else (0.0, 0.0, 1.0)
