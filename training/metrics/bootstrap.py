"""Patient-clustered bootstrap: intervals that know that images of one patient are not independent.

Whole patients are drawn with replacement (Field & Welsh 2007, "Bootstrapping clustered data"). A draw is written as the
number of times each image occurs in it, so a statistic that takes weights is computed for many draws in one operation.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Statistics = Callable[[FloatArray], Mapping[str, FloatArray]]

CONFIDENCE: Final = 0.95
DRAWS: Final = 2000
NOT_ASSESSABLE: Final = "not assessable"
NOT_STATED: Final = "not stated"
"""What a card says where its author, or a file, has said nothing."""

_FEWEST_DRAWS: Final = 40  # below this, no draw lies outside the 2.5 % percentile
_FEWEST_PATIENTS: Final = 2  # one patient drawn again and again shows no spread
_CHUNK_CELLS: Final = 1 << 17  # one weight matrix of a chunk takes 1 MB: a core's cache holds it, memory hardly notices


@dataclass(frozen=True)
class Estimate:
    """A statistic with its 95 % interval.

    Attributes:
        value: the statistic on the images as they are.
        low, high: ends of the interval, `low <= high`.
        n: the images that the statistic is about (for a sensitivity: the positive ones).
        patients: how many patients these images come from.
        left_out: bootstrap draws in which the statistic was undefined, such as those that lack a class.
    """

    value: float
    low: float
    high: float
    n: int
    patients: int
    left_out: int = 0

    def __post_init__(self) -> None:
        if not all(math.isfinite(number) for number in (self.value, self.low, self.high)):
            raise ValueError(
                f"An estimate must consist of finite numbers; use None for an undefined one. Received: {self}"
            )
        if self.low > self.high:
            raise ValueError(f"The interval's low end must not exceed its high end. Received: {self.low} > {self.high}")
        if not 1 <= self.patients <= self.n:
            raise ValueError(f"An estimate must rest on 1 <= patients <= n. Received: {self.patients=}, {self.n=}")
        if self.left_out < 0:
            raise ValueError(f"The number of draws left out must not be negative. Received: {self.left_out}")

    def as_json(self) -> dict[str, float | int]:
        """The fields as a dictionary of plain numbers."""
        return asdict(self)


def interval_text(estimate: Estimate | None, *, digits: int = 3) -> str:
    """Value, and low and high end in brackets, with an en dash and true minus signs; "not assessable" for None."""
    if estimate is None:
        return NOT_ASSESSABLE
    value, low, high = (f"{number:.{digits}f}" for number in (estimate.value, estimate.low, estimate.high))
    separator = " to " if estimate.low < 0 else "\N{EN DASH}"
    return f"{value} ({low}{separator}{high})".replace("-", "\N{MINUS SIGN}")


def bootstrap(
    statistics: Statistics,
    patients: Sequence[str],
    *,
    proportions: Mapping[str, BoolArray] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Estimate | None]:
    """Statistics with 95 % percentile intervals over patients.

    Args:
        statistics: takes weights `(draws, n)` of whole numbers >= 0, gives `(draws,)` per name; NaN where undefined.
        patients: the patient of each image, `(n,)`.
        proportions: for the statistics that are shares, the images `(n,)` they are a share of. Where all of these are
            right (or all wrong), every draw agrees and a percentile interval would have no width; the exact binomial
            bound for that many patients takes its place (Clopper & Pearson 1934).
        draws: bootstrap draws, at least 40.
        seed: of the draws; the same seed gives the same intervals.

    Returns:
        An estimate per name. None, "not assessable", where the statistic is undefined on the images as they are, where
        fewer than two patients carry it, or where it is undefined in more than half of the draws.
    """
    cluster = patient_indices(patients)
    if draws < _FEWEST_DRAWS:
        raise ValueError(f"draws must be at least {_FEWEST_DRAWS} for a 95 % interval. Received: {draws}")
    proportions = proportions or {}
    whole = statistics(np.ones((1, len(cluster))))
    chunks = [statistics(weights) for weights in draw_weights(cluster, draws=draws, seed=seed)]
    everything = np.ones(len(cluster), dtype=bool)
    estimates: dict[str, Estimate | None] = {}
    for name, value in whole.items():
        about = cluster[proportions.get(name, everything)]
        drawn = np.concatenate([chunk[name] for chunk in chunks])
        estimates[name] = _estimate(float(value[0]), drawn, about, proportion=name in proportions)
    return estimates


def patient_indices(patients: Sequence[str]) -> NDArray[np.intp]:
    """Patients numbered from 0, `(n,)`; images of one patient share a number."""
    if len(patients) == 0:
        raise ValueError("At least one image must be given. Received: no patients")
    unknown = [index for index, patient in enumerate(patients) if not isinstance(patient, str) or not patient]
    if unknown:
        raise ValueError(
            "Each image must have a patient, a non-empty string; where none is known, use the file name. "
            f"Received: {patients[unknown[0]]!r} at index {unknown[0]}"
        )
    return np.unique(np.asarray(patients, dtype=str), return_inverse=True)[1]


def draw_weights(cluster: NDArray[np.intp], *, draws: int, seed: int) -> Iterator[FloatArray]:
    """Bootstrap draws of whole patients, in chunks of `(at most draws, n)` multiplicities per image."""
    count = int(cluster.max()) + 1
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK_CELLS // len(cluster))
    for start in range(0, draws, rows):
        size = min(rows, draws - start)
        drawn = generator.integers(0, count, size=(size, count)) + np.arange(size)[:, None] * count
        multiplicity = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        yield multiplicity[:, cluster].astype(np.float64)


def _estimate(value: float, drawn: FloatArray, about: NDArray[np.intp], *, proportion: bool) -> Estimate | None:
    """The estimate from the value on all images and its values in the draws, NaN where undefined."""
    defined = drawn[np.isfinite(drawn)]
    patients = len(np.unique(about))
    if not math.isfinite(value) or patients < _FEWEST_PATIENTS or 2 * len(defined) < len(drawn):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(end) for end in np.quantile(defined, [tail, 1 - tail]))
    if proportion and low == high == value:
        exact = tail ** (1 / patients)
        low, high = (exact, high) if value == 1 else (low, 1 - exact) if value == 0 else (low, high)
    return Estimate(value, low, high, n=len(about), patients=patients, left_out=len(drawn) - len(defined))


Metrics = Mapping[str, Estimate | None]
"""Estimates by the name of the metric; None where it is not assessable."""


def metrics_json(metrics: Metrics) -> dict[str, Any]:
    """Estimates as plain numbers; null where not assessable."""
    return {name: estimate.as_json() if estimate else None for name, estimate in metrics.items()}


def estimate_of(raw: Mapping[str, Any] | None) -> Estimate | None:
    """An estimate back from what `metrics_json` wrote."""
    return Estimate(**raw) if raw else None
