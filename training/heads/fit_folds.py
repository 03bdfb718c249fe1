"""The heads of a run on a frozen backbone: those that judge, and the one that is kept."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from sklearn.metrics import roc_auc_score

from models.system.progress import progress_bar
from training.config import RunConfig
from training.data.folds import BatchFold, Split, batch_folds
from training.embedding.embedded_films import EmbeddedFilms
from training.heads.fit import FittedHead, Part, fit_side_by_side, plain_logits
from training.heads.stack import Candidate


class FittedHeads(NamedTuple):
    """What was fitted.

    Attributes:
        logits: `(n, classes)`, of each film by the head of the fold that holds it out.
        folds: the head of each fold.
        batches: AUROC on acquisition batches that were not fitted on, where the folder's names tell them apart.
        kept: fitted on all patients, with its losses by epoch.
        by_batch: which films each choice of batches held out, and their logits.
    """

    logits: NDArray[np.float32]
    folds: list[FittedHead]
    batches: list[dict[str, Any]]
    kept: FittedHead
    by_batch: tuple[tuple[NDArray[np.int64], NDArray[np.float32]], ...] = ()


def fit_heads(config: RunConfig, embedded: EmbeddedFilms, folds: Sequence[Split], console: Console) -> FittedHeads:
    """Fit all heads of a run, side by side.

    The heads of the folds learn exactly as the one that is kept, from fewer patients; nothing is chosen by those that they
    hold out, whose loss is only taken down for the learning curves.
    """
    embeddings, classes = embedded.pooled_rows(config.head.pooling), len(np.unique(embedded.truth))
    batches = left_out_batches(embedded)
    parts = [Part(*fold) for fold in folds] + [Part(batch.fit) for batch in batches]
    parts.append(Part(np.arange(len(embedded.truth))))
    with progress_bar(console, "Fitting the heads") as advance:
        rows = fit_side_by_side(
            embeddings,
            embedded.truth,
            parts,
            [Candidate(config.head, config.head_training)],
            classes=classes,
            seed=config.seed,
            progress=advance,
        )
    *fitted, kept = [heads[0] for heads in rows]
    of_folds, of_batches = fitted[: len(folds)], fitted[len(folds) :]
    logits = np.empty((len(embedded.truth), classes), dtype=np.float32)
    for (_, held_out), one in zip(folds, of_folds, strict=True):
        logits[held_out] = plain_logits(one.head, embeddings, held_out)
    by_batch = [
        plain_logits(one.head, embeddings, batch.held_out) for batch, one in zip(batches, of_batches, strict=True)
    ]
    judged = tuple((batch.held_out, part) for batch, part in zip(batches, by_batch, strict=True))
    return FittedHeads(logits, of_folds, batch_scores(by_batch, embedded.truth, batches), kept, judged)


def left_out_batches(embedded: EmbeddedFilms) -> list[BatchFold]:
    """Acquisition batches to judge by that are not fitted on; of two classes only, and where names tell batches apart."""
    if len(np.unique(embedded.truth)) != 2:
        return []
    return batch_folds(embedded.truth, [entry.batch for entry in embedded.entries], embedded.patients)


def batch_scores(
    logits: Sequence[NDArray[np.float32]], truth: NDArray[np.int64], folds: Sequence[BatchFold]
) -> list[dict[str, Any]]:
    """AUROC on whole acquisition batches that the head has not seen; two classes only.

    Args:
        logits: `(n, 2)` for each fold, of the images that it holds out.
        truth: class indices of all images.
        folds: of `training.data.folds.leave_batch_out`.
    """
    scores = []
    for fold, part in zip(folds, logits, strict=True):
        auroc = float(roc_auc_score(truth[fold.held_out], part[:, 1] - part[:, 0]))
        scores.append({"fitted_on": fold.name, "n": len(fold.held_out), "auroc": auroc})
    return scores
