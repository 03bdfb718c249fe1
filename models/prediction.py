"""The one result: what the page draws, what the tables hold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.refusal import Refusal


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the calibrated probability of the positive class, and what it gave on out-of-fold predictions.

    Attributes:
        name: "balanced" or "sensitive".
        threshold: the verdict is the positive label where the probability reaches it; in (0, 1).
        sensitivity, specificity: out-of-fold `(value, low, high)`, 95 % patient-clustered bootstrap interval.
    """

    name: str
    threshold: float
    sensitivity: tuple[float, float, float]
    specificity: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be in (0, 1). Received: {self.threshold}")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a bundle says of one radiograph.

    Attributes:
        labels: the bundle's labels, in its order.
        probabilities: calibrated, one for each label, summing to 1.
        verdict: one of `labels`; None where the gate withholds it.
        bundle: the name of the bundle that said it.
        positive: the label that operating points speak of; None for a bundle of more than two classes.
        operating_point: the point that the verdict was taken at; None as above, where the verdict is the likeliest label.
        heatmap: `(h, w)` float32 in [0, 1] for `heatmap_label`, or None where none was asked for.
        heatmap_label: the label whose score the heatmap explains: the positive one, or the likeliest.
        distance: how far outside the training films the image lies, 1 for a typical one; None for a bundle without a gate.
        finding: why the verdict is withheld (`unlike_training_data`); None where it is given.
    """

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    verdict: str | None
    bundle: str
    positive: str | None = None
    operating_point: OperatingPoint | None = None
    heatmap: NDArray[np.float32] | None = None
    heatmap_label: str | None = None
    distance: float | None = None
    finding: Refusal | None = None

    def __post_init__(self) -> None:
        if len(self.probabilities) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(
                f"Each of two or more labels needs a probability. Received: {self.labels}, {self.probabilities}"
            )
        if not (min(self.probabilities) >= 0 and abs(sum(self.probabilities) - 1) <= 1e-6):  # also for not-a-number
            raise ValueError(f"probabilities must be in [0, 1] and sum to 1. Received: {self.probabilities}")
        if (self.verdict is None) != (self.finding is not None):
            raise ValueError(
                "A verdict is withheld where there is a finding, and only there. Received one without the other."
            )
        if self.verdict is not None and self.verdict not in self.labels:
            raise ValueError(f"verdict must be one of {self.labels}. Received: {self.verdict!r}")
        if (self.positive is None) != (self.operating_point is None):
            raise ValueError("positive and operating_point go together. Received one without the other.")

    def probability(self, label: str) -> float:
        """The calibrated probability of `label`."""
        return self.probabilities[self.labels.index(label)]


def take_verdict(
    labels: tuple[str, ...],
    probabilities: NDArray[np.float64],
    *,
    positive: str | None,
    operating_point: OperatingPoint | None,
) -> str:
    """The label that probabilities `(classes,)` amount to: at the operating point, or the likeliest without one."""
    if positive is None or operating_point is None:
        return labels[int(np.argmax(probabilities))]
    index = labels.index(positive)
    return positive if probabilities[index] >= operating_point.threshold else labels[1 - index]
