"""How fast films are judged, against Keras alone, and how much of the processor's bf16 rate that takes.

    python -m benchmarks.prediction_speed --json prediction_speed.json

ResNet-50 with random weights, the model in memory on both sides. Throughput: from the files of a folder to predictions,
against `keras.Model.predict` in batches of 32 on arrays that are decoded already. Latency: one film from its bytes,
`keras.predict` and Grad-CAM by gradient tape (as Keras' own example has it) against ours with its heatmap. About 4 minutes on
two cores. `--precision int8` lets ours judge with a quantised backbone.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.films import film_folder, random_resnet50
from benchmarks.matrix_product import measure as measure_matrix_product
from benchmarks.measuring import median_seconds, run_benchmark
from benchmarks.training_speed import Trainer
from models.bundle import Bundle, load_bundle
from models.command_line.screening import judge_files
from models.engines.engine import Engine
from models.films.network_input import network_input
from models.films.radiograph import read_radiograph
from models.predictor import Predictor, backbone_weights, load_head
from models.system.quiet import import_keras_quietly
from training.config import AugmentationConfig
from training.data.manifest import read_manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.embed import embed

_SIDE: Final = 224
_KERAS_BATCH: Final = 32
_OPERATIONS: Final = 2  # a multiplication and an addition


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("prediction_speed", __doc__, measure, arguments, with_precision=True)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The three ratios and what they are made of."""
    import_keras_quietly()
    count, repeats = (128, 3) if options.quick else (512, 5)
    folder = options.data or film_folder(count)
    files = sorted(path for path in folder.rglob("*") if path.is_file())[:count]
    with Trainer(film_folder(96), random_resnet50(), console) as trainer:
        trainer.train("a bundle to judge with", views=0)
        os.environ |= trainer.places
        bundle = load_bundle(trainer.name)
        network = keras_network(bundle)
        if options.precision == "int8":  # which Keras does not run
            trainer.train("another, in int8", "--precision", "int8", views=0)
            bundle = load_bundle(trainer.name)
        predictor = Predictor(bundle)
    result: dict[str, Any] = {"engine": f"{predictor.engine.name}, {predictor.engine.precision}", "films": len(files)}
    with console.status("Throughput …"):
        result |= throughput(network, predictor, files, repeats)
    with console.status("Latency …"):
        result |= latency(network, predictor, files[0].read_bytes(), times=10 if options.quick else 60)
    result |= measure_matrix_product(options, console)
    with console.status("The embedding pass …"):
        result |= efficiency(network, predictor.engine, folder, count, result["bf16_gflops"])
    return result


def keras_network(bundle: Bundle) -> Any:
    """The bundle's network in Keras: pixels `(n, 224, 224, 1)` → feature map and logits."""
    import keras

    from models.backbones.feature_extractor import build_feature_extractor
    from models.backbones.table import get_backbone
    from models.network import build_network

    extractor = build_feature_extractor(get_backbone(bundle.spec.backbone.id), backbone_weights(bundle))
    # Keras alone is shown whole films: over all places, the mean over the lungs is the mean.
    pooling = "mean" if bundle.spec.head.pooling == "lungs" else bundle.spec.head.pooling
    network = build_network(extractor, load_head(bundle).to_keras(bundle.spec.head), pooling=pooling)
    return keras.Model(network.input, [network.output["feature_map"], network.output["logits"]])


def throughput(network: Any, predictor: Predictor, files: Sequence[Path], repeats: int) -> dict[str, Any]:
    """Films per second, ours and Keras' in turns, so that what else the machine does meets both."""
    import keras

    judge = keras.Model(network.input, network.output[1])
    arrays = np.stack([network_input(read_radiograph(file).pixels, _SIDE) for file in files])
    rates: dict[str, list[float]] = {"keras": [], "ours": []}
    judge.predict(arrays[:_KERAS_BATCH], verbose=0)
    list(judge_files(predictor, files[:_KERAS_BATCH]))
    for _ in range(repeats):
        started = time.perf_counter()
        judge.predict(arrays, batch_size=_KERAS_BATCH, verbose=0)
        between = time.perf_counter()
        list(judge_files(predictor, files))
        rates["keras"].append(len(files) / (between - started))
        rates["ours"].append(len(files) / (time.perf_counter() - between))
    ours, theirs = (statistics.median(rates[name]) for name in ("ours", "keras"))
    return {"films_per_second": ours, "keras_films_per_second": theirs, "throughput_ratio": ours / theirs}


def latency(network: Any, predictor: Predictor, content: bytes, *, times: int) -> dict[str, Any]:
    """Milliseconds from the bytes of a file to verdict and heatmap."""
    import keras

    judge = keras.Model(network.input, network.output[1])

    def keras_way() -> None:
        pixels = network_input(read_radiograph(content).pixels, _SIDE)[None]
        logits = judge.predict(pixels, verbose=0)
        grad_cam(network, pixels, int(logits[0].argmax()))

    theirs = median_seconds(keras_way, times=times)
    ours = median_seconds(lambda: predictor.predict([read_radiograph(content)], heatmaps=True), times=times)
    return {"milliseconds": 1000 * ours, "keras_milliseconds": 1000 * theirs, "latency_ratio": theirs / ours}


def grad_cam(network: Any, pixels: NDArray[np.float32], label: int) -> NDArray[np.float32]:
    """The heatmap `(h, w)` of one film, by a second pass under a gradient tape."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        feature_map, logits = network(pixels)
        score = logits[:, label]
    weights = tf.reduce_mean(tape.gradient(score, feature_map), axis=(0, 1, 2))
    heatmap = tf.nn.relu(tf.linalg.matvec(feature_map[0], weights))
    return np.asarray(heatmap / (tf.reduce_max(heatmap) + 1e-9))


def efficiency(network: Any, engine: Engine, folder: Path, count: int, machine_rate: float | None) -> dict[str, Any]:
    """What the embedding pass computes per second, from files to embeddings, as a share of what the machine can."""
    manifest = read_manifest(folder)
    entries = manifest.entries[:count]
    operations = count_operations(network)
    with tempfile.TemporaryDirectory() as cache:
        started = time.perf_counter()
        store = EmbeddingCache.of(engine, Path(cache))
        embed(engine, folder, entries, store, views=1, augmentation=AugmentationConfig(), seed=0)
        views_per_second = 2 * len(entries) / (time.perf_counter() - started)
    achieved = views_per_second * operations / 1e9
    return {
        "gflop_per_view": operations / 1e9,
        "views_per_second": views_per_second,
        "embedding_gflops": achieved,
        "bf16_efficiency": achieved / machine_rate if machine_rate else None,
    }


def count_operations(network: Any) -> int:
    """Floating-point operations of one film: two for each product of the convolutions and dense layers."""
    total = 0
    for layer in network.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None:
            continue
        places = int(np.prod(layer.output.shape[1:-1]))  # a dense layer has one
        total += _OPERATIONS * places * int(np.prod(kernel.shape))
    return total


if __name__ == "__main__":
    sys.exit(main())
