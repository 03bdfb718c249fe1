"""What verdicts are worth, and what declining some of them buys.

Predictive values at another prevalence, the net benefit of acting on the probability, and the error among the images
that the model is surest of, each with a patient-clustered interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.metrics.bootstrap import DRAWS, BoolArray, Estimate, FloatArray, bootstrap
from training.metrics.classification import binary_arrays
from training.metrics.weighted import Ranking, ratio

PREVALENCES: Final = (0.01, 0.05, 0.10, 0.30, 0.50)
COVERAGES: Final = tuple(step / 20 for step in range(1, 21))
SHOWN_COVERAGES: Final = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
"""Those of `COVERAGES` that a table shows."""

STATED_COVERAGE: Final = 0.8
"""The share of images, the surest first, among which the error is compared with that among all."""

RULE_OUT: Final = "rule_out"
RULE_IN: Final = "rule_in"


@dataclass(frozen=True)
class PredictiveValues:
    """What a verdict means where a share `prevalence` of the images has the finding."""

    prevalence: float
    ppv: Estimate | None
    npv: Estimate | None

    def as_json(self) -> dict[str, Any]:
        values = {"ppv": self.ppv, "npv": self.npv}
        return {"prevalence": self.prevalence, **{k: v.as_json() if v else None for k, v in values.items()}}


@dataclass(frozen=True)
class RiskCoverage:
    """The error among the images that the model is surest of (El-Yaniv & Wiener 2010).

    Attributes:
        coverage: `(points,)` the share of images judged, the surest first; images of equal confidence come in together.
        error: `(points,)` the share of wrong verdicts among them.
        at: the error at each of `COVERAGES`, with an interval.
        ratio: the error at `STATED_COVERAGE` over the error at full coverage; None without errors.
        area: under the curve, the mean error over all coverages (AURC, Geifman, Uziel & El-Yaniv 2019); 0 is best.
    """

    coverage: FloatArray
    error: FloatArray
    at: Mapping[float, Estimate | None]
    ratio: Estimate | None
    area: float

    def as_json(self) -> dict[str, Any]:
        rows = [
            {"coverage": coverage, "error": found.as_json() if found else None} for coverage, found in self.at.items()
        ]
        ratio = self.ratio.as_json() if self.ratio else None
        return {"at": rows, "stated_coverage": STATED_COVERAGE, "ratio_to_full": ratio, "area": self.area}


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit of acting where the probability reaches a threshold (Vickers & Elkin 2006).

    Attributes:
        threshold: `(points,)` the probability at which one would act: t / (1 - t) false alarms are worth one finding.
        model, low, high: `(points,)` net benefit in findings per image, with its 95 % interval.
        everyone: `(points,)` net benefit of acting on every image; acting on none has 0.
    """

    threshold: FloatArray
    model: FloatArray
    low: FloatArray
    high: FloatArray
    everyone: FloatArray

    def as_json(self) -> dict[str, list[float]]:
        return {name: [float(value) for value in values] for name, values in vars(self).items()}


