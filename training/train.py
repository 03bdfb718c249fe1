"""The recipe, from a folder to a bundle.

Some minutes for 5,000 images and two augmented views on two cores; with other head settings seconds, because embeddings are
kept (`python -m benchmarks.training_speed`).
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.engines import Engine
from models.head import DenseHead
from models.network import build_feature_extractor
from models.progress import progress_bar
from training.cache import EmbeddingCache
from training.config import AugmentationConfig, RunConfig
from training.embed import embed
from training.event_log import write_losses
from training.finetune import require_blocks
from training.folder import choose_positive
from training.folds import Split, batch_folds, grouped_folds
from training.gate import fit_gate
from training.head import HeadFitter, held_out_logits
from training.leak_gate import leak_gate
from training.leaks import EmbedPlain
from training.lesson import FittedHead, Part, usual_epochs
from training.manifest import Entry, Manifest
from training.material import Material, class_indices, learnable
from training.run import Run, save_run
from training.scratch import trained_from_scratch
from training.search import search_heads
from training.sheet import write_contact_sheet
from training.tuned import fine_tuned_head
from training.validation import batch_scores, calibrate, operating_points

PACKAGES: Final = ("tensorflow", "keras", "openvino", "numpy", "scikit-learn", "pillow", "pydicom")


def train(config: RunConfig, manifest: Manifest, engine: Engine, console: Console) -> Path:
    """Train a bundle and return its folder; `engine` is that of `training.ready`.

    Raises:
        DatasetError, WeightsError, BundleError, ValueError: with a sentence that says what to do; nothing is left behind.
    """
    # ----- What the frozen backbone will be shown.
    positive = choose_positive(config, manifest)
    extractor = build_feature_extractor(engine.backbone, engine.weights) if config.fine_tune else None
    if extractor:
        require_blocks(extractor.features, config.fine_tune)
    write_contact_sheet(config, manifest, size=engine.backbone.input_size)

    # ----- No film and no patient on both sides of a split.
    cache = EmbeddingCache.of(engine, config.cache)
    manifest, leaks = leak_gate(config, manifest, plain_embedder(manifest.root, engine, cache, console), console)

    # ----- The one pass through it.
    if not config.scratch:
        material = embed_folder(config, manifest, engine, cache, console)

    # ----- The head, judged on patients that it has not seen.
    search = None
    if config.scratch:
        folds, logits, fitted, engine, material = trained_from_scratch(config, manifest, console)
    elif extractor:
        fitter = HeadFitter(len(manifest.labels), config.head, config.head_training)
        folds, logits, fitted, engine, material = fine_tuned_head(
            config, manifest, material, extractor, engine.backbone, fitter, console
        )
    else:
        folds = grouped_folds(material.truth, material.patients, folds=config.folds, seed=config.seed)
        if config.search:
            search = search_heads(config, material, folds, console)
            config = config.with_head(search.best.candidate.head, search.best.candidate.training)
        fitter = HeadFitter(len(manifest.labels), config.head, config.head_training)
        logits, fitted = cross_validate(config, fitter, material, folds, console)
    calibration, judged = calibrate(
        logits, material.truth, material.patients, folds, labels=manifest.labels, positive=positive
    )
    points = operating_points(judged)
    batches = [] if config.one_split else leave_batches_out(config, fitter, material, console)

    # ----- What it may be asked about.
    gate, distances = fit_gate(material.pooled("mean")[:, 0], material.patients, folds, seed=config.seed)

    # ----- The head that is kept: fitted on everything, for as long as the folds needed.
    head = fitted[0].head if config.one_split else fit_on_everything(config, fitter, material, fitted)
    run = Run(
        config=config,
        manifest=manifest,
        leaks=leaks,
        engine=engine,
        head=head,
        calibration=calibration,
        judged=judged,
        points=points,
        gate=gate,
        distances=distances,
        batches=batches,
        fitted=fitted,
        search=search,
        versions={package: version(package) for package in PACKAGES},
    )
    return save_run(run, console)


def plain_embedder(root: Path, engine: Engine, cache: EmbeddingCache, console: Console) -> EmbedPlain:
    """What the leak gate confirms near-duplicates with; the pass over the folder finds these embeddings in the cache."""

    def embed_plain(entries: Sequence[Entry]) -> NDArray[np.float32]:
        with progress_bar(console, "Confirming near-duplicates") as advance:
            embeddings = embed(
                engine,
                root,
                entries,
                cache,
                views=0,
                augmentation=AugmentationConfig(),
                seed=0,
                mean_only=True,
                progress=advance,
            )
            advance(len(entries), len(entries))
        return embeddings[:, 0, 0]

    return embed_plain


def embed_folder(
    config: RunConfig, manifest: Manifest, engine: Engine, cache: EmbeddingCache, console: Console
) -> Material:
    """Embed every image that may be learnt from, with its augmented views."""
    entries = learnable(manifest)
    count = len(entries) * (1 + config.views)
    with progress_bar(console, "Embedding views") as advance:
        embeddings = embed(
            engine,
            manifest.root,
            entries,
            cache,
            views=config.views,
            augmentation=config.augmentation,
            seed=config.seed,
            mean_only=config.head.pooling == "mean" and not config.search,
            progress=advance,
        )
        advance(count, count)  # those that were kept from an earlier run count too
    truth = class_indices(entries, manifest.labels)
    return Material(entries, truth, tuple(entry.patient for entry in entries), embeddings)


def cross_validate(
    config: RunConfig, fitter: HeadFitter, material: Material, folds: Sequence[Split], console: Console
) -> tuple[NDArray[np.float32], list[FittedHead]]:
    """Out-of-fold logits `(n, classes)` and the head of each fold.

    Each fold is fitted twice: with some of its patients held out, to see after how many passes a head is best, and then for
    that many on all of its patients, as the bundle's head will be. A head that learnt from fewer patients is less sure of
    itself, and a calibration fitted on its logits would make the bundle's head too modest.
    """
    embeddings = material.pooled(config.head.pooling)
    seeds = [config.seed + number for number in range(len(folds))]
    parts = [Part(fit, seed) for (fit, _), seed in zip(folds, seeds, strict=True)]
    with progress_bar(console, "How long to fit") as advance:
        watched = fitter.fit_parts(embeddings, material.truth, material.patients, parts, progress=advance)
    with progress_bar(console, "Cross-validation, by patient") as advance:
        held_out, heads = held_out_logits(
            fitter,
            embeddings,
            material.truth,
            material.patients,
            folds,
            seeds=seeds,
            epochs=usual_epochs(watched),
            progress=advance,
        )
    logits = np.empty((len(material.truth), fitter.classes), dtype=np.float32)
    for (_, places), of_fold in zip(folds, held_out, strict=True):
        logits[places] = of_fold
    return logits, [one._replace(head=fitted.head) for one, fitted in zip(watched, heads, strict=True)]


def leave_batches_out(
    config: RunConfig, fitter: HeadFitter, material: Material, console: Console
) -> list[dict[str, Any]]:
    """AUROC on acquisition batches that were not fitted on, where the folder's names tell them apart."""
    if fitter.classes != 2:
        return []
    folds = batch_folds(material.truth, [entry.batch for entry in material.entries], material.patients)
    if not folds:
        return []
    with progress_bar(console, "Leaving out acquisition batches") as advance:
        logits, _ = held_out_logits(
            fitter,
            material.pooled(config.head.pooling),
            material.truth,
            material.patients,
            [(fold.fit, fold.held_out) for fold in folds],
            seeds=[config.seed] * len(folds),
            progress=advance,
        )
    return batch_scores(logits, material.truth, folds)


def fit_on_everything(
    config: RunConfig, fitter: HeadFitter, material: Material, fitted: Sequence[FittedHead]
) -> DenseHead:
    """The head of the bundle, fitted on all patients for the median of the epochs that the folds found best."""
    final = fitter.fit(
        material.pooled(config.head.pooling),
        material.truth,
        material.patients,
        seed=config.seed,
        epochs=usual_epochs(fitted),
    )
    if config.tensorboard:
        write_losses(config.tensorboard, f"{config.name}-head", final.losses)
    return final.head
