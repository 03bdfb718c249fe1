"""Which engine runs a backbone here.

`keras` runs on TensorFlow and takes a GPU where there is one. `openvino` runs on the processor, several times faster there,
and does not import TensorFlow.
"""

from dataclasses import replace
from typing import Final

from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile
from models.devices.device import DeviceReport, processor
from models.devices.doctor import computing_device
from models.engines.engine import Engine
from models.engines.int8 import Int8Error, is_int8
from models.system.quiet import import_keras_quietly

ENGINES: Final = ("auto", "keras", "openvino", "openvino-f32")
"""`auto`: keras where a GPU computes, else openvino. `openvino` computes in bfloat16 where the processor has it and the
backbone bears it; `openvino-f32` never does. Weights in int8 run on both, in int8, and not on keras."""

_NOT_ON_A_GPU: Final = (
    "A backbone in int8 runs on the processor alone. For a GPU, take a bundle that was trained without --precision "
    "int8."
)


def engine_device(engine: str, weights: WeightsFile | None = None) -> DeviceReport:
    """What an engine runs on here, with these weights where it depends on them.

    Raises:
        ValueError: for an engine that is not one of `ENGINES`.
        Int8Error: "int8_engine", where it does not run weights in int8.
    """
    if engine not in ENGINES:
        raise ValueError(f"The engine must be one of {', '.join(ENGINES)}. Received: {engine!r}")
    if weights is not None and is_int8(weights):
        if engine == "keras":
            raise Int8Error("int8_engine")
        return replace(processor(), trouble=_NOT_ON_A_GPU)
    return computing_device() if engine in ("auto", "keras") else processor()


def load_engine(
    backbone: Backbone,
    weights: WeightsFile,
    *,
    engine: str = "auto",
    devices: str = "one",
    threads: int | None = None,
    apart: bool = True,
) -> Engine:
    """Make a backbone ready to run; `openvino` converts it once and keeps the result.

    Args:
        backbone, weights: what is run.
        engine: one of `ENGINES`.
        devices: one of `models.devices.device.DEVICES`; openvino has all cores of the processor anyway.
        threads: how many openvino takes of the processor; None: all.
        apart: whether openvino converts in a process of its own; False where TensorFlow is loaded and made the weights.

    Raises:
        WeightsError: where the weights do not fit the backbone.
        ValueError: for an engine that is not one of `ENGINES`.
        Int8Error: for weights in int8 that are damaged, or an engine that does not run them.
    """
    device = engine_device(engine, weights)
    if engine == "keras" or (engine == "auto" and device.kind == "GPU"):
        import_keras_quietly()
        from models.engines.keras_engine import KerasEngine

        return KerasEngine(backbone, weights, policy=device.policy, devices=devices)
    from models.engines.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(backbone, weights, bfloat16=engine != "openvino-f32", threads=threads, apart=apart)
