"""A training epoch of our ResNet-50 against that of `keras.applications`.

    python -m benchmarks.resnet50_speed

About 2 minutes of processor time. The two take turns, so that whatever else the machine does falls on both; the ratio is of
the medians. Processor time is told beside wall time, since it hardly depends on what else runs.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from models.system.files import write_atomically
from models.system.progress import progress_bar
from models.system.quiet import import_keras_quietly


def main(arguments: Sequence[str] | None = None) -> int:
    """Let both train in turn and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.resnet50_speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--side", type=int, default=224, metavar="N", help="pixels (default: 224)")
    parser.add_argument(
        "--pictures", type=int, default=32, metavar="N", help="in an epoch, in batches of 16 (default: 32)"
    )
    parser.add_argument("--epochs", type=int, default=9, metavar="N", help="of each (default: 9)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    import_keras_quietly()
    import keras

    from models.backbones.residual import resnet

    shape = (options.side, options.side, 3)
    networks = {
        "ours": resnet(50, input_shape=shape, classes=10),
        "keras.applications": keras.applications.ResNet50(weights=None, input_shape=shape, classes=10),
    }
    console = Console()
    times = measure(networks, shape, options, console)
    medians = {name: np.median(seconds, axis=0) for name, seconds in times.items()}
    table = Table("network", "epochs", "wall, median s", "processor, median s")
    for name, (wall, processor) in medians.items():
        table.add_row(name, str(options.epochs), f"{wall:.2f}", f"{processor:.2f}")
    console.print(table)
    ratio = medians["keras.applications"] / medians["ours"]
    console.print(f"Speed of ours over theirs: {ratio[0]:.3f} by wall time, {ratio[1]:.3f} by processor time")
    if options.json:
        found = {"side": options.side, "pictures": options.pictures, "seconds": times, "ratio": ratio.tolist()}
        write_atomically(options.json, json.dumps(found, indent=2) + "\n")
    return 0


def measure(
    networks: dict[str, Any], shape: tuple[int, int, int], options: argparse.Namespace, console: Console
) -> dict[str, list[tuple[float, float]]]:
    """Wall and processor seconds of each epoch, after one to warm up."""
    random = np.random.default_rng(0)
    pictures = random.normal(size=(options.pictures, *shape)).astype(np.float32)
    labels = random.integers(0, 10, options.pictures)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in networks}
    for network in networks.values():
        network.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    with progress_bar(console, "Epochs of each") as advance:
        for epoch in range(options.epochs + 1):
            # Who goes first changes, so that neither always follows the other.
            for name in list(networks)[:: 1 if epoch % 2 else -1]:
                wall, processor = time.perf_counter(), time.process_time()
                networks[name].fit(pictures, labels, batch_size=16, verbose=0)
                if epoch:
                    times[name].append((time.perf_counter() - wall, time.process_time() - processor))
            advance(epoch, options.epochs)
    return times


if __name__ == "__main__":
    sys.exit(main())
