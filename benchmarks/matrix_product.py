"""The processor's bf16 matrix-product rate, as the best that a library here reaches.

    python -m benchmarks.matrix_product --json matrix_product.json

Large square products by OpenVINO and by TensorFlow, both in bfloat16, each kept up for some seconds; the highest rate counts.
Small ones stay in the cache and are no measure of a network. On a processor without bfloat16 nothing is measured.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import machine, run_benchmark
from models.system.quiet import import_keras_quietly

SIZES: Final = (2048, 4096)
_OPERATIONS: Final = 2  # a multiplication and an addition


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("matrix_product", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """`bf16_gflops`, None with a reason where the processor has no bfloat16, and every rate."""
    if not machine()["bf16"]:
        return {"bf16_gflops": None, "bf16_reason": "the processor has no bfloat16 instructions"}
    seconds = 0.5 if options.quick else 2.0
    rates = {
        f"{library}, {size} × {size}": sustained_rate(make(size), size, seconds)
        for library, make in (("OpenVINO", openvino_product), ("TensorFlow", tensorflow_product))
        for size in SIZES
    }
    table = Table("bf16 product", "GFLOP/s")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}")
    console.print(table)
    best = max(rates, key=lambda name: rates[name])
    return {"bf16_gflops": rates[best], "bf16_by": best, "bf16_rates": rates}


def sustained_rate(product: Callable[[], Any], size: int, seconds: float) -> float:
    """GFLOP/s over so many seconds of one product after another: what a pass over a folder can be compared with."""
    product()
    count, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        product()
        count += 1
    return float(_OPERATIONS * size**3 * count / passed / 1e9)


def openvino_product(size: int) -> Callable[[], Any]:
    """A product with a constant, as a layer has it, so that the constant is laid out for the processor beforehand."""
    import openvino
    from openvino import opset13 as operations

    dice = np.random.default_rng(0)
    left = operations.parameter([size, size], dtype=np.float32)
    right = operations.constant(dice.standard_normal((size, size), dtype=np.float32))
    model = openvino.Model([operations.matmul(left, right, False, False)], [left])
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(dice.standard_normal((size, size), dtype=np.float32)))
    return request.infer


def tensorflow_product(size: int) -> Callable[[], Any]:
    """A product of two matrices that are bfloat16 already."""
    import_keras_quietly()
    import tensorflow as tf

    left, right = (tf.cast(tf.random.normal((size, size), seed=seed), tf.bfloat16) for seed in (0, 1))
    multiply = tf.function(lambda: tf.linalg.matmul(left, right))
    return lambda: multiply().numpy()


if __name__ == "__main__":
    sys.exit(main())