def predictive_values(
    positive: ArrayLike,
    verdict: ArrayLike,
    patients: Sequence[str],
    *,
    prevalences: Sequence[float],
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[PredictiveValues, ...]:
    """PPV and NPV by Bayes' theorem from the sensitivity and specificity of verdicts `(n,)` bool.

    Args:
        prevalences: each in (0, 1); sensitivity and specificity are taken to be the same there.
    """
    truth, said = np.asarray(positive, dtype=bool), np.asarray(verdict, dtype=bool)
    if not all(0 < prevalence < 1 for prevalence in prevalences):
        raise ValueError(f"A prevalence must lie in (0, 1). Received: {list(prevalences)}")

    def rates(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        return (
            ratio(weights @ (truth & said), weights @ truth),
            ratio(weights @ (~truth & ~said), weights @ ~truth),
        )

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        sensitivity, specificity = rates(weights)
        found = {"sensitivity": sensitivity, "specificity": specificity}
        for place, prevalence in enumerate(prevalences):
            found[f"ppv {place}"], found[f"npv {place}"] = by_bayes(sensitivity, specificity, prevalence)
        return found

    about = {"sensitivity": truth, "specificity": ~truth}
    estimates = bootstrap(statistics, patients, proportions=about, draws=draws, seed=seed)
    rate = estimates["sensitivity"], estimates["specificity"]
    return tuple(
        PredictiveValues(
            prevalence,
            *(_with_width(estimates[f"{name} {place}"], *rate, prevalence, name) for name in ("ppv", "npv")),
        )
        for place, prevalence in enumerate(prevalences)
    )


def by_bayes(sensitivity: FloatArray, specificity: FloatArray, prevalence: float) -> tuple[FloatArray, FloatArray]:
    """PPV and NPV where `prevalence` of the images have the finding; NaN where no verdict is of that kind."""
    found, missed = sensitivity * prevalence, (1 - sensitivity) * prevalence
    cleared, alarms = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
    return ratio(found, found + alarms), ratio(cleared, cleared + missed)


def _with_width(
    value: Estimate | None, sensitivity: Estimate | None, specificity: Estimate | None, prevalence: float, name: str
) -> Estimate | None:
    """Where no draw has an error, the interval follows from those of sensitivity and specificity, which have a width."""
    if value is None or value.low < value.high or sensitivity is None or specificity is None:
        return value
    place = ("ppv", "npv").index(name)
    low, high = (
        float(by_bayes(np.array([one]), np.array([other]), prevalence)[place][0])
        for one, other in ((sensitivity.low, specificity.low), (sensitivity.high, specificity.high))
    )
    return Estimate(value.value, min(low, value.value), max(high, value.value), value.n, value.patients)


def risk_coverage(
    wrong: ArrayLike, confidence: ArrayLike, patients: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> RiskCoverage:
    """Error by coverage, the most confident verdicts first.

    Args:
        wrong: `(n,)` bool, whether each verdict is wrong.
        confidence: `(n,)`, greater where the model is surer; only its order counts. Within equal confidence any order is
            as likely, so the expected error is taken.
    """
    errors, sureness = np.asarray(wrong, dtype=bool), np.asarray(confidence, dtype=np.float64)
    if errors.shape != sureness.shape or errors.ndim != 1 or not np.isfinite(sureness).all():
        raise ValueError(f"wrong and confidence must be (n,) and finite. Received: {errors.shape}, {sureness.shape}")
    ranking = Ranking.from_scores(-sureness)

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        wrong_among, right_among = ranking.cumulative(weights, errors)
        errors_at = _errors_at(wrong_among, wrong_among + right_among, COVERAGES)
        found = dict(zip((f"{coverage:.2f}" for coverage in COVERAGES), errors_at.T, strict=True))
        return {**found, "ratio": ratio(found[f"{STATED_COVERAGE:.2f}"], found["1.00"])}

    surest = np.empty(len(errors), dtype=np.intp)
    surest[ranking.order] = np.arange(len(errors))
    about = {f"{coverage:.2f}": surest < np.ceil(coverage * len(errors)) for coverage in COVERAGES}
    estimates = bootstrap(statistics, patients, proportions=about, draws=draws, seed=seed)
    wrong_among, right_among = (one[0] for one in ranking.cumulative(np.ones((1, len(errors))), errors))
    judged = wrong_among + right_among
    coverage, error = judged / len(errors), wrong_among / judged
    return RiskCoverage(
        coverage,
        error,
        {share: estimates[f"{share:.2f}"] for share in COVERAGES},
        _bounded(estimates["ratio"], estimates[f"{STATED_COVERAGE:.2f}"], estimates["1.00"]),
        float(np.sum(error * np.diff(coverage, prepend=0))),
    )


def _bounded(ratio_: Estimate | None, some: Estimate | None, full: Estimate | None) -> Estimate | None:
    """A ratio without an error above: its upper end follows from the bounds of its parts, since every draw gives 0."""
    if ratio_ is None or some is None or full is None or ratio_.high > 0 or full.low == 0:
        return ratio_
    return Estimate(0.0, 0.0, some.high / full.low, ratio_.n, ratio_.patients, ratio_.left_out)


def _errors_at(wrong_among: FloatArray, judged: FloatArray, coverages: Sequence[float]) -> FloatArray:
    """The errors `(draws, coverages)`, from the cumulated weights `(draws, distinct confidences)`."""
    start = np.zeros((len(judged), 1))
    weight, error = np.hstack([start, judged]), np.hstack([start, wrong_among])
    wanted = judged[:, -1:] * np.asarray(coverages)
    after = np.stack([np.searchsorted(own, shares) for own, shares in zip(weight, wanted, strict=True)])
    (weight_0, weight_1), (error_0, error_1) = (
        (np.take_along_axis(one, after - 1, axis=1), np.take_along_axis(one, after, axis=1)) for one in (weight, error)
    )
    reached = error_0 + (wanted - weight_0) / (weight_1 - weight_0) * (error_1 - error_0)
    return np.asarray(reached / wanted)


def decision_curve(
    positive: ArrayLike, probability: ArrayLike, patients: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> DecisionCurve | None:
    """Net benefit at thresholds of 1 to 99 %, at the prevalence of these images; None for fewer than two patients."""
    truth, scores = binary_arrays(positive, probability)
    thresholds = np.arange(1, 100) / 100
    price = thresholds / (1 - thresholds)
    ranking = Ranking.from_scores(scores)
    # How many distinct scores lie below each threshold, and so which cumulated weights are not flagged there.
    below = np.searchsorted(scores[ranking.order][ranking.ends], thresholds)

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        found, alarms = (
            one[:, -1:] - np.hstack([np.zeros((len(weights), 1)), one])[:, below]
            for one in ranking.cumulative(weights, truth)
        )
        benefit = (found - price * alarms) / weights.sum(axis=1, keepdims=True)
        return dict(zip(map(str, range(len(thresholds))), benefit.T, strict=True))

    estimates = list(bootstrap(statistics, patients, draws=draws, seed=seed).values())
    if not all(estimates):
        return None
    model, low, high = (np.array([getattr(one, end) for one in estimates]) for end in ("value", "low", "high"))
    prevalence = truth.mean()
    return DecisionCurve(thresholds, model, low, high, prevalence - (1 - prevalence) * price)


def indeterminate(probability: NDArray[np.float64], thresholds: Mapping[str, float]) -> BoolArray | None:
    """Whether each probability `(n,)` lies between ruling out and ruling in; None where a bundle has no such points."""
    if RULE_OUT not in thresholds or RULE_IN not in thresholds:
        return None
    return (probability >= thresholds[RULE_OUT]) & (probability < thresholds[RULE_IN])
