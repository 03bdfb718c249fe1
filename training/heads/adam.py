"""Adam on plain arrays (Kingma & Ba 2015, arXiv:1412.6980), with a rate that falls to 0 along a half cosine."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_MEAN_DECAY: Final = 0.9
_SQUARE_DECAY: Final = 0.999
_EPSILON: Final = 1e-7  # as in Keras


class Adam:
    """Moves parameters in place.

    Both moving averages are kept without the factors `1 − decay`, which come in with the rate: fewer passes over the numbers.

    Args:
        parameters: arrays that the caller keeps and shares.
        learning_rate: at the first step.
        steps: over which it falls to 0.
    """

    def __init__(self, parameters: Sequence[Array], learning_rate: float, steps: int) -> None:
        self._parameters = parameters
        self._means = [np.zeros_like(one) for one in parameters]
        self._squares = [np.zeros_like(one) for one in parameters]
        self._learning_rate, self._steps, self._step = learning_rate, steps, 0

    def begin_step(self) -> None:
        """Go on to the next step; `move` is then called for every part of every parameter once."""
        self._step += 1
        rate = self._learning_rate / 2 * (1 + math.cos(math.pi * (self._step - 1) / self._steps))
        spread = math.sqrt((1 - _SQUARE_DECAY) / (1 - _SQUARE_DECAY**self._step))
        self._rate = np.float32(rate * (1 - _MEAN_DECAY) / (1 - _MEAN_DECAY**self._step) / spread)
        self._epsilon = np.float32(_EPSILON / math.sqrt(1 - _SQUARE_DECAY))

    def move(self, place: int, gradient: Array, rows: slice = slice(None)) -> None:
        """Move some rows of one parameter against their gradient, which is overwritten."""
        mean, square = self._means[place][rows], self._squares[place][rows]
        mean *= np.float32(_MEAN_DECAY)
        mean += gradient
        gradient *= gradient
        square *= np.float32(_SQUARE_DECAY)
        square += gradient
        step = np.sqrt(square, out=gradient)
        step += self._epsilon
        np.divide(mean, step, out=step)
        step *= self._rate
        self._parameters[place][rows] -= step
