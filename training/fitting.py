"""The heads of a run on a frozen backbone: those that judge, and the one that is kept."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.head import DenseHead
from models.progress import progress_bar
from training.config import RunConfig
from training.event_log import write_losses
from training.folds import BatchFold, Split, batch_folds
from training.head import HeadFitter
from training.lesson import FittedHead, Part, usual_epochs
from training.material import Material
from training.validation import batch_scores


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

    Each fold is fitted twice: with some of its patients held out, to see after how many passes a head is best, and then for
    that many on all of its patients, as the head that is kept. A head that learnt from fewer patients is less sure of itself,
    and a calibration fitted on its logits would make the kept head too modest.
    """
    embeddings, classes = material.pooled(config.head.pooling), len(np.unique(material.truth))
    fitter = HeadFitter(classes, config.head, config.head_training)
    of_folds = [Part(fit, config.seed + number) for number, (fit, _) in enumerate(folds)]
    batches = _batches(material, classes)
    of_batches = [Part(fold.fit, config.seed) for fold in batches]
    everything = Part(np.arange(len(material.truth)), config.seed)
    learnt = embeddings, material.truth, material.patients
    with progress_bar(console, "How long to fit; batches left out") as advance:
        watched = fitter.fit_parts(*learnt, [*of_folds, *of_batches], progress=advance)
    epochs = usual_epochs(watched[: len(folds)])
    with progress_bar(console, "Cross-validation, by patient") as advance:
        *again, kept = fitter.fit_parts(*learnt, [*of_folds, everything], epochs=epochs, progress=advance)
    if config.tensorboard:
        write_losses(config.tensorboard, f"{config.name}-head", kept.losses)
    logits = np.empty((len(material.truth), classes), dtype=np.float32)
    for (_, held_out), fitted in zip(folds, again, strict=True):
        logits[held_out] = fitted.head.logits(embeddings[held_out, 0])
    by_batch = [
        fitted.head.logits(embeddings[fold.held_out, 0])
        for fold, fitted in zip(batches, watched[len(folds) :], strict=True)
    ]
    judging = [first._replace(head=fitted.head) for first, fitted in zip(watched[: len(folds)], again, strict=True)]
    return FittedHeads(logits, judging, batch_scores(by_batch, material.truth, batches), kept.head)


def _batches(material: Material, classes: int) -> list[BatchFold]:
    if classes != 2:
        return []
    return batch_folds(material.truth, [entry.batch for entry in material.entries], material.patients)
