"""The engine on TensorFlow: a GPU where there is one, or all of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from models.backbones.feature_extractor import build_feature_extractor, pooled_outputs
from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile
from models.devices.memory import with_halved_batches
from models.devices.spread import spread_call, strategy_for
from models.engines.engine import Features
from models.engines.openvino_engine import SMALLEST_COSINE, probe_films, smallest_cosine

PRECISIONS: Final = {"float32": "f32", "mixed_float16": "f16"}
"""Keras' dtype policies, and what an engine calls them."""

_FILMS_OF_A_DEVICE: Final = 16

Call = Callable[[NDArray[np.float32]], list[Any]]


class KerasEngine:
    """See `models.engines.Engine`. A batch that does not fit into the device's memory goes through it in smaller ones.

    Raises:
        OutOfMemoryError: by `run`, where an eighth of the batch does not fit, either.
    """

    name: Final = "keras"

    def __init__(
        self, backbone: Backbone, weights: WeightsFile, *, policy: str = "float32", devices: str = "one"
    ) -> None:
        """Load a backbone.

        Args:
            backbone, weights: what is run.
            policy: how to round, one of `PRECISIONS`; float32 is taken instead where the embeddings do not stay the same.
            devices: one of `models.devices.device.DEVICES`.
        """
        self.backbone = backbone
        self.weights = weights
        strategy = strategy_for(devices)
        self.films_at_once = _FILMS_OF_A_DEVICE * strategy.num_replicas_in_sync
        with strategy.scope():
            network, policy = _bearable_network(backbone, weights, policy)
        self.precision = PRECISIONS[policy]
        many = strategy.num_replicas_in_sync > 1
        self._call: Call = spread_call(strategy, network) if many else network.predict_on_batch
        self._fitting: int | None = None  # films that the device has memory for, once that is known to be few

    def run(self, pixels: NDArray[np.float32]) -> Features:
        """Pass films `(n, size, size, 1)` through the backbone."""
        size = min(len(pixels), self._fitting or len(pixels))
        features, fitted = with_halved_batches(size, partial(self._run_in_batches, pixels))
        if fitted < size:
            self._fitting = fitted
        return features

    def release(self) -> None:
        """Nothing: TensorFlow keeps what it has."""

    def _run_in_batches(self, pixels: NDArray[np.float32], size: int) -> Features:
        parts = [self._call(pixels[start : start + size]) for start in range(0, len(pixels), size)]
        feature_map, pooled = (np.concatenate([np.asarray(one) for one in part]) for part in zip(*parts, strict=True))
        return Features(feature_map, pooled)


def _bearable_network(backbone: Backbone, weights: WeightsFile, policy: str) -> tuple[Any, str]:
    """The network that rounds as asked, or the exact one where its embeddings tell the difference; and which it is."""
    exact = _network(backbone, weights, "float32")
    if policy == "float32":
        return exact, policy
    films, rounded = probe_films(backbone.input_size), _network(backbone, weights, policy)
    expected, found = (np.asarray(network.predict_on_batch(films)[1]) for network in (exact, rounded))
    with np.errstate(
        invalid="ignore"
    ):  # of what is too large for float16 there is no cosine, which is not enough, either
        bearable = smallest_cosine(expected, found) >= SMALLEST_COSINE
    return (rounded, policy) if bearable else (exact, "float32")


def _network(backbone: Backbone, weights: WeightsFile, policy: str) -> Any:
    """Pixels → feature map and what is pooled of it, both in float32, as is the sum over places."""
    with _rounding(policy):
        features = build_feature_extractor(backbone, weights).features
    exact = keras.layers.Activation("linear", dtype="float32", name="exact")(features.output)
    return keras.Model(features.input, pooled_outputs(exact))


@contextmanager
def _rounding(policy: str) -> Iterator[None]:
    """Let layers that are made meanwhile round so."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
