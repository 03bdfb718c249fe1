"""The second phase within a run: which patients it may see, and what is left to judge it by."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.backbones import Backbone
from models.backbones.weights import WeightsFile
from models.engines import Engine, load_engine
from models.files import digest
from models.head import DenseHead
from models.network import FeatureExtractor
from training.cache import EmbeddingCache
from training.config import AugmentationConfig, RunConfig
from training.embed import embed
from training.event_log import EventLog
from training.finetune import fine_tune
from training.folds import Split
from training.head import FittedHead, fit_head
from training.manifest import Manifest
from training.material import Material
from training.stack import Candidate


def fine_tuned_head(
    config: RunConfig,
    manifest: Manifest,
    material: Material,
    split: Split,
    extractor: FeatureExtractor,
    backbone: Backbone,
    console: Console,
) -> tuple[NDArray[np.float32], list[FittedHead], Engine, Material]:
    """Fine-tune in place on the first part of the split.

    Returns:
        Logits `(n, classes)` of the held-out part, NaN elsewhere; the head; an engine
        with the tuned backbone, whose weights lie in the run's folder; and the plain films as it sees them.
    """
    fit, held_out = split
    fitted = fit_head(
        material.pooled(config.head.pooling)[fit],
        material.truth[fit],
        Candidate(config.head, config.head_training),
        classes=len(manifest.labels),
        seed=config.seed,
    )
    head = fitted.head.to_keras(config.head)
    with console.status(f"Fine-tuning the last {config.fine_tune} blocks of {backbone.id} …"):
        history = fine_tune(
            extractor,
            head,
            manifest.root,
            material.entries,
            material.truth,
            split=split,
            blocks=config.fine_tune,
            pooling=config.head.pooling,
            views=config.views,
            augmentation=config.augmentation,
            seed=config.seed,
            callbacks=[EventLog(config.tensorboard, f"{config.name}-fine-tuning")] if config.tensorboard else [],
        )
    weights = save_backbone(extractor, config.run_folder / "backbone.weights.h5", source="fine-tuned")
    engine = load_engine(backbone, weights, engine=config.engine)
    embeddings = embed(
        engine,
        manifest.root,
        material.entries,
        EmbeddingCache.of(engine, config.cache),
        views=0,
        augmentation=AugmentationConfig(),
        seed=config.seed,
    )
    logits = np.full((len(material.truth), len(manifest.labels)), np.nan, dtype=np.float32)
    tuned, material = DenseHead.of(head), replace(material, embeddings=embeddings)
    logits[held_out] = tuned.logits(material.pooled(config.head.pooling)[held_out, 0])
    losses = (history["loss"], history["val_loss"])
    heads = [FittedHead(tuned, int(np.argmin(losses[1])) + 1, losses)]
    return logits, heads, engine, material


def save_backbone(extractor: FeatureExtractor, path: Path, *, source: str) -> WeightsFile:
    """Write a backbone's weights whole, for an engine to run and for the bundle to carry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        # Keras insists on the full suffix ".weights.h5", which a temporary name beside the file would not have.
        temporary = Path(scratch) / path.name
        extractor.weighted_layers.save_weights(str(temporary))
        temporary.replace(path)
    return WeightsFile(path, digest(path), source)
