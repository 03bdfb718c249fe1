"""The second phase within a run: which patients it may see, and what is left to judge it by."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.backbones.feature_extractor import build_feature_extractor
from models.devices.spread import strategy_for
from models.engines.engine import Engine
from training.backbone.event_log import EventLog
from training.backbone.film_batches import FilmViewed
from training.backbone.fine_tune import fine_tune
from training.backbone.trained_backbone import TrainedBackbone, judge_trained_backbone
from training.config import RunConfig
from training.data.folds import Split
from training.data.manifest import Manifest
from training.embedding.embedded_films import EmbeddedFilms
from training.embedding.folder_lungs import FolderLungs, film_of
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
    backbone, strategy = engine.backbone, strategy_for(config.devices)
    fitted = fit_head(
        embedded.pooled(config.head.pooling)[fit],
        embedded.truth[fit],
        Candidate(config.head, config.head_training),
        classes=len(manifest.labels),
        seed=config.seed,
    )

    films = partial(_viewed, config, manifest, embedded, lungs)
    with strategy.scope(), console.status(f"Fine-tuning the last {config.fine_tune} blocks of {backbone.id} …"):
        extractor, head = build_feature_extractor(backbone, engine.weights), fitted.head.to_keras(config.head)
        history = fine_tune(
            extractor,
            head,
            films(np.random.default_rng(config.seed).permutation(fit), range(config.views + 1)),
            films(held_out, [0]),
            blocks=config.fine_tune,
            pooling=config.head.pooling,
            augmentation=config.augmentation,
            seed=config.seed,
            devices=strategy.num_replicas_in_sync,
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


def _viewed(
    config: RunConfig,
    manifest: Manifest,
    embedded: EmbeddedFilms,
    lungs: FolderLungs | None,
    indices: NDArray[np.int64],
    numbers: Sequence[int],
) -> list[FilmViewed]:
    """Some of the films that were embedded, with the views that are to be shown of each."""
    shown = partial(
        film_of, manifest.root, lungs=lungs, views=numbers, augmentation=config.augmentation, seed=config.seed
    )
    listed = [(embedded.entries[index], int(embedded.truth[index])) for index in indices]
    return [(shown(entry, label=label), numbers) for entry, label in listed]
