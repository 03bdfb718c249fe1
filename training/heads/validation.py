"""What the head is worth, seen only through predictions on patients it has not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from models.calibration import Calibration
from models.prediction import INDETERMINATE, OperatingPoint, deciding_points, take_verdict
from training.data.folds import BatchFold
from training.heads.calibrate import fit_calibration
from training.heads.operating_points import choose_operating_points
from training.metrics.bootstrap import DRAWS, Estimate, bootstrap
from training.metrics.classification import binary_metrics, confusion, multiclass_metrics, verdict_metrics
from training.metrics.weighted import logit

Metrics = Mapping[str, Estimate | None]


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


def calibrate(
    logits: NDArray[np.float32],
    truth: NDArray[np.int64],
    patients: Sequence[str],
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    labels: tuple[str, ...],
    positive: str | None,
) -> tuple[Calibration, Judged]:
    """Calibrate out-of-fold logits `(n, classes)`.

    Returns:
        The calibration fitted on all of them, for the bundle, and the images as judged by calibrations fitted on the
        other folds alone, so that no number about calibration comes from the images it was fitted on.
    """
    held_out = [part for _, part in folds]
    probabilities = np.empty(logits.shape, dtype=np.float64)
    for part in held_out:
        others = np.setdiff1d(np.concatenate(held_out), part) if len(held_out) > 1 else part
        probabilities[part] = fit_calibration(logits[others], truth[others]).probabilities(logits[part])
    every = np.concatenate(held_out)
    uncalibrated = Calibration.identity(len(labels)).probabilities(logits[every])
    people = [patients[index] for index in every]
    judged = Judged(truth[every], probabilities[every], people, labels, positive, uncalibrated)
    return fit_calibration(logits[every], truth[every], people), judged


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


def operating_points(judged: Judged, *, draws: int = DRAWS) -> tuple[OperatingPoint, ...]:
    """The points rule_out, balanced and rule_in with what they gave; none for more than two classes."""
    if judged.positive is None:
        return ()
    points = []
    chosen = choose_operating_points(judged.is_positive, judged.positive_probability, judged.patients)
    for name, choice in chosen.items():
        verdict = judged.positive_probability >= choice.threshold
        metrics = verdict_metrics(judged.is_positive, verdict, judged.patients, draws=draws)
        sensitivity = _triple(metrics["sensitivity"], verdict[judged.is_positive])
        specificity = _triple(metrics["specificity"], ~verdict[~judged.is_positive])
        points.append(OperatingPoint(name, choice.threshold, sensitivity, specificity, choice.promise))
    return tuple(points)


def batch_scores(
    logits: Sequence[NDArray[np.float32]], truth: NDArray[np.int64], folds: Sequence[BatchFold]
) -> list[dict[str, Any]]:
    """AUROC on whole acquisition batches that the head has not seen; two classes only.

    Args:
        logits: `(n, 2)` for each fold, of the images that it holds out.
        truth: class indices of all images.
        folds: of `training.data.folds.leave_batch_out`.
    """
    scores = []
    for fold, part in zip(folds, logits, strict=True):
        auroc = float(roc_auc_score(truth[fold.held_out], part[:, 1] - part[:, 0]))
        scores.append({"fitted_on": fold.name, "n": len(fold.held_out), "auroc": auroc})
    return scores


def _triple(estimate: Estimate | None, right: NDArray[np.bool_]) -> tuple[float, float, float]:
    # Where the bootstrap cannot draw an interval, as with one patient, nothing narrower than the whole range is known.
    return (estimate.value, estimate.low, estimate.high) if estimate else (float(right.mean()), 0.0, 1.0)
