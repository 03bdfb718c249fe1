"""The lung field found and cut inside a network, in operations that every export format knows: products, comparisons, counts.

    images → FilmFrame → FilmCut → EfficientNet-Lite0 → LungMap → FieldBox → FieldCut → StretchedContrast → judging backbone
                                                               → LungWeights → the mean over the lungs

Each layer does for every picture of a batch what a function of `models.lungs` does for one, so that an exported network judges
the field that the product judges. Boxes and frames are `(n, 4)` float32: top, left, bottom and right in fractions of the picture.
"""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from models.backbones.feature_extractor import apply_flat
from models.backbones.pooling import WEIGHT_PLACES
from models.lungs.box import EDGE, FINE, OF_A_TIP, OF_BULK, OUTLINE, REACH, SMALLEST
from models.lungs.field import BRIGHT, DARK, MARGIN, SOFT_FROM, SOFT_TO, between_places
from models.lungs.finder import CHANNELS, PLACES, WAVES, LungFinder, place_terms, wave_terms
from models.lungs.frame_graph import FilmFrame

_PREFIX = "finder_"


def lung_field_of(image: Any, size: int, finder_features: Any, finder: LungFinder) -> tuple[Any, Any]:
    """What a judging backbone is shown of images uint8 `(n, H, W, 1)`, and how much of each place of that is lung.

    The field `(n, size, size, 1)` float32 in 0–255, and `(n, 28, 28)` in [0, 1]. Where no lungs are found, the field is the
    film; a network cannot refuse.

    Args:
        finder_features: pixels float32 `(n, 224, 224, 1)` → feature map, of `models.lungs.finder.finder_backbone`.
    """
    frame = FilmFrame(name="film_frame")(image)
    film = FilmCut(finder_features.input.shape[1], name="film")([image, frame])
    layer = LungMap(name="lung_map")
    lung_map = layer(apply_flat(_prefixed(finder_features), film))
    layer.take_numbers_of(finder)
    box = FieldBox(name="field_box")([lung_map, frame])
    field = StretchedContrast(name="contrast")(FieldCut(size, name="field")([image, box]))
    return field, LungWeights(name="lung_weights")([lung_map, frame, box])


def _prefixed(features: Any) -> Any:
    """A copy of a network, weights included, whose layers can stand beside those of the judging backbone."""

    def renamed(layer: Any) -> Any:
        config = layer.get_config()
        return layer.__class__.from_config({**config, "name": _PREFIX + config["name"]})

    copy = keras.models.clone_model(features, clone_function=renamed)
    copy.set_weights(features.get_weights())
    copy.trainable = False
    return copy


def _pixels(image: Any) -> Any:
    """`(n, H, W)` float32."""
    return ops.cast(image, "float32")[..., 0]


def _lengths(images: Any) -> list[Any]:
    """Height and width of pictures `(n, H, W)`."""
    return [ops.cast(length, "float32") for length in ops.shape(images)[1:]]


def _cut(pictures: Any, lengths: list[Any], box: Any, size: int, *, alone: bool) -> Any:
    """Cut pictures `(n, H, W)` to boxes of float pixels `(n, 4)`: `(n, size, size, 1)`; `alone`, without what lies beyond."""
    edges = ops.reshape(box, (-1, 4, 1, 1))
    top, left, bottom, right = (edges[:, side] for side in range(4))
    rows = _filter(lengths[0], top, bottom, size, alone=alone)
    columns = _filter(lengths[1], left, right, size, alone=alone)
    return ops.expand_dims(ops.matmul(ops.matmul(rows, pictures), ops.transpose(columns, (0, 2, 1))), 3)


def _filter(length: Any, first: Any, last: Any, size: int, *, alone: bool) -> Any:
    """Pillow's triangle from pixel `first` to `last` `(n, 1, 1)` of a line: weights `(n, size, length)`; each row sums to 1."""
    scale = (last - first) / size
    centres = first + np.arange(0.5, size, dtype=np.float32)[:, None] * scale
    positions = ops.arange(length, dtype="float32") + 0.5
    weights = ops.relu(1.0 - ops.abs(positions - centres) / ops.maximum(scale, 1.0))
    if alone:
        weights = weights * ops.cast(ops.logical_and(positions > first, positions < last), "float32")
    return weights / ops.sum(weights, axis=2, keepdims=True)


