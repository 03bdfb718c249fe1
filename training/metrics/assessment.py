"""All that is computed of a judged set of images, the same in a training run and in an evaluation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.prediction import OperatingPoint
from training.metrics.bootstrap import DRAWS, Metrics, metrics_json
from training.metrics.decisions import (
    PREVALENCES,
    DecisionCurve,
    PredictiveValues,
    RiskCoverage,
    decision_curve,
    predictive_values,
    risk_coverage,
)
from training.metrics.judged import Judged


@dataclass(frozen=True)
class Assessment:
    """Numbers of a set of images, before anything is declined.

    Attributes:
        metrics: by name.
        confusion: `(classes, classes)`, truth in rows, at the operating point.
        risk_coverage: error by share of images judged.
        predictive_values: at several prevalences and at the images' own; none for more than two classes.
        decision_curve: None for more than two classes, or too few patients.
    """

    metrics: Metrics
    confusion: NDArray[np.int64]
    risk_coverage: RiskCoverage
    predictive_values: tuple[PredictiveValues, ...]
    decision_curve: DecisionCurve | None

    def as_json(self) -> dict[str, Any]:
        """What a report holds of it, under the names of the attributes."""
        return {
            "metrics": metrics_json(self.metrics),
            "confusion": self.confusion.tolist(),
            "risk_coverage": self.risk_coverage.as_json(),
            "predictive_values": [values.as_json() for values in self.predictive_values],
            "decision_curve": self.decision_curve.as_json() if self.decision_curve else None,
        }


def assess(judged: Judged, operating_point: OperatingPoint | None, *, draws: int = DRAWS) -> Assessment:
    """Compute it, with verdicts at the operating point (more than two classes: the likeliest label)."""
    wrong = judged.verdicts(operating_point) != judged.truth
    return Assessment(
        judged.metrics(operating_point, draws=draws),
        judged.confusion(operating_point),
        risk_coverage(wrong, judged.confidence(operating_point), judged.patients, draws=draws),
        *_of_two_classes(judged, operating_point, draws),
    )


def _of_two_classes(
    judged: Judged, operating_point: OperatingPoint | None, draws: int
) -> tuple[tuple[PredictiveValues, ...], DecisionCurve | None]:
    if operating_point is None or not has_both_classes(judged):
        return (), None
    positive, probability = judged.is_positive, judged.positive_probability
    verdict = probability >= operating_point.threshold
    prevalences = sorted({*PREVALENCES, float(positive.mean())})
    return (
        predictive_values(positive, verdict, judged.patients, prevalences=prevalences, draws=draws),
        decision_curve(positive, probability, judged.patients, draws=draws),
    )


def has_both_classes(judged: Judged) -> bool:
    """Whether two-class images hold positive and negative ones."""
    return 0 < int(judged.is_positive.sum()) < len(judged.truth)
