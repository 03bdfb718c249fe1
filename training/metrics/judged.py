"""Images with their truth and what is said of them: what every number of a report is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.prediction import INDETERMINATE, OperatingPoint, deciding_points, take_verdict
from training.metrics.bootstrap import DRAWS, Metrics, bootstrap
from training.metrics.classification import binary_metrics, confusion, multiclass_metrics
from training.metrics.weighted import logit


@dataclass(frozen=True)
class Judged:
    """Images with their truth and what a model that has not seen their patients says of them.

    Attributes:
        truth: `(n,)`, class indices.
        probabilities: `(n, classes)`, calibrated.
        patients: `(n,)`.
        labels: class names.
        positive: the label of the operating points; None for more than two classes.
        uncalibrated: `(n, classes)`, the softmax of the head's logits as they are; None where it was not kept.
        findings: `(n,)`, the code of the gate's finding on each image, "" for none; None without a gate.
    """

    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    patients: Sequence[str]
    labels: tuple[str, ...]
    positive: str | None
    uncalibrated: NDArray[np.float64] | None = None
    findings: NDArray[np.str_] | None = None

    @property
    def is_positive(self) -> NDArray[np.bool_]:
        """`(n,)`: whether the truth is the positive label (two classes only)."""
        return np.asarray(self.truth == self._positive_index)

    @property
    def positive_probability(self) -> NDArray[np.float64]:
        return self.probabilities[:, self._positive_index]

    @property
    def _positive_index(self) -> int:
        if self.positive is None:
            raise ValueError("These images have more than two classes: no label is the positive one.")
        return self.labels.index(self.positive)

    def metrics(self, operating_point: OperatingPoint | None, *, draws: int = DRAWS) -> Metrics:
        """The metrics of the field with 95 % patient-clustered bootstrap intervals."""
        if operating_point is None:
            return multiclass_metrics(self.truth, self.probabilities, self.labels, self.patients, draws=draws)
        return binary_metrics(
            self.is_positive,
            self.positive_probability,
            self.patients,
            threshold=operating_point.threshold,
            draws=draws,
        )

    def select(self, chosen: NDArray[np.bool_]) -> "Judged":
        """The images of a mask `(n,)`."""
        return Judged(
            self.truth[chosen],
            self.probabilities[chosen],
            [patient for patient, taken in zip(self.patients, chosen, strict=True) if taken],
            self.labels,
            self.positive,
            None if self.uncalibrated is None else self.uncalibrated[chosen],
            None if self.findings is None else self.findings[chosen],
        )

    def verdicts(self, operating_point: OperatingPoint | None) -> NDArray[np.int64]:
        """The verdict on each image, `(n,)` class indices, whatever the gate says."""
        points = (operating_point,) if operating_point else ()
        labels = [take_verdict(self.labels, row, positive=self.positive, points=points) for row in self.probabilities]
        return np.array([self.labels.index(label) for label in labels], dtype=np.int64)

    def confidence(self, operating_point: OperatingPoint | None) -> NDArray[np.float64]:
        """How sure each verdict is, `(n,)`: the distance from the threshold in log-odds, or the greatest probability."""
        if operating_point is None:
            return np.asarray(self.probabilities.max(axis=1))
        return np.abs(logit(self.positive_probability) - logit(np.array([operating_point.threshold])))

    def confusion(self, operating_point: OperatingPoint | None) -> NDArray[np.int64]:
        """Counts `(classes, classes)`, truth in rows, verdicts in columns."""
        return confusion(self.truth, self.verdicts(operating_point), self.labels)

    def zone(self, points: Sequence[OperatingPoint]) -> NDArray[np.int64]:
        """Counts `(2, 3)` of the verdicts that a bundle gives: truth in rows; the labels, then indeterminate, in columns."""
        deciding = deciding_points(points)
        names = (*self.labels, INDETERMINATE)
        said = [
            names.index(take_verdict(self.labels, row, positive=self.positive, points=deciding))
            for row in self.probabilities
        ]
        return np.asarray(confusion(self.truth, np.asarray(said), names), dtype=np.int64)[: len(self.labels)]


def calibration_gain(judged: Judged, *, draws: int = DRAWS) -> Metrics:
    """What calibration did for the Brier score, on images that it was not fitted on: none for images without logits.

    Returns:
        brier, brier_uncalibrated, and brier_gain, the second less the first image by image: positive is better.
    """
    if judged.uncalibrated is None:
        return {}
    of_class = judged.truth[:, None] == np.arange(len(judged.labels))
    after, before = (
        np.square(probabilities - of_class).sum(axis=1) / (2 if judged.positive else 1)
        for probabilities in (judged.probabilities, judged.uncalibrated)
    )
    errors = {"brier": after, "brier_uncalibrated": before, "brier_gain": before - after}
    return bootstrap(
        lambda weights: {name: weights @ error / weights.sum(axis=1) for name, error in errors.items()},
        judged.patients,
        draws=draws,
    )