class _Cut(keras.layers.Layer):
    """Pictures uint8 `(n, H, W, 1)` and boxes `(n, 4)` → `(n, size, size, 1)` float32 in 0–255."""

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (input_shape[0][0], self.size, self.size, 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="pneumolens")
class FilmCut(_Cut):
    """The film alone, to the nearest pixel, as `Box.cut` and `network_input` make it for the finder."""

    def call(self, inputs: list[Any]) -> Any:
        pictures, frame = _pixels(inputs[0]), inputs[1]
        lengths = _lengths(pictures)
        both = ops.stack(lengths)
        low = ops.minimum(ops.round(frame[:, :2] * both), both - 1)
        edges = ops.concatenate([low, ops.maximum(ops.round(frame[:, 2:] * both), low + 1)], axis=1)
        return _cut(pictures, lengths, edges, self.size, alone=True)


@keras.saving.register_keras_serializable(package="pneumolens")
class FieldCut(_Cut):
    """The field, as `models.lungs.field.cut` makes it: pixels beyond the box still count in the filter, as in Pillow."""

    def call(self, inputs: list[Any]) -> Any:
        pictures, box = _pixels(inputs[0]), inputs[1]
        lengths = _lengths(pictures)
        return _cut(pictures, lengths, box * ops.stack(lengths * 2), self.size, alone=False)


