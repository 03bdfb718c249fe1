"""The network as one flat graph: pixels → feature map → embedding → logits, and the whole of it for exports."""

from typing import Any

import keras
from keras import layers

from models.backbones.feature_extractor import FeatureExtractor, apply_flat, pool
from models.calibration import Calibration
from models.lungs.finder import LungFinder
from models.lungs.graph import lung_field_of


def build_network(extractor: FeatureExtractor, head: Any, *, pooling: str = "mean") -> Any:
    """Join backbone and head: pixels `(n, size, size, 1)` → `{"feature_map", "embedding", "logits"}`."""
    feature_map = extractor.features.output
    embedding = pool(feature_map, pooling)
    outputs = {"feature_map": feature_map, "embedding": embedding, "logits": apply_flat(head, embedding)}
    return keras.Model(extractor.features.input, outputs, name="network")


def build_export(extractor: FeatureExtractor, head: Any, calibration: Calibration, *, pooling: str = "mean") -> Any:
    """The whole network in one graph: images uint8 `(n, H, W, 1)` of any size → calibrated probabilities `(n, classes)`."""
    image = _any_image()
    film = extractor.resize.get_layer("resize")(image)
    return _judging(image, film, extractor, head, calibration, pooling)


def build_lung_export(
    extractor: FeatureExtractor,
    head: Any,
    calibration: Calibration,
    finder_extractor: FeatureExtractor,
    finder: LungFinder,
    *,
    pooling: str = "mean",
) -> Any:
    """The same for a head that judges the lung field: it is found and cut in the graph, each image's own."""
    image = _any_image()
    field = lung_field_of(image, extractor.features.input.shape[1], finder_extractor.features, finder)
    return _judging(image, field, extractor, head, calibration, pooling)


def _any_image() -> Any:
    return keras.Input((None, None, 1), dtype="uint8", name="image")


def _judging(
    image: Any, shown: Any, extractor: FeatureExtractor, head: Any, calibration: Calibration, pooling: str
) -> Any:
    """From what the backbone is shown of an image, `(n, size, size, 1)`, to the whole network."""
    x = apply_flat(extractor.features, shown)
    x = apply_flat(head, pool(x, pooling))
    x = layers.Rescaling(
        scale=[calibration.slope] * len(calibration.bias), offset=list(calibration.bias), name="calibration"
    )(x)
    return keras.Model(image, layers.Softmax(name="probabilities")(x), name="pneumolens")
