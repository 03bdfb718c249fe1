"""The film within a picture, found inside a network, in operations that every export format knows.

The rule is that of `models.lungs.frame`, for all pictures of a batch at once. A graph cannot stop when nothing is left to take
off: it takes off `ROUNDS` borders that lie round each other, where the product takes off all of them.
"""

from typing import Any, Final

import keras
import numpy as np
from keras import ops

from models.lungs.frame import FEWEST_LINES, LEAST, LOOKED_AT, OF_ONE_SHADE, STRAY

ROUNDS: Final = 3
"""Borders round each other that are taken off: a screenshot's, its page's, the film's own."""

_LEVELS: Final = 256
_NONE: Final = 1e6  # beyond every line and every grey level: an end that was not found, and what lies beside the film
_WHOLE: Final = 1000  # shares of a line are compared as whole numbers, so that no rounding decides


@keras.saving.register_keras_serializable(package="pneumolens")
class FilmFrame(keras.layers.Layer):
    """Images uint8 `(n, H, W, 1)` → top, left, bottom and right of the film in each, `(n, 4)` in fractions of the picture.

    Both ends of each axis are looked for at once, with as few operations as that takes: a format is converted operation by
    operation. Ends `(n, 2, 1)` are whole numbers in float32: the first line, and with a minus the one after the last, so that
    either becomes larger where lines are taken off. Lines are numbered likewise, `(2, length)`.
    """

    def call(self, images: Any) -> Any:
        small = _looked_at(images)
        lines = small, ops.transpose(small, (0, 2, 1))
        numbers = [_both(ops.arange(length, dtype="float32")) for length in ops.shape(small)[1:]]
        whole = [ops.min(each, axis=1, keepdims=True) + ops.zeros_like(small[:, :1, :1]) for each in numbers]
        ends = list(whole)
        for axis in (0, 1) * ROUNDS:
            across = ops.where(_within(ends[1 - axis], numbers[1 - axis]), lines[axis], _NONE)
            ends[axis] = _peeled(across, ends[axis], numbers[axis], _extent(ends[1 - axis]))
        kept = _kept(ops.concatenate(ends, axis=2), ops.concatenate([_extent(each) for each in whole], axis=2))
        return ops.reshape(kept, (-1, 4))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], 4)


def _float(number: Any) -> Any:
    return ops.cast(number, "float32")


def _looked_at(images: Any) -> Any:
    """Every so-many-th line each way, at least `LOOKED_AT` of the shorter side's: `(n, h, w)` float32."""
    _, height, width, _ = ops.shape(images)
    step = ops.maximum(ops.minimum(height, width) // LOOKED_AT, 1)
    for axis, length in ((1, height), (2, width)):
        images = ops.take(images, ops.arange((length + step - 1) // step) * step, axis=axis)
    return _float(images)[..., 0]


def _both(numbers: Any) -> Any:
    """Lines numbered from either end, `(2, length)`: as a first one, and as a last one."""
    return ops.stack([numbers, -1 - numbers])


def _extent(ends: Any) -> Any:
    """How many lines there are from the first to the last, `(n, 1, 1)`."""
    return -ops.sum(ends, axis=1, keepdims=True)


def _within(ends: Any, numbers: Any) -> Any:
    """Whether each line lies from the first to the last: `(n, 1, length)`."""
    return ops.min(numbers - ends, axis=1, keepdims=True) >= 0


def _kept(ends: Any, lengths: Any) -> Any:
    """The ends of rows and columns `(n, 2, 2)` as fractions of the lengths `(n, 1, 2)`, without a minus.

    They are 0 and 1 where too little was taken off to be a border, or too much.
    """
    left = _extent(ends)
    too_small = ops.min(left, axis=2, keepdims=True) < FEWEST_LINES
    untouched = ops.logical_or(too_small, lengths - left < LEAST * lengths)
    return ops.where(untouched, np.array([[0.0], [1.0]], np.float32), ops.abs(ends) / lengths)


def _peeled(lines: Any, ends: Any, numbers: Any, places: Any) -> Any:
    """Take off the lines `(n, L, P)` at both ends that are of the outermost one's shade; `places` `(n, 1, 1)` of a line count."""
    outermost = ops.matmul(_float(ops.equal(numbers, ends)), lines)
    shade = ops.expand_dims(_median(outermost, places), 3)
    alike = ops.abs(ops.expand_dims(lines, 1) - shade) <= STRAY  # (n, 2, L, P)
    of_shade = ops.sum(_float(alike), axis=3)
    other = ops.logical_and(_within(ends, numbers), _WHOLE * of_shade < _WHOLE * OF_ONE_SHADE * places)
    bared = ops.min(ops.where(other, numbers, _NONE), axis=2, keepdims=True)
    too_few = ops.minimum(_extent(ends), places) < FEWEST_LINES
    return ops.where(too_few, ends, bared)


def _median(values: Any, number: Any) -> Any:
    """The median `(n, 2, 1)` of so many `(n, 1, 1)` whole grey levels `(n, 2, P)`, by counting."""
    levels = np.arange(_LEVELS, dtype=np.float32)[:, None]
    up_to = ops.sum(_float(ops.expand_dims(values, 2) <= levels), axis=3)  # (n, 2, 256)
    lower, upper = up_to < number / 2, up_to <= number / 2
    return ops.sum(_float(lower) + _float(upper), axis=2, keepdims=True) / 2
