"""Heads that have not seen the patients they judge: what makes a number from a bundle's own training folder honest.

A bundle keeps one head, fitted on everything. The heads of its cross-validation can be had again, as its configuration is
recorded and the embeddings are in the cache: the same folds, the same seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.bundle import Bundle, BundleError
from models.engines.engine import Engine
from models.head import DenseHead
from training.config import AugmentationConfig, HeadTraining, RunConfig
from training.data.folds import grouped_folds
from training.data.manifest import Manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.embed_folder import embed_folder
from training.embedding.folder_lungs import FolderLungs
from training.heads.fit_folds import fit_heads

_ADDED_LATER: Final = {"exchange": 0.0, "reduction": 0.0}
"""What runs of earlier versions did not record, because they had none of it."""

T = TypeVar("T", AugmentationConfig, HeadTraining)


@dataclass(frozen=True)
class Judges:
    """Who judges which film.

    Attributes:
        heads: fitted.
        of_film: `(n,)`, the place in `heads` of the one that judges each film.
    """

    heads: Sequence[DenseHead]
    of_film: NDArray[np.int64]

    def of(self, places: NDArray[np.int64]) -> "Judges":
        """Those of some of the films alone."""
        return Judges(self.heads, self.of_film[places])

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits `(n, classes)` of one picture of each film, `(n, d)`."""
        logits: NDArray[np.float32] = np.stack([head.logits(embeddings) for head in self.heads])
        return logits[self.of_film, np.arange(len(embeddings))]


def refit_folds(
    bundle: Bundle,
    manifest: Manifest,
    engine: Engine,
    cache: Path,
    console: Console,
    lungs: FolderLungs | None = None,
) -> Judges:
    """Fit the heads of a bundle's cross-validation again, on its own training folder.

    Returns:
        The heads, and for each learnable film of the manifest the one that has not seen its patient.

    Raises:
        BundleError: the bundle was fine-tuned, so that its backbone has seen the films; or patients were told apart
            otherwise when it was trained; or its configuration is not one of this version.
    """
    config, store = (
        _recorded(bundle, manifest, cache),
        EmbeddingCache.of(engine, cache, field=lungs.finder if lungs else ""),
    )
    embedded = embed_folder(config, manifest, engine, store, console, lungs)
    folds = grouped_folds(embedded.truth, embedded.patients, folds=config.folds, seed=config.seed)
    fitted = fit_heads(config, embedded, folds, console).folds
    of_film = np.empty(len(embedded.truth), dtype=np.int64)
    for number, (_, held_out) in enumerate(folds):
        of_film[held_out] = number
    return Judges([one.head for one in fitted], of_film)


def _recorded(bundle: Bundle, manifest: Manifest, cache: Path) -> RunConfig:
    """The configuration of the run that made a bundle, as far as it shapes heads."""
    spec, record = bundle.spec, bundle.spec.training
    if record["fine_tune"] or record.get("scratch"):
        raise BundleError(f"The backbone of {spec.name!r} was trained on these films: no head can be new to them.")
    if manifest.patient_source != spec.data["patient_source"]:
        raise BundleError(
            f"Patients must be told apart as when {spec.name!r} was trained: {spec.data['patient_source']}. "
            f"Received: {manifest.patient_source}. Name them with --patient-regex or --patients as then."
        )
    return RunConfig(
        data=manifest.root,
        name=spec.name,
        cache=cache,
        field=spec.field,
        views=record["views"],
        folds=record["folds"],
        seed=record["seed"],
        augmentation=_rebuilt(AugmentationConfig, record["augmentation"], spec.name),
        head=spec.head,
        head_training=_rebuilt(HeadTraining, record["head_training"], spec.name),
    )


def _rebuilt(kind: type[T], record: Mapping[str, Any], name: str) -> T:
    """A part of the configuration, every field of it from the record: today's default is not what the run had."""
    record = {**{name: amount for name, amount in _ADDED_LATER.items() if hasattr(kind, name)}, **record}
    if set(record) != (known := {field.name for field in fields(kind)}):
        raise BundleError(
            f"The configuration of {name!r} is of another version: {', '.join(sorted(known ^ set(record)))} must be in both, "
            "or in neither. Train it again."
        )
    return kind(**record)
