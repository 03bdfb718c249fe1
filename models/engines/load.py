"""Which engine runs a backbone here.

`keras` runs on TensorFlow and takes a GPU where there is one. `openvino` runs on the processor, several times faster there,
and does not import TensorFlow.
"""

import os
from pathlib import Path
from typing import Final

from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile
from models.engines.engine import Engine
from models.system.quiet import import_keras_quietly

ENGINES: Final = ("auto", "keras", "openvino", "openvino-f32")
"""`auto`: keras where there is a GPU, else openvino. `openvino` computes in bfloat16 where the processor has it and the
backbone bears it; `openvino-f32` never does."""

_GPU_DEVICES: Final = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")


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
