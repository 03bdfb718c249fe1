"""How a feature map becomes an embedding."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

POOLED: Final = ("mean", "middle", "max")
"""What is pooled of a map: its mean over all places, its mean over the middle, and its maximum."""

ROWS: Final = {"mean": (0,), "max": (2,), "both": (0, 2), "middle": (0, 1)}
"""Poolings by name, as places in `POOLED`; of two, one comes after the other: both is mean and maximum, middle the two means."""

# Of a field that is cut to its lungs: between the apices and the diaphragm, and without most of the chest wall.
_FROM_ABOVE, _TO_BELOW, _FROM_LEFT, _TO_RIGHT = 3 / 14, 11 / 14, 2 / 14, 12 / 14


def middle_places(height: int, width: int) -> NDArray[np.float32]:
    """The weight of each place of a map `(height, width)` in the mean of its middle, summing to 1."""
    rows = slice(round(_FROM_ABOVE * height), max(round(_TO_BELOW * height), round(_FROM_ABOVE * height) + 1))
    columns = slice(round(_FROM_LEFT * width), max(round(_TO_RIGHT * width), round(_FROM_LEFT * width) + 1))
    weights = np.zeros((height, width), np.float32)
    weights[rows, columns] = 1
    return weights / weights.sum()
