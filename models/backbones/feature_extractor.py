"""A frozen backbone with its preprocessing as one flat graph: raw pixels → feature map, and what is pooled from it.

Resizing and scaling are layers of the graph, so nobody can apply them twice or forget them.
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

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


def pooled_outputs(feature_map: Any) -> list[Any]:
    """Of a feature map `(n, h, w, d)`: itself, and `(n, 2, d)`, its mean over the places and its maximum."""
    channels = feature_map.shape[-1]
    rows = [layers.Reshape((1, channels))(pool(feature_map, pooling)) for pooling in ("mean", "max")]
    return [feature_map, layers.Concatenate(axis=1, name="pooled")(rows)]


def pool(feature_map: Any, pooling: str) -> Any:
    """The embedding of a feature map, by one of `models.head.POOLINGS`."""
    if pooling == "both":
        parts = [pool(feature_map, "mean"), pool(feature_map, "max")]
        return layers.Concatenate(name="embedding_both")(parts)
    layer = layers.GlobalAveragePooling2D if pooling == "mean" else layers.GlobalMaxPooling2D
    return layer(name=f"embedding_{pooling}")(feature_map)


def _tapped(last: Any, pixels: Any, taps: tuple[str, ...]) -> Any:
    """Lay the maps of some layers over each other; repeating places leaves each channel's mean as it was."""
    if not taps:
        return last
    backbone = keras.Model(pixels, last)
    maps = [backbone.get_layer(name).output for name in taps]
    finest = max(one.shape[1] for one in maps)
    spread = [one if one.shape[1] == finest else layers.UpSampling2D(finest // one.shape[1])(one) for one in maps]
    return layers.Concatenate(name="feature_map")(spread)
