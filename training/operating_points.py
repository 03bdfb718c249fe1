"""Operating points: the thresholds that turn a probability into a verdict, chosen on out-of-fold predictions.

The verdict is positive when `probability >= threshold`.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from training.bootstrap import BoolArray, FloatArray
from training.metrics import binary_arrays


def choose_operating_points(
    positive: ArrayLike, probability: ArrayLike, *, sensitivity: float = 0.95
) -> dict[str, float]:
    """The thresholds of a bundle.

    Args:
        positive: `(n,)` bool, the truth; both classes.
        probability: `(n,)` in [0, 1], each predicted by a head that has not seen the image's patient.
        sensitivity: what "sensitive" must reach, in (0, 1].

    Returns:
        Thresholds in (0, 1). "balanced" maximises Youden's J = sensitivity + specificity - 1 (Youden 1950); among the
        thresholds that do, it is the middle of the widest gap between neighbouring scores, so that a small change of a
        score does not turn a verdict. "sensitive" is the highest threshold with at least the wanted sensitivity.

    Raises:
        ValueError: an array of another shape, type or range; a class is missing; no threshold is that sensitive.
    """
    truth, scores = binary_arrays(positive, probability)
    if truth.all() or not truth.any():
        raise ValueError(
            f"Operating points must be chosen on both classes. Received: {truth.sum()} positive of {len(truth)} images"
        )
    if not 0 < sensitivity <= 1:
        raise ValueError(f"sensitivity must lie in (0, 1]. Received: {sensitivity!r}")
    return {"balanced": _balanced(truth, scores), "sensitive": _sensitive(truth, scores, sensitivity)}


def _balanced(truth: BoolArray, scores: FloatArray) -> float:
    """Middle of the widest gap `(lower, upper]` in which a threshold has the greatest J."""
    distinct, member = np.unique(scores, return_inverse=True)
    positives, negatives = (np.bincount(member[chosen], minlength=len(distinct)) for chosen in (truth, ~truth))
    # J times positives times negatives, in whole numbers, so that equal J are found equal. The gaps below the first and
    # above the last score take part: there every verdict is the same and J is 0.
    missed = np.concatenate([[0], np.cumsum(positives)])
    cleared = np.concatenate([[0], np.cumsum(negatives)])
    youden = cleared * positives.sum() - missed * negatives.sum()
    lower, upper = np.concatenate([[0.0], distinct]), np.concatenate([distinct, [1.0]])
    middle = (lower + upper) / 2
    usable = (lower < middle) & (middle <= upper) & (middle < 1)  # a gap of one rounding step has no middle
    best = usable & (youden == youden[usable].max())
    widest = np.argmax(np.where(best, upper - lower, -1))
    return float(middle[widest])


def _sensitive(truth: BoolArray, scores: FloatArray, sensitivity: float) -> float:
    """The score of the last positive image that must be found."""
    falling = np.sort(scores[truth])[::-1]
    reached = np.arange(1, len(falling) + 1) / len(falling)
    threshold = float(falling[np.searchsorted(reached, sensitivity)])
    if threshold <= 0:
        raise ValueError(
            f"A threshold above 0 must exist with a sensitivity of {sensitivity}. Received: "
            f"{np.mean(falling <= 0):.1%} of the positive images have a probability of 0; check the calibration"
        )
    return min(threshold, math.nextafter(1, 0))
