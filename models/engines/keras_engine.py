"""The engine on TensorFlow: a GPU where there is one."""

from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from models.backbones.feature_extractor import build_feature_extractor, pooled_outputs
from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile
from models.engines.engine import Features


class KerasEngine:
    """See `models.engines.Engine`."""

    name: Final = "keras"
    precision: Final = "f32"
    films_at_once: Final = 16

    def __init__(self, backbone: Backbone, weights: WeightsFile) -> None:
        self.backbone = backbone
        self.weights = weights
        features = build_feature_extractor(backbone, weights).features
        self._network = keras.Model(features.input, pooled_outputs(features.output))

    def run(self, pixels: NDArray[np.float32]) -> Features:
        """Pass films `(n, size, size, 1)` through the backbone."""
        outputs: list[Any] = self._network.predict_on_batch(pixels)
        return Features(np.asarray(outputs[0]), np.asarray(outputs[1]))

    def release(self) -> None:
        """Nothing: TensorFlow keeps what it has."""
