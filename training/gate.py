"""Fitting the gate: the plane of the training films, and thresholds from films of patients that it had not seen."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigsh
from threadpoolctl import threadpool_limits

from models.gate import Gate, GateThresholds, plane_distances
from training.bootstrap import bootstrap

_COMPONENTS: Final = 32
_FILMS_AT_ONCE: Final = 512  # distances are computed in double precision

# One film in a hundred of new patients is asked about in vain. A lower limit would catch a few more inverted films, and withhold
# many more verdicts on films of the same hospital from another time (1.4 to 8.6 % at one in fifty; benchmarks/gate.py).
_UNLIKE_QUANTILE: Final = 0.99

# Photographs, drawings, text and noise lie at 7 times the first threshold and more, new patients' films at 3 times at most
# (measured with the shipped bundle's backbone and data; benchmarks/gate.py).
_NOT_A_RADIOGRAPH: Final = 4.0


def fit_gate(
    embeddings: NDArray[np.float32],
    patients: Sequence[str],
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    seed: int,
) -> tuple[Gate, NDArray[np.float64]]:
    """Fit the gate on plain films' embeddings `(n, d)`.

    Returns:
        The gate, and the out-of-fold distances of the held-out films, in the order of `folds`: each from a plane that its
        patient took no part in.
    """
    distances = []
    for fit, held_out in folds:
        mean, deviation, components, residual = _plane(embeddings[fit])
        distances.append(plane_distances(embeddings[held_out], mean, deviation, components) / residual)
    judged = np.concatenate(distances)
    unlike = float(np.quantile(judged, _UNLIKE_QUANTILE))
    mean, deviation, components, residual = _plane(embeddings)
    people = [patients[index] for _, held_out in folds for index in held_out]
    thresholds = GateThresholds(unlike, _NOT_A_RADIOGRAPH * unlike, _false_alarms(judged > unlike, people))
    return Gate(mean, deviation, components, residual, thresholds), judged


def _plane(
    embeddings: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], float]:
    mean = embeddings.mean(axis=0)
    deviation = np.maximum(embeddings.std(axis=0), 1e-3)
    # A plane through nearly as many films as it has directions would hold every one of them, and no new one.
    count = max(1, min(_COMPONENTS, len(embeddings) // 8))
    standardised = embeddings - mean
    standardised /= deviation
    # The principal components, from the scatter matrix: many films make it no larger, and it is passed over many times.
    scatter = standardised.T @ standardised
    with threadpool_limits(1):  # threads would spend longer waiting for each other than on these products
        _, directions = eigsh(scatter, k=count, v0=np.ones(len(mean), np.float32))
    components = np.ascontiguousarray(directions.T[::-1], dtype=np.float32)
    parts = [embeddings[start : start + _FILMS_AT_ONCE] for start in range(0, len(embeddings), _FILMS_AT_ONCE)]
    residual = np.concatenate([plane_distances(part, mean, deviation, components) for part in parts]).mean()
    return mean, deviation, components, float(residual)


def _false_alarms(flagged: NDArray[np.bool_], patients: Sequence[str]) -> tuple[float, float, float]:
    share = bootstrap(
        lambda weights: {"share": weights @ flagged / weights.sum(axis=1)},
        patients,
        proportions={"share": np.ones_like(flagged)},
    )["share"]
    return (share.value, share.low, share.high) if share else (0.0, 0.0, 1.0)
