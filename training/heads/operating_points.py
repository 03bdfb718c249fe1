"""Operating points: thresholds chosen on out-of-fold predictions so that their promises hold on patients to come.

The verdict at a point is positive when `probability >= threshold`. Three points, by rising threshold:

- *rule_out*: the highest threshold whose sensitivity keeps its target;
- *balanced*: the greatest Youden's J = sensitivity + specificity - 1 (Youden 1950);
- *rule_in*: the lowest threshold whose specificity keeps its target.

The target is 0.95, or, where the balanced point does well, half of the errors that must be expected of it: a model that is
good in its own hospital still has films that it is in doubt about, and between rule_out and rule_in lie those that make
up about half of its errors. One rule for every folder, applied to out-of-fold predictions: nothing is tuned.

What must be expected is the lower bound of a one-sided 95 % interval, and a target is kept where that reaches it. Thresholds
are tried from the harmless end, and the first one that fails ends the search, so that trying many costs no confidence
(fixed-sequence testing, as in "Learn then Test": Angelopoulos et al. 2021, arXiv:2110.01052). The bound knows that films
of one patient are alike: Clopper & Pearson's on the effective number of films (Korn & Graubard 1998), and on no more films
than there are patients.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from models.prediction import OperatingPoint
from training.metrics.bootstrap import DRAWS, BoolArray, Estimate, FloatArray, patient_indices
from training.metrics.classification import binary_arrays, verdict_metrics
from training.metrics.judged import Judged

TARGET: Final = 0.95
"""What the sensitivity of rule_out and the specificity of rule_in reach at least."""

_CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class ChosenPoint:
    """A threshold, and what is promised of it.

    Attributes:
        threshold: in (0, 1).
        promise: the sensitivity (rule_out) or specificity (rule_in) that films of new patients reach with 95 %
            confidence: the target, or what can be shown where there are too few patients to show that; rounded down to
            three digits. None: balanced.
    """

    threshold: float
    promise: float | None


def choose_operating_points(
    positive: ArrayLike, probability: ArrayLike, patients: Sequence[str], *, target: float = TARGET
) -> dict[str, ChosenPoint]:
    """The points rule_out, balanced and rule_in, by rising threshold.

    Args:
        positive: `(n,)` bool, the truth; both classes.
        probability: `(n,)` in [0, 1], each predicted by a head that has not seen the image's patient.
        patients: `(n,)` the patient of each image.
        target: the least that rule_out and rule_in reach, in (0, 1).

    Where even the harmless end cannot be shown to keep a target, because patients are few, the point that makes no error
    is taken. Where classes are so far apart that rule_out would lie above rule_in, the two change places: both keep what
    they promise, and the films between them, of a kind that no fold has seen, are in doubt.

    Raises:
        ValueError: an array of another shape, type or range; a class is missing.
    """
    truth, scores = binary_arrays(positive, probability)
    if truth.all() or not truth.any():
        raise ValueError(
            f"Operating points must be chosen on both classes. Received: {truth.sum()} positive of {len(truth)} images"
        )
    if not 0 < target < 1:
        raise ValueError(f"target must lie in (0, 1). Received: {target!r}")
    cluster = patient_indices(patients)
    balanced = _balanced(truth, scores)
    # Negative films are rightly judged below a threshold: the same search, on scores with their sign turned.
    diseased, healthy = (scores[truth], cluster[truth]), (-scores[~truth], cluster[~truth])
    sensitivity, specificity = _target(*diseased, balanced, target), _target(*healthy, -balanced, target)
    found = _highest(*diseased, sensitivity), balanced, _just_above(-_highest(*healthy, specificity), scores)
    low, high = _inside(min(found)), _inside(max(found))
    kept = lower_bound(scores[truth] >= low, diseased[1]), lower_bound(scores[~truth] < high, healthy[1])
    return {
        "rule_out": ChosenPoint(low, _rounded_down(min(sensitivity, kept[0]))),
        "balanced": ChosenPoint(balanced, None),
        "rule_in": ChosenPoint(high, _rounded_down(min(specificity, kept[1]))),
    }


def lower_bound(right: BoolArray, cluster: NDArray[np.intp]) -> float:
    """One-sided 95 % lower bound of a share: which films `(n,)` were judged rightly, and whose they are."""
    share, people = float(right.mean()), np.unique(cluster, return_inverse=True)[1]
    patients = int(people.max()) + 1
    if share == 0:
        return 0.0
    effective = float(patients)
    surplus = np.bincount(people, weights=right - share)
    if share < 1 and patients > 1 and (variance := patients / (patients - 1) * np.sum(surplus**2) / len(right) ** 2):
        effective = min(effective, share * (1 - share) / variance)
    return float(beta.ppf(1 - _CONFIDENCE, effective * share, effective * (1 - share) + 1))


def _highest(scores: FloatArray, cluster: NDArray[np.intp], target: float) -> float:
    """The highest score that as a threshold keeps `target` of the films at or above it; the lowest score at the least."""
    found = float(scores.min())
    for threshold in np.unique(scores):
        if lower_bound(scores >= threshold, cluster) < target:
            break
        found = float(threshold)
    return found


def _target(scores: FloatArray, cluster: NDArray[np.intp], balanced: float, least: float) -> float:
    """Half of the errors that must be expected at the balanced threshold, or `least` where that is stricter."""
    return max(least, (1 + lower_bound(scores >= balanced, cluster)) / 2)


def _just_above(score: float, scores: FloatArray) -> float:
    """Half-way from a score to the next higher one: what is as high as `score` stays below."""
    higher = scores[scores > score]
    return max((score + float(higher.min(initial=1.0))) / 2, math.nextafter(score, 1))


def _rounded_down(share: float) -> float:
    return math.floor(1000 * share + 1e-9) / 1000


def _inside(threshold: float) -> float:
    return min(max(threshold, math.nextafter(0, 1)), math.nextafter(1, 0))


def _balanced(truth: BoolArray, scores: FloatArray) -> float:
    """Middle of the widest gap `(lower, upper]` in which a threshold has the greatest J.

    So a small change of a score does not turn a verdict.
    """
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


@dataclass(frozen=True)
class Promises:
    """What one way to hold films out can promise of rule_out and rule_in, each with its threshold."""

    rule_out: ChosenPoint
    rule_in: ChosenPoint

    @classmethod
    def of(cls, judged: Judged) -> "Promises":
        chosen = choose_operating_points(judged.is_positive, judged.positive_probability, judged.patients)
        return cls(chosen["rule_out"], chosen["rule_in"])


def operating_points(
    judged: Judged, by_batch: Judged | None = None, *, draws: int = DRAWS
) -> tuple[OperatingPoint, ...]:
    """The points rule_out, balanced and rule_in with what they gave; none for more than two classes.

    Args:
        judged: out of fold, by patient.
        by_batch: by heads that have not seen the film's acquisition batch, where there are batches. Rule-out and rule-in then
            take the more careful of two thresholds and promise the less: what holds on new patients, and on another batch.
        draws: of the bootstrap.
    """
    if judged.positive is None:
        return ()
    chosen = choose_operating_points(judged.is_positive, judged.positive_probability, judged.patients)
    if by_batch is not None:
        other = Promises.of(by_batch)
        chosen["rule_out"] = _more_careful(chosen["rule_out"], other.rule_out, min)
        chosen["rule_in"] = _more_careful(chosen["rule_in"], other.rule_in, max)
    return tuple(_with_what_it_gave(judged, name, choice, draws) for name, choice in chosen.items())


def _more_careful(one: ChosenPoint, other: ChosenPoint, careful: Callable[[float, float], float]) -> ChosenPoint:
    promises = [point.promise for point in (one, other) if point.promise is not None]
    return ChosenPoint(careful(one.threshold, other.threshold), min(promises, default=None))


def _with_what_it_gave(judged: Judged, name: str, choice: ChosenPoint, draws: int) -> OperatingPoint:
    verdict = judged.positive_probability >= choice.threshold
    metrics = verdict_metrics(judged.is_positive, verdict, judged.patients, draws=draws)
    sensitivity = _triple(metrics["sensitivity"], verdict[judged.is_positive])
    specificity = _triple(metrics["specificity"], ~verdict[~judged.is_positive])
    return OperatingPoint(name, choice.threshold, sensitivity, specificity, choice.promise)


def _triple(estimate: Estimate | None, right: NDArray[np.bool_]) -> tuple[float, float, float]:
    # Where the bootstrap cannot draw an interval, as with one patient, nothing narrower than the whole range is known.
    return (estimate.value, estimate.low, estimate.high) if estimate else (float(right.mean()), 0.0, 1.0)
