"""The sample of training films that groups of films are held against."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.group import GroupReference

_FILMS: Final = 400
_FILMS_FOR_DIRECTIONS: Final = 1000
_COMPONENTS: Final = 16
_SMALLEST_DEVIATION: Final = 1e-3


def group_reference(
    embeddings: NDArray[np.float32],
    distances: NDArray[np.float64],
    probabilities: NDArray[np.float64],
    patients: Sequence[str],
    *,
    seed: int,
) -> GroupReference:
    """Draw one film of each of some patients; arrays are of the same films, `(n, d)`, `(n,)` and `(n,)`, judged out of fold."""
    mean, deviation = embeddings.mean(axis=0), np.maximum(embeddings.std(axis=0), _SMALLEST_DEVIATION)
    order = np.random.default_rng(seed).permutation(len(patients)).tolist()
    first = {patients[place]: place for place in reversed(order)}
    chosen = [place for place in order if first[patients[place]] == place][:_FILMS]
    # Directions from other patients: along directions of its own the sample would be wider than new films are.
    own = {patients[place] for place in chosen}
    others = [place for place in order if patients[place] not in own][:_FILMS_FOR_DIRECTIONS] or chosen
    _, spread, directions = np.linalg.svd((embeddings[others] - mean) / deviation, full_matrices=False)
    kept = directions[:_COMPONENTS] * np.sqrt(len(others)) / np.maximum(spread[:_COMPONENTS, None], 1e-6)
    coordinates = np.asarray((embeddings[chosen] - mean) / deviation @ kept.T, np.float32)
    return GroupReference(
        mean.astype(np.float32),
        deviation.astype(np.float32),
        kept.astype(np.float32),
        coordinates,
        distances[chosen].astype(np.float32),
        probabilities[chosen].astype(np.float32),
    )