@keras.saving.register_keras_serializable(package="pneumolens")
class LungMap(keras.layers.Layer):
    """The finder's regressions: feature maps `(n, 28, 28, 1392)` → the share of each place that is lung, `(n, 28, 28, 1)`."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shapes = {
            "channels": (CHANNELS, 1),
            "places": (PLACES**2,),
            "shape": (WAVES**2, PLACES**2),
            "shape_offset": (PLACES**2,),
            "detail": (),
        }
        self.numbers = {
            name: self.add_weight(shape=shape, initializer="zeros", trainable=False, name=name)
            for name, shape in shapes.items()
        }

    def take_numbers_of(self, finder: LungFinder) -> None:
        """Set the fitted numbers; what the second regression gives less `detail` of what it takes is one matrix."""
        kernel = finder.shape[:-1] - finder.detail * np.eye(WAVES**2, dtype=np.float32)
        numbers = {
            "channels": finder.weights[:CHANNELS, None],
            "places": (place_terms() @ finder.weights[CHANNELS:]).ravel(),
            "shape": kernel @ _waves(),
            "shape_offset": finder.shape[-1] @ _waves(),
            "detail": finder.detail,
        }
        for name, value in numbers.items():
            self.numbers[name].assign(value)

    def call(self, feature_map: Any) -> Any:
        numbers = self.numbers
        seen = ops.reshape(ops.matmul(feature_map, numbers["channels"]), (-1, PLACES**2))
        first = ops.clip(seen + numbers["places"], 0.0, 1.0)
        shaped = ops.matmul(ops.matmul(first, _waves().T), numbers["shape"]) + numbers["shape_offset"]
        return ops.reshape(ops.clip(shaped + numbers["detail"] * first, 0.0, 1.0), (-1, PLACES, PLACES, 1))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], PLACES, PLACES, 1)


def _waves() -> NDArray[np.float32]:
    """The slowest waves of the two-dimensional transform at each place: `(196, 784)`."""
    return np.kron(wave_terms(), wave_terms())


@keras.saving.register_keras_serializable(package="pneumolens")
class FieldBox(keras.layers.Layer):
    """Lung maps of films `(n, 28, 28, 1)` and the films' frames `(n, 4)` → the boxes that are judged, `(n, 4)`.

    The box that holds both lungs, as `lung_box` finds it, placed in the picture and with the field's margin. Where there are
    no lungs, the film's frame with that margin.
    """

    def call(self, inputs: list[Any]) -> Any:
        frame = inputs[1]
        fine = ops.matmul(ops.matmul(_between_places(), inputs[0][..., 0]), _between_places().T)
        tips, bulk = ops.cast(fine > EDGE, "float32"), ops.cast(fine > OUTLINE, "float32")
        found = ops.sum(bulk, axis=(1, 2)) >= SMALLEST * FINE**2
        (top, bottom), (left, right) = (
            _ends(ops.sum(tips, axis=axis), ops.sum(bulk, axis=axis), found) for axis in (2, 1)
        )
        start, extent = frame[:, :2], frame[:, 2:] - frame[:, :2]
        low = start + ops.stack([top, left], axis=1) * extent
        high = ops.minimum(start + ops.stack([bottom, right], axis=1) * extent, 1.0)
        margin = MARGIN * (high - low)
        return ops.concatenate([ops.maximum(low - margin, 0.0), ops.minimum(high + margin, 1.0)], axis=1)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (input_shape[0][0], 4)


@keras.saving.register_keras_serializable(package="pneumolens")
class LungWeights(keras.layers.Layer):
    """Lung maps `(n, 28, 28, 1)`, frames and boxes `(n, 4)` → `(n, 28, 28)`, as by `models.lungs.field.lung_weights`."""

    def call(self, inputs: list[Any]) -> Any:
        maps, frame, box = inputs[0][..., 0], inputs[1], inputs[2]
        low, length = frame[:, :2], frame[:, 2:] - frame[:, :2]
        first, last = (box[:, :2] - low) / length, (box[:, 2:] - low) / length
        rows, columns = (_lines_between(first[:, side], last[:, side]) for side in (0, 1))
        lungs = ops.matmul(ops.matmul(rows, maps), ops.transpose(columns, (0, 2, 1)))
        return ops.clip((lungs - SOFT_FROM) / (SOFT_TO - SOFT_FROM), 0.0, 1.0)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (input_shape[0][0], WEIGHT_PLACES, WEIGHT_PLACES)


def _lines_between(first: Any, last: Any) -> Any:
    """As `models.lungs.field.between_places`, for fractions `(n,)`: `(n, 28, 28)`."""
    steps = (np.arange(WEIGHT_PLACES, dtype=np.float32) + 0.5) / WEIGHT_PLACES
    lines = (first[:, None] + (last - first)[:, None] * steps[None]) * PLACES
    places = np.arange(PLACES, dtype=np.float32) + 0.5
    return ops.maximum(1.0 - ops.abs(lines[:, :, None] - places[None, None]), 0.0)


def _between_places() -> NDArray[np.float32]:
    """How much of each place along a side counts for each finer line, as in `models.lungs.box.interpolated`: `(224, 28)`."""
    weights = between_places(0, 1, FINE)
    return weights / weights.sum(axis=1, keepdims=True)


def _ends(tips: Any, bulk: Any, found: Any) -> tuple[Any, Any]:
    """Where the lungs begin and end, in [0, 1], by how much of each line `(n, 224)` is a tip of them, and how much their bulk."""
    enough = ops.minimum(ops.max(bulk, axis=1, keepdims=True), OF_BULK * FINE)
    (first_heavy, last_heavy), (first_thin, last_thin) = _outermost(bulk >= enough), _outermost(tips >= OF_A_TIP * FINE)
    first = ops.maximum(first_thin, first_heavy - REACH) / FINE
    last = (ops.minimum(last_thin, last_heavy + REACH) + 1) / FINE
    return ops.where(found, first, 0.0), ops.where(found, last, 1.0)


def _outermost(holds: Any) -> tuple[Any, Any]:
    """The first and the last line of `(n, 224)` that holds something."""
    lines = ops.arange(FINE, dtype="float32")[None]
    return ops.min(ops.where(holds, lines, float(FINE)), axis=1), ops.max(ops.where(holds, lines, -1.0), axis=1)


@keras.saving.register_keras_serializable(package="pneumolens")
class StretchedContrast(keras.layers.Layer):
    """Fields `(n, size, size, 1)` float32 in 0–255 → the same, contrast stretched as by `models.lungs.field.stretched`."""

    def call(self, fields: Any) -> Any:
        levels = ops.round(ops.reshape(fields, (-1, 1, fields.shape[1] * fields.shape[2])))
        reached = _levels_reaching(levels, np.array([[DARK], [BRIGHT]]) * levels.shape[2])
        dark, bright = reached[:, :1, :, None], reached[:, 1:, :, None]
        return ops.clip((fields - dark) * (255.0 / ops.maximum(bright - dark, 1.0)), 0.0, 255.0)


def _levels_reaching(levels: Any, numbers: NDArray[np.float64]) -> Any:
    """The lowest grey levels 0–255 up to which so many `(2, 1)` of `(n, 1, places)` lie, by bisection: `(n, 2, 1)`."""
    level = ops.zeros_like(levels[:, :, :1]) + np.zeros_like(numbers, np.float32)
    for step in (128, 64, 32, 16, 8, 4, 2, 1):
        up_to = ops.sum(ops.cast(levels <= level + (step - 1), "float32"), axis=2, keepdims=True)
        level = level + step * ops.cast(up_to < numbers.astype(np.float32), "float32")
    return level
