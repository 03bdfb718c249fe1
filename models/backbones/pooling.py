"""How a feature map becomes an embedding."""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

POOLED: Final = ("mean", "lungs", "max")
"""What is pooled of a map: its mean over all places, its mean over the lungs, and its maximum."""

ROWS: Final = {"lungs": (1,), "mean": (0,), "max": (2,), "both": (0, 2)}
"""Poolings by name, as places in `POOLED`; both is mean and maximum."""

WEIGHT_PLACES: Final = 28
"""Places along each side at which it is said how much of a picture is lung; of a film's map, that is eight pixels of 224."""


def lung_mean(feature_map: NDArray[np.float32], lungs: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of feature maps `(n, h, w, d)` over the lungs `(n, 28, 28)`, each place as far as it is lung: `(n, d)`.

    Where there are no lungs at all, it is the mean over all places.
    """
    n, height, width, channels = feature_map.shape
    weights = place_weights(lungs, height, width).reshape(n, 1, height * width)
    return np.asarray((weights @ feature_map.reshape(n, height * width, channels))[:, 0], np.float32)


def place_weights(lungs: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """The weight of each place of a map in the mean over the lungs `(n, 28, 28)`: `(n, height, width)`, summing to 1."""
    weights = shares(height) @ lungs @ shares(width).T
    total = weights.sum(axis=(1, 2), keepdims=True)
    even = np.float32(1 / (height * width))
    return np.divide(weights, total, out=np.full_like(weights, even), where=total > 0)


@cache
def shares(places: int) -> NDArray[np.float32]:
    """Of each of `places` along a side: how much of it lies in each of the 28 in which lungs are given; `(places, 28)`."""
    coarse, fine = np.arange(places)[:, None] / places, np.arange(WEIGHT_PLACES) / WEIGHT_PLACES
    shared = np.minimum(coarse + 1 / places, fine + 1 / WEIGHT_PLACES) - np.maximum(coarse, fine)
    return np.asarray(np.maximum(shared, 0) * places, np.float32)


def pooled_rows(
    engine_rows: NDArray[np.float32], feature_map: NDArray[np.float32], lungs: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """What `POOLED` names, `(n, 3, d)`, of the mean and maximum `(n, 2, d)` that an engine gives and its maps `(n, h, w, d)`.

    Args:
        lungs: `(n, 28, 28)` in [0, 1], how much of each place of what was shown is lung; None: whole films were shown, and the
            mean over the lungs is that over all places.
    """
    mean, maximum = engine_rows[:, 0], engine_rows[:, 1]
    return np.stack([mean, mean if lungs is None else lung_mean(feature_map, lungs), maximum], axis=1)
