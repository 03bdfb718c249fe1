"""The points of an evaluation's curves: ROC, precision-recall, reliability. Drawing is in `training.plots.judged_plots`."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.bootstrap import FloatArray
from training.metrics.classification import IntArray, binary_arrays
from training.metrics.weighted import Ranking

_Z95: Final = 1.959963984540054  # 97.5 % point of the normal distribution


@dataclass(frozen=True)
class Curve:
    """Points of a ROC or a precision-recall curve, by falling threshold.

    Attributes:
        x, y: `(points,)` in [0, 1]: 1 - specificity and sensitivity, or recall and precision.
        threshold: `(points,)`; the first is infinity, where no verdict is positive.
    """

    x: FloatArray
    y: FloatArray
    threshold: FloatArray


@dataclass(frozen=True)
class Reliability:
    """Predicted against observed in bins of about equally many images, by rising probability.

    Attributes:
        predicted: `(bins,)` mean probability.
        observed: `(bins,)` share of positive images.
        low, high: `(bins,)` 95 % Wilson interval of that share; it takes images as independent.
        count: `(bins,)` images.
    """

    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray
    count: IntArray


def reliability(positive: ArrayLike, probability: ArrayLike, *, bins: int = 10) -> Reliability:
    """Observed share of positives in quantile bins of the probability; equal probabilities share a bin."""
    truth, scores = binary_arrays(positive, probability)
    if bins < 1:
        raise ValueError(f"bins must be at least 1. Received: {bins}")
    inner_edges = np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1])
    members = np.unique(np.searchsorted(inner_edges, scores, side="right"), return_inverse=True)[1]
    count = np.bincount(members)
    positives = np.bincount(members, weights=truth)
    low, high = wilson_interval(positives, count)
    return Reliability(
        np.bincount(members, weights=scores) / count, positives / count, low, high, count.astype(np.int64)
    )


def wilson_interval(successes: ArrayLike, totals: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """95 % score interval of a share (Wilson 1927); `totals` must be positive."""
    total = np.asarray(totals, dtype=np.float64)
    share = np.asarray(successes, dtype=np.float64) / total
    shrink = 1 + _Z95**2 / total
    centre = (share + _Z95**2 / (2 * total)) / shrink
    half = _Z95 / shrink * np.sqrt(share * (1 - share) / total + _Z95**2 / (4 * total**2))
    return np.clip(centre - half, 0, share), np.clip(centre + half, share, 1)


def roc_points(positive: ArrayLike, probability: ArrayLike) -> Curve:
    """1 - specificity (x) and sensitivity (y) at every distinct score, from (0, 0) to (1, 1); needs both classes."""
    threshold, true_positive, false_positive = _flagged(positive, probability)
    return Curve(false_positive / false_positive[-1], true_positive / true_positive[-1], threshold)


def precision_recall_points(positive: ArrayLike, probability: ArrayLike) -> Curve:
    """Recall (x) and precision (y) at every distinct score, from (0, 1) to (1, prevalence); needs both classes."""
    threshold, true_positive, false_positive = _flagged(positive, probability)
    precision = np.ones_like(true_positive)
    precision[1:] = true_positive[1:] / (true_positive[1:] + false_positive[1:])
    return Curve(true_positive / true_positive[-1], precision, threshold)


def _flagged(positive: ArrayLike, probability: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Falling thresholds, beginning at infinity, and the positive and negative images at or above each."""
    truth, scores = binary_arrays(positive, probability)
    if truth.all() or not truth.any():
        raise ValueError(
            f"A curve must be drawn from both classes. Received: {truth.sum()} positive of {len(truth)} images"
        )
    ranking = Ranking.from_scores(-scores)
    positives, negatives = ranking.cumulative(np.ones((1, len(truth))), truth)
    threshold = np.concatenate([[np.inf], scores[ranking.order][ranking.ends]])
    return threshold, np.concatenate([[0.0], positives[0]]), np.concatenate([[0.0], negatives[0]])
