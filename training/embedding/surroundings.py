"""Lungs and surroundings of a film taken apart, and put together anew.

A head that goes by what lies round the lungs is found out, and cured, by the lungs of one film on the surroundings of another
(mixed-rand and only-bg of Xiao et al. 2020, arXiv:2006.09994).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]

_FADED: Final = 0.5
"""What is taken away of the lungs that others are laid on: seen as they are they would speak for their own label."""


def exchange_surroundings(lungs: Pixels, mask: Pixels, onto: Pixels, onto_mask: Pixels) -> Pixels:
    """The lungs of one film on the surroundings of another; all arguments and the result are `(h, w)`.

    Args:
        lungs, onto: films cut to their lungs' box, in the same contrast.
        mask, onto_mask: how much of each pixel is lung, in [0, 1], with soft edges.
    """
    share = _FADED * onto_mask
    faded = (1 - share) * onto + share * _mean_outside(onto, onto_mask)
    return mask * lungs + (1 - mask) * faded


def blank_lungs(film: Pixels, mask: Pixels) -> Pixels:
    """The surroundings alone: the lungs in the mean grey of what lies round them."""
    return mask * _mean_outside(film, mask) + (1 - mask) * film


def _mean_outside(film: Pixels, mask: Pixels) -> np.float32:
    outside = 1 - mask
    return np.float32((film * outside).sum() / max(float(outside.sum()), 1.0))
