"""From logits to probabilities that mean what they say."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Calibration:
    """`softmax(slope · logits + bias)`: one form for the two usual methods.

    Two classes: Platt scaling (Platt 1999) of the difference of the logits. More classes: temperature scaling (Guo et al.
    2017, arXiv:1706.04599), with `slope` = 1/T and a bias of zeros.

    Attributes:
        method: "platt", "temperature" or "none".
        slope: positive; below 1 where the head is overconfident.
        bias: one number per class, added to the scaled logits.
    """

    method: str
    slope: float
    bias: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.method not in ("platt", "temperature", "none"):
            raise ValueError(f"method must be one of platt, temperature, none. Received: {self.method!r}")
        if not (np.isfinite(self.slope) and self.slope > 0):
            raise ValueError(f"slope must be a positive number. Received: {self.slope!r}")
        if len(self.bias) < 2 or not np.all(np.isfinite(self.bias)):
            raise ValueError(
                f"bias must hold a finite number for each of at least two classes. Received: {self.bias!r}"
            )

    @classmethod
    def identity(cls, classes: int) -> "Calibration":
        return cls(method="none", slope=1.0, bias=(0.0,) * classes)

    def probabilities(self, logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Turn logits `(n, classes)` into probabilities `(n, classes)`; each row sums to 1."""
        return softmax(self.slope * logits.astype(np.float64) + np.asarray(self.bias))


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the last axis, safe against overflow."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float64)
