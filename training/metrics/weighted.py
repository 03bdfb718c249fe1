"""Statistics of weighted images, for many weightings at once: what the bootstrap computes in every draw.

Weights are `(draws, n)`, whole numbers >= 0; results are `(draws,)`, NaN where a statistic is undefined.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.calibration import softmax
from training.metrics.bootstrap import BoolArray, FloatArray

PROBABILITY_MARGIN: Final = 1e-6  # probabilities are kept this far from 0 and 1 before the logit
_CONVERGED: Final = 1e-6  # largest change of any image's logit; Newton squares it, so what remains is about 1e-12
_MOST_STEPS: Final = 100  # five or so from a good start; more only where the start is far, since steps are capped


@dataclass(frozen=True)
class Ranking:
    """Images ordered by rising score, once for all draws.

    Attributes:
        order: `(n,)` indices that sort the scores.
        ends: `(distinct scores,)` the last place of each group of equal scores in that order.
    """

    order: NDArray[np.intp]
    ends: NDArray[np.intp]

    @classmethod
    def from_scores(cls, scores: FloatArray) -> "Ranking":
        order = np.argsort(scores, kind="stable")
        return cls(order, np.flatnonzero(np.diff(scores[order], append=np.inf)))

    def cumulative(self, weights: FloatArray, positive: BoolArray) -> tuple[FloatArray, FloatArray]:
        """Weight of positive and of negative images with a score up to each distinct score, `(draws, distinct)`."""
        ordered = weights[:, self.order]
        all_below = np.cumsum(ordered, axis=1)[:, self.ends]
        positive_below = np.cumsum(ordered * positive[self.order], axis=1)[:, self.ends]
        return positive_below, all_below - positive_below


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Quotient; NaN where the denominator is 0."""
    result = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    return np.divide(numerator, denominator, out=result, where=denominator != 0)


def area_under_roc(positive_below: FloatArray, negative_below: FloatArray) -> FloatArray:
    """AUROC from `Ranking.cumulative`: the share of (positive, negative) pairs in the right order; ties count half."""
    at_score = np.diff(positive_below, axis=1, prepend=0)
    outranked = negative_below - np.diff(negative_below, axis=1, prepend=0) / 2
    return ratio(np.einsum("dg,dg->d", at_score, outranked), positive_below[:, -1] * negative_below[:, -1])


def average_precision(positive_below: FloatArray, negative_below: FloatArray) -> FloatArray:
    """AUPRC from `Ranking.cumulative` as average precision: no interpolation (Davis & Goadrich 2006)."""
    at_score = np.diff(positive_below, axis=1, prepend=0)
    true_positive = positive_below[:, -1:] - positive_below + at_score
    false_positive = negative_below[:, -1:] - negative_below + np.diff(negative_below, axis=1, prepend=0)
    flagged = true_positive + false_positive
    precision = np.divide(true_positive, flagged, out=np.zeros_like(flagged), where=flagged > 0)
    return ratio(np.einsum("dg,dg->d", at_score, precision), positive_below[:, -1])


def logit(probability: FloatArray) -> FloatArray:
    """Log-odds of probabilities, which are first kept 1e-6 away from 0 and 1."""
    inside = np.clip(probability, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
    return np.asarray(np.log(inside / (1 - inside)))


def recalibrate(weights: FloatArray, logits: FloatArray, positive: BoolArray, *, start: FloatArray) -> FloatArray:
    """Intercept and slope of the logistic regression of the truth on the logit of the prediction (Cox 1958).

    Newton's method in which no image's logit moves by more than 1 in a step: the loss then falls in every step, from
    any start. A slope that has no finite optimum (classes fully separated, or one missing) or no meaning (all
    predictions equal) is NaN.

    Args:
        weights: `(draws, n)`.
        logits: `(n,)` logit of the predicted probability.
        positive: `(n,)` the truth.
        start: `(2,)` first guess of intercept and slope.

    Returns:
        `(draws, 2)`: intercept, slope.
    """
    result = np.full((len(weights), 2), np.nan)
    active = np.flatnonzero(~_separated(weights, logits, positive))
    weights = weights[active]
    current = np.tile(start, (len(active), 1))
    for _ in range(_MOST_STEPS):
        if not len(active):
            break
        step = _newton_step(weights, logits, positive, current)
        change = _largest_change(step, logits)
        current = current + step / np.maximum(change, 1)[:, None]
        done = change < _CONVERGED
        result[active[done]] = current[done]
        going_on = ~done & np.isfinite(change)
        if not going_on.all():
            active, weights, current = active[going_on], weights[going_on], current[going_on]
    return result


def _separated(weights: FloatArray, logits: FloatArray, positive: BoolArray) -> BoolArray:
    """Whether some cut on the logit divides the classes, `(draws,)`: also true where a class is missing."""
    low, high = (np.where(weights > 0, logits, fill) for fill in (np.inf, -np.inf))
    rising = low[:, positive].min(axis=1, initial=np.inf) >= high[:, ~positive].max(axis=1, initial=-np.inf)
    falling = low[:, ~positive].min(axis=1, initial=np.inf) >= high[:, positive].max(axis=1, initial=-np.inf)
    return np.asarray(rising | falling)


def _newton_step(weights: FloatArray, logits: FloatArray, positive: BoolArray, current: FloatArray) -> FloatArray:
    """Newton step of the logistic loss for (intercept, slope), `(draws, 2)`; NaN where the Hessian is singular."""
    predicted = 1 / (1 + np.exp(-(current[:, :1] + current[:, 1:] * logits)))
    gradient = (weights * (positive - predicted)) @ np.stack([np.ones_like(logits), logits], axis=1)
    curvature = (weights * predicted * (1 - predicted)) @ np.stack([np.ones_like(logits), logits, logits**2], axis=1)
    constant, mixed, square = curvature.T
    determinant = constant * square - mixed**2
    determinant[determinant <= 1e-12 * constant * square] = np.nan
    intercept = square * gradient[:, 0] - mixed * gradient[:, 1]
    slope = constant * gradient[:, 1] - mixed * gradient[:, 0]
    return np.stack([intercept, slope], axis=1) / determinant[:, None]


def _largest_change(step: FloatArray, logits: FloatArray) -> FloatArray:
    """The largest change of any image's logit that a step makes, `(draws,)`: a line is extreme at its ends."""
    ends = np.array([logits.min(), logits.max()])
    change: FloatArray = np.abs(step[:, :1] + step[:, 1:] * ends).max(axis=1)
    return change


def auroc(weights: FloatArray, truth: NDArray[np.int64], logits: NDArray[np.float32]) -> FloatArray:
    """The AUROC of logits `(n, classes)`; for more than two classes the mean of each one's against the rest."""
    if logits.shape[1] == 2:
        return _one_against_rest(weights, truth == 1, (logits[:, 1] - logits[:, 0]).astype(np.float64))
    probabilities = softmax(logits.astype(np.float64))
    each = [_one_against_rest(weights, truth == one, probabilities[:, one]) for one in range(logits.shape[1])]
    return np.asarray(np.mean(each, axis=0))


def _one_against_rest(weights: FloatArray, positive: BoolArray, scores: FloatArray) -> FloatArray:
    return area_under_roc(*Ranking.from_scores(scores).cumulative(weights, positive))
