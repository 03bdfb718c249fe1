"""The network as one flat graph: pixels → feature map → embedding → logits, and the whole of it for exports."""

from typing import Any

import keras
from keras import layers

from models.backbones.feature_extractor import FeatureExtractor, apply_flat, pool
from models.backbones.pooling import WEIGHT_PLACES
from models.calibration import Calibration
from models.lungs.finder import LungFinder
from models.lungs.graph import lung_field_of


def build_network(extractor: FeatureExtractor, head: Any, *, pooling: str = "mean") -> Any:
    """Join backbone and head: pixels `(n, size, size, 1)` → `{"feature_map", "embedding", "logits"}`.

    With the pooling "lungs" there are two inputs: pixels, and lungs `(n, 28, 28)` in [0, 1].
    """
    pixels, feature_map = extractor.features.input, extractor.features.output
    lungs = keras.Input((WEIGHT_PLACES, WEIGHT_PLACES), name="lungs") if pooling == "lungs" else None
    embedding = pool(feature_map, pooling, lungs)
    outputs = {"feature_map": feature_map, "embedding": embedding, "logits": apply_flat(head, embedding)}
    return keras.Model(pixels if lungs is None else [pixels, lungs], outputs, name="network")


def build_export(extractor: FeatureExtractor, head: Any, calibration: Calibration, *, pooling: str = "mean") -> Any:
    """The whole network in one graph: images uint8 `(n, H, W, 1)` of any size → calibrated probabilities `(n, classes)`."""
    image = _any_image()
    film = extractor.resize.get_layer("resize")(image)
    embedding = pool(apply_flat(extractor.features, film), pooling)
    return _judging(image, embedding, head, calibration)


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
    field, lungs = lung_field_of(image, extractor.features.input.shape[1], finder_extractor.features, finder)
    embedding = pool(apply_flat(extractor.features, field), pooling, lungs)
    return _judging(image, embedding, head, calibration)


def _any_image() -> Any:
    return keras.Input((None, None, 1), dtype="uint8", name="image")


def _judging(image: Any, embedding: Any, head: Any, calibration: Calibration) -> Any:
    """From images and the embeddings that were made of them to the whole network."""
    x = layers.Rescaling(
        scale=[calibration.slope] * len(calibration.bias), offset=list(calibration.bias), name="calibration"
    )(apply_flat(head, embedding))
    return keras.Model(image, layers.Softmax(name="probabilities")(x), name="pneumolens")
