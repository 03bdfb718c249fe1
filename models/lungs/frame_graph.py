"""The film within a picture, found inside a network, in operations that every export format knows.

The rule is that of `models.lungs.frame`, for all pictures of a batch at once. A graph cannot stop when nothing is left to take
off: it takes off `ROUNDS` borders that lie round each other, where the product takes off all of them.
"""

from typing import Any, Final

import keras
from keras import ops

from models.lungs.frame import FEWEST_LINES, LEAST, LOOKED_AT, OF_ONE_SHADE, STRAY

ROUNDS: Final = 3
"""Borders round each other that are taken off: a screenshot's, its page's, the film's own."""

_LEVELS: Final = 256
_WHOLE: Final = 1000  # shares of a line are compared as whole numbers, so that no rounding decides

Ends = tuple[Any, Any]
"""The first line and the one after the last of each picture, `(n,)` each, whole numbers in float32."""


@keras.saving.register_keras_serializable(package="pneumolens")
class FilmFrame(keras.layers.Layer):
    """Images uint8 `(n, H, W, 1)` → top, left, bottom and right of the film in each, `(n, 4)` in fractions of the picture."""

    def call(self, images: Any) -> Any:
        small = _looked_at(images)
        none = ops.zeros_like(small[:, 0, 0])
        whole = [(none, none + _float(length)) for length in ops.shape(small)[1:]]
        rows, columns = whole
        for _ in range(ROUNDS):
            rows = _peeled(small, rows, columns)
            columns = _peeled(ops.transpose(small, (0, 2, 1)), columns, rows)
        too_small = ops.minimum(rows[1] - rows[0], columns[1] - columns[0]) < FEWEST_LINES
        (top, bottom), (left, right) = (
            _kept(ends, full, too_small) for ends, full in zip((rows, columns), whole, strict=True)
        )
        return ops.stack([top, left, bottom, right], axis=1)

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


def _kept(ends: Ends, whole: Ends, too_small: Any) -> Ends:
    """Both ends as fractions of the whole, `(n,)`; 0 and 1 where too little was taken off to be a border, or too much."""
    (first, last), length = ends, whole[1]
    untouched = ops.logical_or(too_small, length - last + first < LEAST * length)
    return ops.where(untouched, 0.0, first / length), ops.where(untouched, 1.0, last / length)


def _peeled(lines: Any, ends: Ends, across: Ends) -> Ends:
    """Take off the lines `(n, L, P)` at both ends that are of the outermost one's shade, between the places `across`."""
    (first, last), places = ends, across[1] - across[0]
    counted = _between(across, ops.shape(lines)[2])
    numbers = ops.arange(ops.shape(lines)[1], dtype="float32")[None]
    inside = _between(ends, ops.shape(lines)[1]) > 0
    other = [
        ops.logical_and(inside, _WHOLE * of_shade < _WHOLE * OF_ONE_SHADE * places[:, None])
        for of_shade in (_of_the_shade_of(line, lines, counted) for line in (first, last - 1))
    ]
    above = ops.min(ops.where(other[0], numbers, last[:, None]), axis=1)
    below = ops.max(ops.where(other[1], numbers + 1, first[:, None]), axis=1)
    too_few = ops.minimum(last - first, places) < FEWEST_LINES
    return ops.where(too_few, first, above), ops.where(too_few, last, below)


def _between(ends: Ends, length: Any) -> Any:
    """1 from the first place to the last, 0 elsewhere: `(n, length)` float32."""
    places = ops.arange(length, dtype="float32")[None]
    return _float(ops.logical_and(places >= ends[0][:, None], places < ends[1][:, None]))


def _of_the_shade_of(line: Any, lines: Any, counted: Any) -> Any:
    """How many places of each line `(n, L, P)` are of the median grey level of one line `(n,)`: `(n, L)`."""
    numbers = ops.arange(ops.shape(lines)[1], dtype="float32")
    chosen = _float(ops.equal(numbers[None], line[:, None]))
    shade = _median(ops.matmul(chosen[:, None], lines), counted)
    alike = ops.abs(lines - shade[:, None, None]) <= STRAY
    return ops.matmul(_float(alike), ops.expand_dims(counted, -1))[..., 0]


def _median(values: Any, counted: Any) -> Any:
    """The median `(n,)` of the whole grey levels `(n, 1, P)` at the counted places `(n, P)`, by counting."""
    levels = ops.arange(_LEVELS, dtype="float32")[None, :, None]
    up_to = ops.matmul(_float(values <= levels), ops.expand_dims(counted, -1))[..., 0]  # (n, 256)
    number = ops.sum(counted, axis=1, keepdims=True)
    ranks = ops.floor((number + 1) / 2), ops.floor(number / 2) + 1
    lower, upper = (ops.sum(_float(up_to < rank), axis=1) for rank in ranks)
    return (lower + upper) / 2
