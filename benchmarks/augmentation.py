"""What an augmented view costs: layers of Keras in `tf.data`, Pillow, and ours (OpenCV and NumPy).

    python -m benchmarks.augmentation --json augmentation.json

The same augmentation three ways, from pixels in memory: one affine warp (rotation, shift, zoom, shear), gamma, contrast,
brightness, noise. Milliseconds of wall time a view with all cores at work; then the embedding pass of EfficientNet-Lite0, the
faster backbone, with its views made beforehand and made beside it: what overlapping does not hide. About a minute on two cores.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.films import film_folder, picture
from benchmarks.measuring import run_benchmark
from models.backbones.table import get_backbone
from models.backbones.weights import find_weights
from models.engines.engine import Engine
from models.engines.load import load_engine
from models.system.quiet import import_keras_quietly
from training.config import AugmentationConfig
from training.data.manifest import read_manifest
from training.embedding.embed import prepared_views
from training.embedding.views import Film, augment

_BATCH: Final = 32
_CONFIG: Final = AugmentationConfig()
_COMPARED: Final = replace(_CONFIG, degradation=0.0)  # which no peer has
_SEED: Final = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("augmentation", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Milliseconds a view by each route, and the share of the embedding pass that preparation adds."""
    count = 32 if options.quick else 1024
    films = np.stack([255 * picture(number) for number in range(64)]).astype(np.float32)[..., None]
    views = films[np.arange(count) % len(films)]
    routes: dict[str, Callable[[NDArray[np.float32]], None]] = {"Keras layers in tf.data": keras_views()}
    routes["Pillow and NumPy"] = _in_threads(pillow_view)
    routes["ours, OpenCV and NumPy"] = _in_threads(lambda film, draw: augment(film, _COMPARED, draw))
    milliseconds = {name: _milliseconds(route, views) for name, route in routes.items()}
    table = Table("route", "ms a view")
    for name, value in milliseconds.items():
        table.add_row(name, f"{value:.2f}")
    console.print(table)
    backbone = get_backbone("efficientnet_lite0")
    overlap = overlapping(load_engine(backbone, find_weights(backbone)), options, films=count // 2)
    console.print(
        f"Embedding pass: {overlap['pass_views_per_second']:.1f} views/s with preparation beside it, "
        f"{overlap['inference_views_per_second']:.1f} without; preparation adds {overlap['preparation_share']:.0%}"
    )
    return {"milliseconds_per_view": milliseconds, **overlap}


def _milliseconds(route: Callable[[NDArray[np.float32]], None], views: NDArray[np.float32]) -> float:
    route(views[:_BATCH])
    started = time.perf_counter()
    route(views)
    return 1000 * (time.perf_counter() - started) / len(views)


def _in_threads(view: Callable[[NDArray[np.float32], np.random.Generator], Any]) -> Callable[[Any], None]:
    def run(films: NDArray[np.float32]) -> None:
        draws = [np.random.default_rng([_SEED, number]) for number in range(len(films))]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(view, films, draws))

    return run


def keras_views() -> Callable[[NDArray[np.float32]], None]:
    """The peer: the same amounts as layers of Keras, mapped over batches by `tf.data`."""
    import_keras_quietly()
    import keras
    import tensorflow as tf

    turn, grey = _CONFIG.rotation / 360, _CONFIG.brightness / 255
    layers = [
        keras.layers.RandomRotation(turn, fill_mode="constant"),
        keras.layers.RandomTranslation(_CONFIG.shift, _CONFIG.shift, fill_mode="constant"),
        keras.layers.RandomZoom((-_CONFIG.zoom, _CONFIG.zoom), (-_CONFIG.zoom, _CONFIG.zoom), fill_mode="constant"),
        keras.layers.RandomShear(np.tan(np.deg2rad(_CONFIG.shear)), 0.0, fill_mode="constant"),
        keras.layers.RandomContrast(_CONFIG.contrast, value_range=(0, 255)),
        keras.layers.RandomBrightness(grey, value_range=(0, 255)),
    ]

    def view(films: Any) -> Any:
        for layer in layers:
            films = layer(films, training=True)
        gamma = tf.exp(tf.random.uniform((tf.shape(films)[0], 1, 1, 1), -_CONFIG.gamma, _CONFIG.gamma))
        films = 255 * tf.pow(tf.clip_by_value(films / 255, 0, 1), gamma)
        films += tf.random.normal(tf.shape(films)) * tf.random.uniform((), 0, _CONFIG.noise)
        return tf.round(tf.clip_by_value(films, 0, 255))

    def run(films: NDArray[np.float32]) -> None:
        batches = tf.data.Dataset.from_tensor_slices(films).batch(_BATCH).map(view, num_parallel_calls=tf.data.AUTOTUNE)
        for batch in batches.prefetch(tf.data.AUTOTUNE):
            batch.numpy()

    return run


def pillow_view(film: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
    """The peer: the same steps with Pillow's transform, `(size, size, 1)` in 0–255."""
    size = len(film)

    def between(limit: float) -> float:
        return float(draw.uniform(-limit, limit))

    turn, zoom = np.deg2rad(between(_CONFIG.rotation)), float(np.exp(between(_CONFIG.zoom)))
    shear, shift = np.tan(np.deg2rad(between(_CONFIG.shear))), size * between(_CONFIG.shift)
    warp = (zoom * np.cos(turn), shear - np.sin(turn), shift, np.sin(turn), zoom * np.cos(turn), shift)
    grey = Image.fromarray(np.rint(film[..., 0]).astype(np.uint8))
    warped = grey.transform((size, size), Image.Transform.AFFINE, warp, resample=Image.Resampling.BILINEAR, fillcolor=0)
    curve = 255 * np.power(np.arange(256, dtype=np.float32) / 255, np.float32(np.exp(between(_CONFIG.gamma))))
    view = curve[np.asarray(warped)]
    mean = float(view.mean())
    view = (view - mean) * float(np.exp(between(_CONFIG.contrast))) + (mean + between(_CONFIG.brightness))
    view += draw.standard_normal(view.shape, dtype=np.float32) * np.float32(draw.uniform(0, _CONFIG.noise))
    return np.asarray(np.rint(np.clip(view, 0, 255))[..., None])


def overlapping(engine: Engine, options: argparse.Namespace, *, films: int) -> dict[str, Any]:
    """The pass over files, each plain and in one view, and the same batches once they are in memory."""
    folder = options.data or film_folder(films)
    entries = read_manifest(folder).entries[:films]
    listed = [(Film(folder / entry.path, entry.sha256), (0, 1)) for entry in entries]
    size = engine.backbone.input_size
    batches = list(prepared_views(listed, augmentation=_CONFIG, seed=_SEED, size=size))
    engine.run(batches[0][1].pixels)
    started = time.perf_counter()
    for _, batch in batches:
        engine.run(batch.pixels)
    between = time.perf_counter()
    for _, batch in prepared_views(listed, augmentation=_CONFIG, seed=_SEED, size=size):
        engine.run(batch.pixels)
    alone, beside = between - started, time.perf_counter() - between
    return {
        "inference_views_per_second": 2 * len(listed) / alone,
        "pass_views_per_second": 2 * len(listed) / beside,
        "preparation_share": beside / alone - 1,
    }


if __name__ == "__main__":
    sys.exit(main())
