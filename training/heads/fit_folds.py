"""The heads of a run on a frozen backbone: those that judge, and the one that is kept."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.head import DenseHead
from models.system.progress import progress_bar
from models.system.quiet import import_keras_quietly
from training.config import RunConfig
from training.data.folds import BatchFold, Split, batch_folds
from training.embedding.embedded_films import Material
from training.heads.fit import FittedHead, Part, fit_side_by_side
from training.heads.stack import Candidate
from training.heads.validation import batch_scores


class FittedHeads(NamedTuple):
    """What was fitted.

    Attributes:
        logits: `(n, classes)`, of each film by the head of the fold that holds it out.
        folds: the head of each fold.
        batches: AUROC on acquisition batches that were not fitted on, where the folder's names tell them apart.
        kept: fitted on all patients.
    """

    logits: NDArray[np.float32]
    folds: list[FittedHead]
    batches: list[dict[str, Any]]
    kept: DenseHead


def fit_heads(config: RunConfig, material: Material, folds: Sequence[Split], console: Console) -> FittedHeads:
    """Fit all heads of a run, side by side.

    The heads of the folds learn exactly as the one that is kept, from fewer patients; nothing is chosen by those that they
    hold out, whose loss is only taken down for the learning curves.
    """
    embeddings, classes = material.pooled(config.head.pooling), len(np.unique(material.truth))
    batches = left_out_batches(material)
    parts = [Part(*fold) for fold in folds] + [Part(batch.fit) for batch in batches]
    parts.append(Part(np.arange(len(material.truth))))
    with progress_bar(console, "Fitting the heads") as advance:
        rows = fit_side_by_side(
            embeddings,
            material.truth,
            parts,
            [Candidate(config.head, config.head_training)],
            classes=classes,
            seed=config.seed,
            progress=advance,
        )
    *fitted, kept = [heads[0] for heads in rows]
    of_folds, of_batches = fitted[: len(folds)], fitted[len(folds) :]
    if config.tensorboard:
        import_keras_quietly()
        from training.backbone.event_log import write_losses

        write_losses(config.tensorboard, f"{config.name}-head", kept.losses)
    logits = np.empty((len(material.truth), classes), dtype=np.float32)
    for (_, held_out), one in zip(folds, of_folds, strict=True):
        logits[held_out] = one.head.logits(embeddings[held_out, 0])
    by_batch = [one.head.logits(embeddings[batch.held_out, 0]) for batch, one in zip(batches, of_batches, strict=True)]
    return FittedHeads(logits, of_folds, batch_scores(by_batch, material.truth, batches), kept.head)


def left_out_batches(material: Material) -> list[BatchFold]:
    """Acquisition batches to judge by that are not fitted on; of two classes only, and where names tell batches apart."""
    if len(np.unique(material.truth)) != 2:
        return []
    return batch_folds(material.truth, [entry.batch for entry in material.entries], material.patients)
