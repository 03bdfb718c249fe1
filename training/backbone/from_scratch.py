"""A run without published weights: which patients the network learns from, which stop it, and which judge it.

A fifth of the patients judge and are not looked at before. Of the others, a seventh are watched to stop by. ResNet-18 at 128
pixels needs about 100 seconds of processor time for an epoch of 3,600 films.
"""

import hashlib
import json
from dataclasses import asdict
from functools import partial
from typing import Any

import keras
from rich.console import Console

from models.backbones.feature_extractor import FeatureExtractor, build_feature_extractor
from models.backbones.table import FROM_SCRATCH_BACKBONE, Backbone, get_backbone
from models.head import build_head
from models.network import build_network
from models.system.progress import progress_bar
from training.backbone.event_log import EventLog
from training.backbone.scratch_loop import ScratchLoop
from training.backbone.trained_backbone import TrainedBackbone, judge_trained_backbone
from training.config import RunConfig
from training.data.folds import STOPPING_SHARE, Split, grouped_hold_out
from training.data.learnable import class_indices, learnable
from training.data.manifest import Entry, Manifest
from training.embedding.folder_lungs import FolderLungs, film_of


def train_from_scratch(
    config: RunConfig, manifest: Manifest, split: Split, console: Console, lungs: FolderLungs | None = None
) -> TrainedBackbone:
    """Train backbone and head from a random start, on the first part of the split; the second judges."""
    backbone = get_backbone(FROM_SCRATCH_BACKBONE if config.backbone == "auto" else config.backbone)
    entries = learnable(manifest)
    truth, patients = class_indices(entries, manifest.labels), [entry.patient for entry in entries]
    fit, held_out = split
    learnt, watched = grouped_hold_out(
        truth[fit], [patients[index] for index in fit], fraction=STOPPING_SHARE, seed=config.seed
    )
    extractor, head = _random_start(config, backbone, len(manifest.labels))
    network = build_network(extractor, head, pooling=config.head.pooling)
    views = range(1, config.scratch.epochs + 1) if config.scratch else ()  # another one in each epoch
    shown = partial(
        film_of, manifest.root, lungs=lungs, views=views, augmentation=config.augmentation, seed=config.seed
    )
    films = [shown(entry, label=int(label)) for entry, label in zip(entries, truth, strict=True)]
    loop = ScratchLoop(
        keras.Model(network.input, network.output["logits"]),
        [films[index] for index in fit[learnt]],
        [films[index] for index in fit[watched]],
        config,
        state=config.run_folder / f"scratch-{_fingerprint(config, backbone, entries)}.npz",
        callbacks=[EventLog(config.tensorboard, f"{config.name}-scratch")] if config.tensorboard else [],
    )
    parts = f"{len(learnt):,} films to learn from, {len(watched):,} to stop by, {len(held_out):,} to judge by"
    console.print(f"Training {backbone.id} from scratch at {backbone.input_size} pixels: {parts}.")
    if loop.done:
        console.print(f"Going on after epoch {loop.done}, from {loop.state}", markup=False, soft_wrap=True)
    with progress_bar(console, "Training, by batch") as advance:
        losses = loop.run(advance, say=console.print)
    return judge_trained_backbone(
        config,
        manifest,
        held_out,
        backbone,
        extractor,
        head,
        source="from-scratch",
        losses=losses,
        best=loop.best_epoch,
        console=console,
        lungs=lungs,
    )


def _random_start(config: RunConfig, backbone: Backbone, classes: int) -> tuple[FeatureExtractor, Any]:
    keras.utils.set_random_seed(config.seed)
    extractor = build_feature_extractor(backbone, None)
    extractor.features.trainable = True
    size = config.head.input_size(backbone.embedding_size)
    return extractor, build_head(size, classes, config.head, l2=config.head_training.l2, seed=config.seed)


def _fingerprint(config: RunConfig, backbone: Backbone, entries: tuple[Entry, ...]) -> str:
    """Of everything that shapes the training: a state of another one is not taken for this one's."""
    shaping = {
        "backbone": (backbone.builder, backbone.input_size, backbone.mean, backbone.deviation),
        "scratch": asdict(config.scratch) if config.scratch else None,
        "head": (asdict(config.head), config.head_training.l2, config.head_training.label_smoothing),
        "augmentation": asdict(config.augmentation),
        "field": config.field,
        "seed": config.seed,
        "films": [(entry.sha256, entry.label, entry.patient) for entry in entries],
    }
    return hashlib.sha256(json.dumps(shaping).encode()).hexdigest()[:16]
