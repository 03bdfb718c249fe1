"""A backbone that has learnt on the folder itself: saved, run by an engine, and judged by patients that it has not seen."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.backbones.feature_extractor import FeatureExtractor
from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile
from models.engines.engine import Engine
from models.engines.load import load_engine
from models.head import DenseHead
from models.system.files import digest
from models.system.progress import progress_bar
from training.config import AugmentationConfig, RunConfig
from training.data.learnable import class_indices, learnable
from training.data.manifest import Manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.embed import embed
from training.embedding.embedded_films import EmbeddedFilms
from training.embedding.folder_lungs import FolderLungs
from training.heads.fit import FittedHead


class TrainedBackbone(NamedTuple):
    """What a run goes on with.

    Attributes:
        logits: `(n, classes)` of the films that judge, NaN elsewhere.
        head: fitted with it.
        engine: with the trained backbone, whose weights lie in the run's folder.
        embedded: the plain films as that backbone sees them.
    """

    logits: NDArray[np.float32]
    head: FittedHead
    engine: Engine
    embedded: EmbeddedFilms


def judge_trained_backbone(
    config: RunConfig,
    manifest: Manifest,
    held_out: NDArray[np.int64],
    backbone: Backbone,
    extractor: FeatureExtractor,
    head: Any,
    *,
    source: str,
    losses: tuple[list[float], list[float]],
    best: int,
    console: Console,
    lungs: FolderLungs | None = None,
) -> TrainedBackbone:
    """Save a backbone, embed the plain films with it, and judge those that were held out.

    Args:
        config, manifest: of the run.
        held_out: indices into `learnable(manifest)`.
        backbone: its place in the table of backbones.
        extractor: with the trained weights.
        head: the Keras head that was trained with it.
        source: what the bundle says of the weights, "fine-tuned" or "from-scratch".
        losses, best: by epoch, of films that were learnt and of films that were watched; the epoch, from 1, that is kept.
        console: where progress is shown.
        lungs: where the lungs of the films are; None: whole films are shown.
    """
    weights = save_backbone(extractor, config.run_folder / "backbone.weights.h5", source=source)
    engine = load_engine(backbone, weights, engine=config.engine, apart=False)
    entries = learnable(manifest)
    with progress_bar(console, "Embedding plain films") as advance:
        embeddings = embed(
            engine,
            manifest.root,
            entries,
            EmbeddingCache.of(engine, config.cache, field=lungs.finder if lungs else ""),
            views=0,
            augmentation=AugmentationConfig(),
            seed=config.seed,
            lungs=lungs,
            progress=advance,
        )
        advance(len(entries), len(entries))
    patients = tuple(entry.patient for entry in entries)
    truth, whole = class_indices(entries, manifest.labels), lungs.whole(entries) if lungs else None
    embedded = EmbeddedFilms(entries, truth, patients, embeddings, whole)
    trained = DenseHead.of(head)
    logits = np.full((len(entries), len(manifest.labels)), np.nan, dtype=np.float32)
    logits[held_out] = trained.logits(embedded.pooled(config.head.pooling)[held_out, 0])
    return TrainedBackbone(logits, FittedHead(trained, best, losses), engine, embedded)


def save_backbone(extractor: FeatureExtractor, path: Path, *, source: str) -> WeightsFile:
    """Write a backbone's weights whole, for an engine to run and for the bundle to carry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        # Keras insists on the full suffix ".weights.h5", which a temporary name beside the file would not have.
        temporary = Path(scratch) / path.name
        extractor.weighted_layers.save_weights(str(temporary))
        temporary.replace(path)
    return WeightsFile(path, digest(path), source)
