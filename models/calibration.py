"""From logits to probabilities that mean what they say."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_Z95: Final = 1.959963984540054  # 97.5 % point of the normal distribution


@dataclass(frozen=True)
class Calibration:
    """`softmax(slope · logits + bias)`: one form for the two usual methods.

    Two classes: Platt scaling (Platt 1999) of the difference of the logits. More classes: temperature scaling (Guo et al.
    2017, arXiv:1706.04599), with `slope` = 1/T and a bias of zeros.

    Attributes:
        method: "platt", "temperature" or "none".
        slope: positive; below 1 where the head is overconfident.
        bias: one number per class, added to the scaled logits.
        prevalence: the share of the second class in the films that it was fitted on, and so the one that its probabilities
            are for; None for more than two classes, or where it was not fitted.
        covariance: of slope and the second class's bias, their variances and between them the covariance, by a
            patient-clustered bootstrap; None as above, or where it could not be had.
    """

    method: str
    slope: float
    bias: tuple[float, ...]
    prevalence: float | None = None
    covariance: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.method not in ("platt", "temperature", "none"):
            raise ValueError(f"method must be one of platt, temperature, none. Received: {self.method!r}")
        if not (np.isfinite(self.slope) and self.slope > 0):
            raise ValueError(f"slope must be a positive number. Received: {self.slope!r}")
        if len(self.bias) < 2 or not np.all(np.isfinite(self.bias)):
            raise ValueError(
                f"bias must hold a finite number for each of at least two classes. Received: {self.bias!r}"
            )

        if self.prevalence is not None and not 0 < self.prevalence < 1:
            raise ValueError(f"prevalence must be between 0 and 1, both excluded. Received: {self.prevalence!r}")
        if self.covariance is not None and not (self.covariance[0] >= 0 and self.covariance[2] >= 0):
            raise ValueError(f"covariance must hold variances of 0 or more. Received: {self.covariance!r}")

    @classmethod
    def identity(cls, classes: int) -> "Calibration":
        return cls(method="none", slope=1.0, bias=(0.0,) * classes)

    def probabilities(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Turn logits `(n, classes)` into probabilities `(n, classes)`; each row sums to 1."""
        return softmax(self.slope * logits.astype(np.float64) + np.asarray(self.bias))

    def interval(self, logits: NDArray[np.floating[Any]], label_index: int) -> tuple[float, float] | None:
        """95 % interval of a class's probability, of one image's logits `(2,)`; None without a covariance.

        A normal interval of the log-odds (delta method): how well slope and bias are known.
        """
        if self.covariance is None:
            return None
        difference = float(logits[1]) - float(logits[0])
        of_slope, between, of_bias = self.covariance
        error = math.sqrt(max(of_slope * difference**2 + 2 * between * difference + of_bias, 0))
        centre = self.slope * difference + self.bias[1] - self.bias[0]
        low, high = (softmax(np.array([0, centre + side * _Z95 * error]))[label_index] for side in (-1, 1))
        return (float(low), float(high)) if label_index else (float(high), float(low))

    def prevalence_of(self, label_index: int) -> float | None:
        """The share of one of two classes that the probabilities are for."""
        return self.prevalence if self.prevalence is None or label_index else 1 - self.prevalence


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the last axis, safe against overflow."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float64)
