"""A frozen backbone with its preprocessing as one flat graph: raw pixels → feature map, and what is pooled from it.

Resizing and scaling are layers of the graph, so nobody can apply them twice or forget them.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from models.backbones.pooling import POOLED, ROWS, middle_places
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
    channels = layers.Concatenate(name="channels")([pixels, pixels, pixels])
    scale = layers.Rescaling(
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
    """Of a feature map `(n, h, w, d)`: itself, and `(n, 3, d)`, what `POOLED` names."""
    channels = feature_map.shape[-1]
    rows = [layers.Reshape((1, channels))(_pooled(feature_map, name)) for name in POOLED]
    return [feature_map, layers.Concatenate(axis=1, name="pooled")(rows)]


def pool(feature_map: Any, pooling: str) -> Any:
    """The embedding of a feature map, by one of `models.head.POOLINGS`."""
    parts = [_pooled(feature_map, POOLED[row]) for row in ROWS[pooling]]
    return parts[0] if len(parts) == 1 else layers.Concatenate(name=f"embedding_{pooling}")(parts)


def _pooled(feature_map: Any, name: str) -> Any:
    if name == "middle":
        _, height, width, _ = feature_map.shape
        above, before = np.argwhere(middle_places(height, width))[0]
        below, after = np.argwhere(middle_places(height, width))[-1] + 1
        middle = layers.Cropping2D(((above, height - below), (before, width - after)), name="middle")(feature_map)
        return layers.GlobalAveragePooling2D(name="mean_of_middle")(middle)
    layer = layers.GlobalAveragePooling2D if name == "mean" else layers.GlobalMaxPooling2D
    return layer(name=f"embedding_{name}")(feature_map)


def _tapped(last: Any, pixels: Any, taps: tuple[str, ...]) -> Any:
    """Lay the maps of some layers over each other; repeating places leaves each channel's mean as it was."""
    if not taps:
        return last
    backbone = keras.Model(pixels, last)
    maps = [backbone.get_layer(name).output for name in taps]
    finest = max(one.shape[1] for one in maps)
    spread = [one if one.shape[1] == finest else layers.UpSampling2D(finest // one.shape[1])(one) for one in maps]
    return layers.Concatenate(name="feature_map")(spread)
