"""Engines: what runs a frozen backbone. Both give the same numbers; which one is a matter of speed.

`keras` runs on TensorFlow and takes a GPU where there is one. `openvino` runs on the processor, several times faster there,
and does not import TensorFlow.
"""

import os
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile
from models.system.quiet import import_keras_quietly

ENGINES: Final = ("auto", "keras", "openvino", "openvino-f32")
"""`auto`: keras where there is a GPU, else openvino. `openvino` computes in bfloat16 where the processor has it and the
backbone bears it; `openvino-f32` never does."""

_GPU_DEVICES: Final = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")


class Features(NamedTuple):
    """What a backbone sees in n films.

    Attributes:
        feature_map: `(n, h, w, d)`.
        pooled: `(n, 2, d)`: the mean of the map over its places, and the maximum.
    """

    feature_map: NDArray[np.float32]
    pooled: NDArray[np.float32]


class Engine(Protocol):
    """A backbone, ready to run; one call at a time.

    Attributes:
        name: "keras" or "openvino".
        precision: "f32" or "bf16": how products are rounded.
        films_at_once: how many films take hardly longer than one.
        backbone, weights: what it runs.
    """

    @property
    def films_at_once(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def precision(self) -> str: ...

    backbone: Backbone
    weights: WeightsFile

    def run(self, pixels: NDArray[np.float32]) -> Features:
        """Pass films `(n, size, size, 1)`, 0 black to 255 white, through the backbone."""

    def release(self) -> None:
        """Give back what memory can be had again; the next run takes it."""


def load_engine(backbone: Backbone, weights: WeightsFile, *, engine: str = "auto") -> Engine:
    """Make a backbone ready to run; `openvino` converts it once and keeps the result.

    Raises:
        WeightsError: where the weights do not fit the backbone.
        ValueError: for an engine that is not one of `ENGINES`.
    """
    if engine not in ENGINES:
        raise ValueError(f"The engine must be one of {', '.join(ENGINES)}. Received: {engine!r}")
    if engine == "keras" or (engine == "auto" and has_gpu()):
        import_keras_quietly()
        from models.engines.keras_engine import KerasEngine

        return KerasEngine(backbone, weights)
    from models.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(backbone, weights, bfloat16=engine != "openvino-f32")


def has_gpu() -> bool:
    """Whether TensorFlow computes on a GPU here; it is asked, which loads it, only where a driver shows one."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or not any(Path(device).exists() for device in _GPU_DEVICES):
        return False
    import_keras_quietly()
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
