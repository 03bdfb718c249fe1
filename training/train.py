"""The recipe, from a folder to a bundle; its steps are the wings of this package, in their order.

Some minutes for 5,000 images and two augmented views on two cores; with other head settings seconds, because embeddings are
kept (`python -m benchmarks.training_speed`).
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.engines.engine import Engine
from models.group import GroupReference
from models.system.packages import installed_versions
from models.system.process import trim_memory
from models.system.quiet import import_keras_quietly
from training.config import RunConfig
from training.data.folder import choose_positive
from training.data.folds import Split
from training.data.learnable import split_patients
from training.data.manifest import Manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.choose_engine import in_int8
from training.embedding.cluster_pass import find_lungs_on_cluster
from training.embedding.embed_folder import embed_folder, plain_embedder
from training.embedding.embedded_films import EmbeddedFilms
from training.embedding.find_lungs import without_lungless
from training.embedding.folder_lungs import FolderLungs
from training.heads.calibrate import calibrate, judged_by_batch
from training.heads.fit import FittedHead
from training.heads.fit_folds import FittedHeads, fit_heads
from training.heads.gate import fit_gate
from training.heads.group import group_reference
from training.heads.operating_points import operating_points
from training.heads.search import Search, search_heads
from training.heads.surroundings import examine_surroundings
from training.leaks.find import Leaks, find_leaks
from training.leaks.gate import leak_files, settle_leaks
from training.metrics.judged import Judged
from training.reports.augmentation_sheet import write_contact_sheet
from training.reports.leak_report import report_leaks
from training.run import Run, save_run

if TYPE_CHECKING:
    from training.backbone.trained_backbone import TrainedBackbone

PACKAGES: Final = (
    "tensorflow",
    "keras",
    "openvino",
    "numpy",
    "scikit-learn",
    "pillow",
    "opencv-python-headless",
    "pydicom",
)


def train(config: RunConfig, manifest: Manifest, engine: Engine, console: Console) -> Path:
    """Train a bundle on the films of a manifest and return its folder; `engine` runs the frozen backbone.

    Raises:
        DatasetError: "leak" without `--regroup`; "too_few_patients".
        WeightsError, BundleError, ValueError: with a sentence that says what to do; nothing is left behind.
    """
    # ----- data: who may learn from whom, and who judges.
    manifest, leaks = _without_leaks(config, manifest, engine, console)
    manifest, lungs = _with_lungs(config, manifest, console) if config.field == "lungs" else (manifest, None)
    write_contact_sheet(config, manifest, lungs, size=engine.backbone.input_size)
    splits = split_patients(config, manifest)

    # ----- embedding: every film once through the frozen backbone.
    engine = in_int8(manifest, engine, console, lungs) if config.precision == "int8" else engine
    cache = EmbeddingCache.of(engine, config.cache, field=lungs.finder if lungs else "")
    embedded = None if config.scratch else embed_folder(config, manifest, engine, cache, console, lungs)
    engine.release()  # what follows needs the memory
    trim_memory()

    # ----- heads: fitted and judged on patients that they have not seen; or a backbone that learns together with its head.
    search: Search | None = None
    if embedded is None or config.fine_tune:
        trained = _train_backbone(config, manifest, embedded, splits[0], engine, console, lungs)
        engine, embedded = trained.engine, trained.embedded
        found = FittedHeads(trained.logits, [trained.head], [], trained.head)
    else:
        config, search = _choose_head(config, embedded, splits, console)
        found = fit_heads(config, embedded, splits, console)
        _log_losses(config, found.kept)
    positive = choose_positive(config, manifest)
    calibration, judged = calibrate(
        found.logits, embedded.truth, embedded.patients, splits, labels=manifest.labels, positive=positive
    )
    by_batch = judged_by_batch(found.by_batch, calibration, judged, embedded.truth, embedded.patients)
    points = operating_points(judged, by_batch)
    surroundings = examine_surroundings(embedded, splits, [one.head for one in found.folds], config.head.pooling)
    gate, distances = fit_gate(embedded.gate_embeddings, embedded.patients, splits)

    group = _group(embedded, splits, distances, judged, config.seed)

    # ----- reports: the bundle with its card.
    run = Run(
        config, manifest, leaks, engine, found, search, calibration, judged, points, gate, distances,
        versions=installed_versions(PACKAGES), by_batch=by_batch, lungs=lungs, surroundings=surroundings,
        group=group,
    )  # fmt: skip
    return save_run(run, console)


def _without_leaks(config: RunConfig, manifest: Manifest, engine: Engine, console: Console) -> tuple[Manifest, Leaks]:
    """The manifest that may be trained on, and what was found; the table and the picture of that are written first."""
    cache = EmbeddingCache.of(engine, config.cache)
    leaks = find_leaks(manifest, plain_embedder(manifest.root, engine, cache, console), seed=config.seed)
    report_leaks(leaks, manifest.root, *leak_files(config))
    return settle_leaks(config, manifest, leaks, console)


def _with_lungs(config: RunConfig, manifest: Manifest, console: Console) -> tuple[Manifest, FolderLungs]:
    """The films in which lungs were found, by this machine or by a cluster, and where they are."""
    search = partial(find_lungs_on_cluster, config.cluster, config.engine) if config.cluster else None
    return without_lungless(config, manifest, console, search)


def _choose_head(
    config: RunConfig, embedded: EmbeddedFilms, splits: list[Split], console: Console
) -> tuple[RunConfig, Search | None]:
    """The head that was asked for, or the best of those that a search tries."""
    if not config.search:
        return config, None
    search = search_heads(config, embedded, splits, console)
    return config.with_head(search.best.candidate.head, search.best.candidate.training), search


def _group(
    embedded: EmbeddedFilms, splits: list[Split], distances: NDArray[np.float64], judged: Judged, seed: int
) -> GroupReference:
    """The sample that groups of films are held against; distances and probabilities are in the order of the splits."""
    order = np.concatenate([held_out for _, held_out in splits])
    probabilities = judged.probabilities[:, -1] if judged.positive is None else judged.positive_probability
    means = embedded.pooled("mean")[order, 0].astype(np.float32, copy=False)
    return group_reference(means, distances, probabilities, judged.patients, seed=seed)


def _log_losses(config: RunConfig, kept: FittedHead) -> None:
    """The losses of the head that is kept, for TensorBoard where that was asked for."""
    if config.tensorboard:
        import_keras_quietly()
        from training.backbone.event_log import write_losses

        write_losses(config.tensorboard, f"{config.name}-head", kept.losses)


def _train_backbone(
    config: RunConfig,
    manifest: Manifest,
    embedded: EmbeddedFilms | None,
    split: Split,
    engine: Engine,
    console: Console,
    lungs: FolderLungs | None,
) -> "TrainedBackbone":
    """Train the backbone together with its head; that takes TensorFlow, which a frozen one does without."""
    with console.status("Loading TensorFlow …"):
        import_keras_quietly()
        from training.backbone.fine_tuned_head import fine_tune_head
        from training.backbone.from_scratch import train_from_scratch
    if embedded is None:
        return train_from_scratch(config, manifest, split, console, lungs)
    return fine_tune_head(config, manifest, embedded, split, engine, console, lungs)
