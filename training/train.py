"""The recipe, from a folder to a bundle.

About 9 minutes for 5,000 images with EfficientNet-Lite0 and two augmented views on two cores; seconds again with other head
settings, because embeddings are kept.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.backbones import Backbone
from models.backbones.weights import WeightsFile, choose_backbone
from models.network import FeatureExtractor, build_feature_extractor
from models.progress import progress_bar
from training.cache import EmbeddingCache
from training.config import RunConfig
from training.embed import embed
from training.folder import choose_positive
from training.folds import grouped_folds, leave_batch_out
from training.head import FittedHead, fit_head, held_out_logits
from training.manifest import Entry, Manifest
from training.material import Material
from training.patients import DatasetError
from training.run import Run, save_run
from training.sheet import write_contact_sheet
from training.tuned import fine_tuned_head
from training.validation import batch_scores, calibrate, operating_points

PACKAGES: Final = ("tensorflow", "keras", "numpy", "scikit-learn", "pillow", "pydicom")


def train(config: RunConfig, manifest: Manifest, console: Console) -> Path:
    """Train a bundle and return its folder.

    Raises:
        DatasetError, WeightsError, BundleError, ValueError: with a sentence that says what to do; nothing is left behind.
    """
    # ----- The frozen backbone, and what it will be shown.
    positive = choose_positive(config, manifest)
    backbone, weights, why = choose_backbone(config.backbone, weights=config.weights)
    console.print(f"Backbone: {backbone.id} ({why}); weights {weights.source}, SHA-256 {weights.sha256[:16]}…")
    if weights.source == "custom":
        console.print("These are not the published ImageNet weights; a copy goes into the bundle.", style="yellow")

    extractor = build_feature_extractor(backbone, weights)
    write_contact_sheet(config, manifest, extractor)

    # ----- The one pass through it.
    material = embed_folder(config, manifest, extractor, backbone, weights, console)

    # ----- The head, judged on patients that it has not seen.
    if config.fine_tune:
        folds, logits, fitted, weights = fine_tuned_head(config, manifest, material, extractor, backbone, console)
    else:
        folds = grouped_folds(material.truth, material.patients, folds=config.folds, seed=config.seed)
        logits, fitted = cross_validate(config, manifest, material, folds, console)
    calibration, judged = calibrate(
        logits, material.truth, material.patients, folds, labels=manifest.labels, positive=positive
    )
    points = operating_points(judged)
    batches = [] if config.fine_tune else leave_batches_out(config, manifest, material, console)

    # ----- The head that is kept: fitted on everything, for as long as the folds needed.
    head = fitted[0].head if config.fine_tune else fit_on_everything(config, manifest, material, fitted)
    run = Run(
        config=config,
        manifest=manifest,
        extractor=extractor,
        backbone=backbone,
        weights=weights,
        head=head,
        calibration=calibration,
        judged=judged,
        points=points,
        batches=batches,
        fitted=fitted,
        versions={package: version(package) for package in PACKAGES},
    )
    return save_run(run, console)


def learnable(manifest: Manifest) -> tuple[Entry, ...]:
    """The entries that may be learnt from: everything but a test split."""
    return (*manifest.select("train"), *manifest.select("val"))


def embed_folder(
    config: RunConfig,
    manifest: Manifest,
    extractor: FeatureExtractor,
    backbone: Backbone,
    weights: WeightsFile,
    console: Console,
) -> Material:
    """Embed every image that may be learnt from, with its augmented views."""
    entries = learnable(manifest)
    with progress_bar(console, "Embedding views") as advance:
        embeddings = embed(
            extractor,
            manifest.root,
            entries,
            EmbeddingCache(config.cache, backbone, weights.sha256),
            views=config.views,
            augmentation=config.augmentation,
            seed=config.seed,
            progress=advance,
        )
        advance(1, 1)
    truth = np.array([manifest.labels.index(entry.label) for entry in entries], dtype=np.int64)
    if set(np.unique(truth)) != set(range(len(manifest.labels))):
        raise DatasetError("empty_class", "Every class needs images outside the test split. Move some there.")
    return Material(entries, truth, tuple(entry.patient for entry in entries), embeddings)


def cross_validate(
    config: RunConfig,
    manifest: Manifest,
    material: Material,
    folds: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
    console: Console,
) -> tuple[NDArray[np.float32], list[FittedHead]]:
    """Out-of-fold logits `(n, classes)` and the head of each fold."""
    with progress_bar(console, "Cross-validation, by patient") as advance:
        return held_out_logits(
            material.embeddings,
            material.truth,
            material.patients,
            folds,
            config=config.head,
            training=config.head_training,
            classes=len(manifest.labels),
            seed=config.seed,
            progress=advance,
        )


def leave_batches_out(
    config: RunConfig, manifest: Manifest, material: Material, console: Console
) -> list[dict[str, Any]]:
    """AUROC on acquisition batches that were not fitted on, where the folder's names tell them apart."""
    folds = leave_batch_out(material.truth, [entry.batch for entry in material.entries])
    if not folds or len(manifest.labels) != 2:
        return []

    with progress_bar(console, "Leaving out acquisition batches") as advance:

        def logits_of(fit: NDArray[np.int64], held_out: NDArray[np.int64]) -> NDArray[np.float32]:
            logits, _ = held_out_logits(
                material.embeddings,
                material.truth,
                material.patients,
                [(fit, held_out)],
                config=config.head,
                training=config.head_training,
                classes=2,
                seed=config.seed,
            )
            return logits[held_out]

        scores = []
        for number, fold in enumerate(folds, start=1):
            scores += batch_scores(logits_of, material.truth, [fold])
            advance(number, len(folds))
    return scores


def fit_on_everything(config: RunConfig, manifest: Manifest, material: Material, fitted: list[FittedHead]) -> Any:
    """The head of the bundle, fitted on all patients for the median of the epochs that the folds found best."""
    return fit_head(
        material.embeddings,
        material.truth,
        material.patients,
        config=config.head,
        training=config.head_training,
        classes=len(manifest.labels),
        seed=config.seed,
        epochs=round(float(np.median([one.epochs for one in fitted]))),
        tensorboard=config.tensorboard,
    ).head
