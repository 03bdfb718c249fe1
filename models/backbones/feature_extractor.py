"""A frozen backbone with its preprocessing as one flat graph: raw pixels → feature map, and what is pooled from it.

Resizing and scaling are layers of the graph, so nobody can apply them twice or forget them.
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from models.backbones.pooling import shares
from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile, load_weights
from models.films.resize import AntialiasedResize


@dataclass(frozen=True)
class FeatureExtractor:
    """A frozen backbone with its preprocessing.

    Attributes:
        resize: images uint8 `(n, H, W, 1)` → pixels float32 `(n, size, size, 1)`, still 0 to 255.
        features: pixels float32 `(n, size, size, 1)` → feature map `(n, h, w, d)`.
    """

    resize: Any
    features: Any

    @property
    def weighted_layers(self) -> Any:
        """The backbone alone, as a Keras model: what weight files are loaded into and saved from."""
        return keras.Model(self.features.get_layer("scale").output, self.features.output)


def build_feature_extractor(backbone: Backbone, weights: WeightsFile | None) -> FeatureExtractor:
    """Build a frozen backbone; `weights=None` leaves it at its random start (for tests of the plumbing)."""
    size = backbone.input_size
    image = keras.Input((None, None, 1), dtype="uint8", name="image")
    resize = keras.Model(image, AntialiasedResize(size, name="resize")(image), name="resize")

    pixels = keras.Input((size, size, 1), name="pixels")
    channels = layers.Concatenate(dtype="float32", name="channels")([pixels, pixels, pixels])
    scale = layers.Rescaling(
        dtype="float32",  # whatever the backbone rounds to: bfloat16 has no room for the places behind a pixel's point
        scale=[1 / deviation for deviation in backbone.deviation],
        offset=[-mean / deviation for mean, deviation in zip(backbone.mean, backbone.deviation, strict=True)],
        name="scale",
    )
    feature_map = _tapped(backbone.load_builder()(scale(channels)), pixels, backbone.taps)
    extractor = FeatureExtractor(resize, keras.Model(pixels, feature_map, name=backbone.id))
    extractor.features.trainable = False
    if weights is not None:
        load_weights(extractor.weighted_layers, weights)
    return extractor


def apply_flat(model: Any, tensor: Any) -> Any:
    """Run a functional model's layers on another symbolic tensor; calling the model itself would nest it."""
    return keras.Function(model.input, model.output).call(tensor)


def pooled_outputs(feature_map: Any) -> list[Any]:
    """Of a feature map `(n, h, w, d)`: itself, and `(n, 2, d)`, its mean and its maximum over all places."""
    rows = [layers.Reshape((1, feature_map.shape[-1]))(pool(feature_map, name)) for name in ("mean", "max")]
    return [feature_map, layers.Concatenate(axis=1, name="pooled")(rows)]


def pool(feature_map: Any, pooling: str, lungs: Any = None) -> Any:
    """The embedding of a feature map, by one of `models.head.POOLINGS`; `lungs` `(n, 28, 28)` where it is pooled over them."""
    if pooling == "both":
        return layers.Concatenate(name="embedding_both")([pool(feature_map, "mean"), pool(feature_map, "max")])
    if pooling == "lungs":
        return LungMean(name="embedding_lungs")([feature_map, lungs])
    layer = layers.GlobalAveragePooling2D if pooling == "mean" else layers.GlobalMaxPooling2D
    return layer(name=f"embedding_{pooling}")(feature_map)


@keras.saving.register_keras_serializable(package="pneumolens")
class LungMean(layers.Layer):
    """Feature maps `(n, h, w, d)` and lungs `(n, 28, 28)` → `(n, d)`, as by `models.backbones.pooling.lung_mean`."""

    def call(self, inputs: list[Any]) -> Any:
        feature_map, lungs = inputs
        height, width = feature_map.shape[1:3]
        weights = ops.matmul(ops.matmul(shares(height), lungs), shares(width).T)
        total = ops.sum(weights, axis=(1, 2), keepdims=True)
        some = total > 0
        weights = ops.where(some, weights / ops.where(some, total, 1.0), 1 / (height * width))
        return ops.sum(feature_map * ops.expand_dims(weights, -1), axis=(1, 2))

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        return (input_shape[0][0], input_shape[0][-1])


def _tapped(last: Any, pixels: Any, taps: tuple[str, ...]) -> Any:
    """Lay the maps of some layers over each other; repeating places leaves each channel's mean as it was."""
    if not taps:
        return last
    backbone = keras.Model(pixels, last)
    maps = [backbone.get_layer(name).output for name in taps]
    finest = max(one.shape[1] for one in maps)
    spread = [one if one.shape[1] == finest else layers.UpSampling2D(finest // one.shape[1])(one) for one in maps]
    return layers.Concatenate(name="feature_map")(spread)
