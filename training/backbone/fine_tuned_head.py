"""The second phase within a run: which patients it may see, and what is left to judge it by."""

import numpy as np
from rich.console import Console

from models.backbones.feature_extractor import build_feature_extractor
from models.engines.engine import Engine
from training.backbone.event_log import EventLog
from training.backbone.fine_tune import fine_tune
from training.backbone.trained_backbone import TrainedBackbone, judge_trained_backbone
from training.config import RunConfig
from training.data.folds import Split
from training.data.manifest import Manifest
from training.embedding.embedded_films import EmbeddedFilms
from training.embedding.folder_lungs import FolderLungs
from training.heads.fit import fit_head
from training.heads.stack import Candidate


def fine_tune_head(
    config: RunConfig,
    manifest: Manifest,
    embedded: EmbeddedFilms,
    split: Split,
    engine: Engine,
    console: Console,
    lungs: FolderLungs | None = None,
) -> TrainedBackbone:
    """Fit a head and fine-tune a copy of the engine's backbone with it on the first part of the split; the second judges."""
    fit, held_out = split
    backbone, extractor = engine.backbone, build_feature_extractor(engine.backbone, engine.weights)
    fitted = fit_head(
        embedded.pooled(config.head.pooling)[fit],
        embedded.truth[fit],
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
            embedded.entries,
            embedded.truth,
            split=split,
            blocks=config.fine_tune,
            pooling=config.head.pooling,
            views=config.views,
            augmentation=config.augmentation,
            seed=config.seed,
            lungs=lungs,
            callbacks=[EventLog(config.tensorboard, f"{config.name}-fine-tuning")] if config.tensorboard else [],
        )
    losses = (history["loss"], history["val_loss"])
    return judge_trained_backbone(
        config,
        manifest,
        held_out,
        backbone,
        extractor,
        head,
        source="fine-tuned",
        losses=losses,
        best=int(np.argmin(losses[1])) + 1,
        console=console,
        lungs=lungs,
    )
