"""In which order views are learnt from: thoroughly mixed, and yet read from the disk in runs."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

MIXED: Final = 1 << 18
"""Views that are mixed with each other; of a larger folder, so many at a time."""

_RUN: Final = 192  # neighbours, which are read together: 64 films with two augmented views


def shuffled(count: int, seed: Sequence[int]) -> NDArray[np.int64]:
    """The places of `count` views in the order of one pass, each once.

    A folder lies in the order of its classes, and a large one does not fit into memory: from all over it runs of neighbours are
    drawn, `MIXED` views of them at a time, and these are mixed.
    """
    dice, parts = np.random.default_rng(seed), -(-count // MIXED)
    runs = np.arange(0, count, _RUN)
    if parts > 1:
        dice.shuffle(runs)
    order = []
    for some in np.array_split(runs, parts):
        places = (np.sort(some)[:, None] + np.arange(_RUN)).ravel()
        places = places[places < count]
        order.append(places[dice.permutation(len(places))])
    return np.concatenate(order)


def passes(count: int, epochs: int) -> int:
    """How often `count` views are gone through: `epochs` times, and of more than `MIXED` views as long as these would take."""
    return max(1, epochs * min(count, MIXED) // count)
