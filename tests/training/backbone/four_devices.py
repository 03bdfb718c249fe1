"""Embed and fine-tune on one device and on four logical processors, and write down what came of it; run by `test_devices`."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.backbones.feature_extractor import build_feature_extractor
from models.backbones.weights import WeightsFile
from models.devices.spread import strategy_for
from models.engines.keras_engine import KerasEngine
from models.head import HeadConfig, build_head
from models.system.files import digest
from tests.models.engines.backbones import TINY, save_weights
from training.backbone.film_batches import FilmViewed
from training.backbone.fine_tune import fine_tune
from training.config import AugmentationConfig
from training.data.learnable import class_indices, learnable
from training.data.manifest import read_manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.embed import embed
from training.embedding.folder_lungs import film_of


def main(root: Path, scratch: Path) -> None:
    """Do all of it."""
    if hasattr(os, "sched_setaffinity"):
        # The suite's processes have a core each. On one, replicas wait for each other, seconds a step.
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 4)
    path = scratch / "tiny.weights.h5"
    save_weights(TINY, path)
    weights, manifest = WeightsFile(path, digest(path), "custom"), read_manifest(root)
    entries = learnable(manifest)
    truth, found = (
        class_indices(entries, manifest.labels),
        {"devices": [], "embeddings": [], "history": [], "moved": []},
    )
    order, config = np.random.default_rng(0).permutation(len(entries)), AugmentationConfig()

    def films(indices: NDArray[np.int64], numbers: Sequence[int]) -> list[FilmViewed]:
        how = {"lungs": None, "views": numbers, "augmentation": config, "seed": 0}
        return [(film_of(root, entries[index], label=int(truth[index]), **how), numbers) for index in indices]

    for devices in ("one", "all"):
        strategy = strategy_for(devices)
        found["devices"].append(strategy.num_replicas_in_sync)
        engine = KerasEngine(TINY, weights, devices=devices)
        cache = EmbeddingCache.of(engine, scratch / devices)
        embeddings = embed(engine, root, entries, cache, views=1, augmentation=config, seed=0, mean_only=True)
        found["embeddings"].append(embeddings.ravel().tolist())
        with strategy.scope():
            extractor = build_feature_extractor(TINY, weights)
            head = build_head(TINY.embedding_size, 2, HeadConfig(width=0, dropout=0), l2=0.0, seed=0)
            before = extractor.features.get_weights()
            history = fine_tune(
                extractor, head, films(order[:9], [0, 1]), films(order[9:], [0]), blocks=1, pooling="mean",
                augmentation=config, seed=0, devices=strategy.num_replicas_in_sync,
            )  # fmt: skip
        after = extractor.features.get_weights()
        found["history"].append(history)
        found["moved"].append(np.concatenate([(b - a).ravel() for a, b in zip(before, after, strict=True)]).tolist())
    (scratch / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
