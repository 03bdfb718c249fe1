"""The network as one flat graph: pixels → feature map → embedding → logits, and the whole of it for exports."""

from typing import Any

import keras
from keras import layers

from models.backbones.feature_extractor import FeatureExtractor, apply_flat, pool
from models.backbones.pooling import WEIGHT_PLACES
from models.calibration import Calibration
from models.films.resize import AntialiasedResize
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


def build_around(
    feature_map_shape: tuple[int, int, int],
    size: int,
    head: Any,
    calibration: Calibration,
    finding: tuple[FeatureExtractor, LungFinder] | None,
    *,
    pooling: str = "mean",
) -> tuple[Any, Any]:
    """The same but for the judging backbone, which is no layer of Keras: what comes before it, and what comes behind.

    Args:
        feature_map_shape: of the backbone's map, `(h, w, d)`.
        size: of the pixels `(n, size, size, 1)` that it takes.
        finding: the lung finder with its backbone; None for a head that judges whole films.

    Returns:
        images → pixels, and lungs where they are pooled over; and feature map, and lungs, → probabilities.
    """
    image, feature_map = _any_image(), keras.Input(feature_map_shape, name="feature_map")
    if finding is None:
        shown = [AntialiasedResize(size, name="resize")(image)]
    else:
        extractor, finder = finding
        shown = list(lung_field_of(image, size, extractor.features, finder))
    lungs = keras.Input((WEIGHT_PLACES, WEIGHT_PLACES), name="lungs") if pooling == "lungs" else None
    inputs = [feature_map] if lungs is None else [feature_map, lungs]
    before = keras.Model(image, shown[: len(inputs)], name="before")
    return before, _judging(inputs, pool(feature_map, pooling, lungs), head, calibration)


def _any_image() -> Any:
    return keras.Input((None, None, 1), dtype="uint8", name="image")


def _judging(inputs: Any, embedding: Any, head: Any, calibration: Calibration) -> Any:
    """From inputs, and the embeddings that were made of them, to probabilities."""
    x = layers.Rescaling(
        scale=[calibration.slope] * len(calibration.bias), offset=list(calibration.bias), name="calibration"
    )(apply_flat(head, embedding))
    return keras.Model(inputs, layers.Softmax(name="probabilities")(x), name="pneumolens")
