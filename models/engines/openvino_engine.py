"""The engine on OpenVINO: the processor at its full speed, without TensorFlow."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile
from models.engines.converted import ConvertedBackbone, converted_backbone
from models.engines.engine import Features
from models.engines.int8 import is_int8, read_int8
from models.engines.openvino_streams import FILMS_AT_ONCE, Streams
from models.system.quiet import import_openvino_quietly

SMALLEST_COSINE: Final = 0.9999
"""Between a film's embeddings in float32 and in bfloat16; a backbone that falls short of it is run in float32."""

_PROBES: Final = 8


class OpenVinoEngine:
    """See `models.engines.Engine`."""

    name: Final = "openvino"
    films_at_once: Final = 2  # one film keeps all cores busy: more of them only make the first wait for the last

    def __init__(
        self,
        backbone: Backbone,
        weights: WeightsFile,
        *,
        bfloat16: bool = True,
        threads: int | None = None,
        apart: bool = True,
    ) -> None:
        """`bfloat16`: take it where the processor computes in it and the backbone's embeddings stay the same.

        `threads`: at most; None: one on each core. `apart`: see `models.engines.converted.converted_backbone`.

        Raises:
            WeightsError: where the weights do not fit the backbone; Int8Error where they should be one in int8.
        """
        import_openvino_quietly()
        import openvino

        self.backbone = backbone
        self.weights = weights
        self._core = openvino.Core()
        if threads is not None:
            self._core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads})
        # Read now, although many films are compiled for when they come: the file may be gone by then, with a cache or a worker's.
        if is_int8(weights):
            self._network = read_int8(self._core, backbone, weights)
            self.precision = "int8"
        else:
            converted = converted_backbone(backbone, weights, apart=apart)
            self._network = self._core.read_model(converted.network)
            self.precision = "f32"
            if bfloat16 and "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
                self.precision = _bearable_precision(self._core, self._network, converted, backbone)
        self._request: Any = None
        self._streams: Streams | None = None

    def run(self, pixels: NDArray[np.float32]) -> Features:
        """Pass films `(n, size, size, 1)` through the backbone; many of them a few at a time, on each core others."""
        if self.precision != "bf16" and len(pixels) > 2 * FILMS_AT_ONCE:
            if self._streams is None:
                self._streams = Streams(_compiled(self._core, self._network, self.precision, hint="THROUGHPUT"))
            return self._streams.run(pixels)
        if self._request is None:
            self._request = _compiled(self._core, self._network, self.precision).create_infer_request()
        return _infer(self._request, pixels)

    def release(self) -> None:
        """Give back the compiled networks; the next run compiles them anew."""
        self._request = None
        self._streams = None


def probe_films(size: int) -> NDArray[np.float32]:
    """Smooth pictures with some noise, `(n, size, size, 1)` in 0–255, always the same: what precisions are compared on."""
    dice = np.random.default_rng(0)
    rows, columns = np.mgrid[0:size, 0:size] / size
    films = []
    for _ in range(_PROBES):
        waves = sum(np.sin(2 * np.pi * (a * rows + b * columns + c)) for a, b, c in dice.uniform(0, 5, (4, 3)))
        films.append(127 + 30 * waves + dice.normal(0, 4, (size, size)))
    return np.stack(films).clip(0, 255).astype(np.float32)[..., None]


def smallest_cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The smallest cosine between the embeddings of a film, `(n, rows, d)` each."""
    product = (one * other).sum(axis=-1)
    return float((product / (np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1))).min())


def _bearable_precision(core: Any, network: Any, converted: ConvertedBackbone, backbone: Backbone) -> str:
    """Compare the precisions once on this machine's processor and remember it."""
    cosine = converted.recall("bf16_cosine")
    if cosine is None:
        films = probe_films(backbone.input_size)
        compiled = (_compiled(core, network, name) for name in ("f32", "bf16"))
        exact, rounded = (_infer(one.create_infer_request(), films).pooled for one in compiled)
        cosine = smallest_cosine(exact, rounded)
        converted.remember("bf16_cosine", cosine)
    return "bf16" if cosine >= SMALLEST_COSINE else "f32"


def _compiled(core: Any, network: Any, precision: str, *, hint: str = "LATENCY") -> Any:
    """A network compiled; `hint` "LATENCY" puts all cores on one batch, "THROUGHPUT" a batch on each few of them."""
    # Left alone, OpenVINO takes bfloat16 wherever the processor has it, and says nothing; also for what int8 leaves over.
    settings: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "PERFORMANCE_HINT": hint,
    }
    if core.get_property("CPU", "INFERENCE_NUM_THREADS"):
        # Pinned, threads of several processes that have a share of the cores each would share the first, and leave the rest.
        settings["ENABLE_CPU_PINNING"] = False
    return core.compile_model(network, "CPU", settings)


def _infer(request: Any, pixels: NDArray[np.float32]) -> Features:
    outputs = request.infer({0: np.ascontiguousarray(pixels, dtype=np.float32)})
    return Features(outputs[0].copy(), outputs[1].copy())  # the request writes its next answer into the same memory
