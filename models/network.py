"""The network as one flat graph: pixels → feature map → embedding → logits, and the whole of it for exports."""

from typing import Any

import keras
from keras import layers

from models.backbones.feature_extractor import FeatureExtractor, pool
from models.calibration import Calibration


def build_network(extractor: FeatureExtractor, head: Any, *, pooling: str = "mean") -> Any:
    """Join backbone and head: pixels `(n, size, size, 1)` → `{"feature_map", "embedding", "logits"}`."""
    feature_map = extractor.features.output
    embedding = pool(feature_map, pooling)
    outputs = {"feature_map": feature_map, "embedding": embedding, "logits": _apply(head, embedding)}
    return keras.Model(extractor.features.input, outputs, name="network")


def build_export(extractor: FeatureExtractor, head: Any, calibration: Calibration, *, pooling: str = "mean") -> Any:
    """The whole network in one graph: images uint8 `(n, H, W, 1)` of any size → calibrated probabilities `(n, classes)`."""
    image = keras.Input((None, None, 1), dtype="uint8", name="image")
    x = extractor.resize.get_layer("resize")(image)
    x = _apply(extractor.features, x)
    x = _apply(head, pool(x, pooling))
    x = layers.Rescaling(
        scale=[calibration.slope] * len(calibration.bias), offset=list(calibration.bias), name="calibration"
    )(x)
    return keras.Model(image, layers.Softmax(name="probabilities")(x), name="pneumolens")


def _apply(model: Any, tensor: Any) -> Any:
    """Run a functional model's layers on another symbolic tensor; calling the model itself would nest it."""
    return keras.Function(model.input, model.output).call(tensor)
