"""The first half of a run: from a folder to embeddings that may be learnt from. It needs no TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.engines.engine import Engine
from models.system.process import trim_memory
from models.system.progress import progress_bar
from training.config import AugmentationConfig, RunConfig
from training.data.folds import TUNING_SHARE, Split, can_be_learnt, grouped_folds, grouped_hold_out
from training.data.leak_gate import leak_gate
from training.data.leaks import EmbedPlain, Leaks
from training.data.manifest import Entry, Manifest
from training.data.patients import DatasetError
from training.embedding.cache import EmbeddingCache
from training.embedding.embed import embed
from training.embedding.embedded_films import Material, class_indices, learnable
from training.reports.augmentation_sheet import write_contact_sheet


@dataclass(frozen=True)
class Gathered:
    """What a run works with.

    Attributes:
        manifest: what may be learnt from and judged, leaks taken care of.
        leaks: what was found of them.
        splits: the folds of a cross-validation; or the one split of a run that trains the backbone too.
        material: the embeddings; None where a backbone is to be trained from scratch.
    """

    manifest: Manifest
    leaks: Leaks
    splits: list[Split]
    material: Material | None


def gather(config: RunConfig, manifest: Manifest, engine: Engine, console: Console) -> Gathered:
    """Draw the contact sheet, search for leaks, and pass every film through the frozen backbone once.

    Raises:
        DatasetError: "leak" without `--regroup`; "too_few_patients".
    """
    write_contact_sheet(config, manifest, size=engine.backbone.input_size)
    cache = EmbeddingCache.of(engine, config.cache)
    manifest, leaks = leak_gate(config, manifest, plain_embedder(manifest.root, engine, cache, console), console)
    splits = divide(config, manifest)
    material = None if config.scratch else embed_folder(config, manifest, engine, cache, console)
    engine.release()  # what follows needs the memory
    trim_memory()
    return Gathered(manifest, leaks, splits, material)


def divide(config: RunConfig, manifest: Manifest) -> list[Split]:
    """Who is judged by a head that has not seen them: sorted indices `(fit, held_out)` into `learnable(manifest)`.

    Raises:
        DatasetError: "too_few_patients".
    """
    entries = learnable(manifest)
    truth, patients = class_indices(entries, manifest.labels), [entry.patient for entry in entries]
    if config.one_split:
        splits = [grouped_hold_out(truth, patients, fraction=TUNING_SHARE, seed=config.seed)]
    else:
        splits = grouped_folds(truth, patients, folds=config.folds, seed=config.seed)
    if not all(can_be_learnt(truth[fit], [patients[index] for index in fit]) for fit, _ in splits):
        raise DatasetError(
            "too_few_patients",
            "Each class needs several patients to learn from and others to judge by, in each fold; thirty are a good number. "
            f"Received: {_patients_by_class(manifest)}. Add images of further patients.",
        )
    return splits


def _patients_by_class(manifest: Manifest) -> str:
    of_class = {
        label: {entry.patient for entry in learnable(manifest) if entry.label == label} for label in manifest.labels
    }
    return ", ".join(f"{len(patients)} of {label}" for label, patients in of_class.items())


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
