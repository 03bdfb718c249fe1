"""Fitting the dense head on embeddings: seconds, because the backbone has done its work."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from models.head import HeadConfig, build_head, fold_standardisation
from training.config import HeadTraining
from training.folds import grouped_hold_out


class FittedHead(NamedTuple):
    """A head that takes embeddings as they are, and how it came about.

    Attributes:
        head: Keras model, embedding `(n, d)` → logits `(n, classes)`.
        epochs: passes after which it was best.
        losses: training and validation loss after each pass; the second is empty where nothing was held out.
    """

    head: Any
    epochs: int
    losses: tuple[list[float], list[float]]


def fit_head(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    patients: Sequence[str],
    *,
    config: HeadConfig,
    training: HeadTraining,
    classes: int,
    seed: int,
    epochs: int | None = None,
    tensorboard: Path | None = None,
) -> FittedHead:
    """Fit a head on the views of images, `(images, views, d)`.

    Without `epochs`, a seventh of the patients is held out and fitting stops when their loss, on plain films, no longer
    falls; with it, exactly so many passes are made over all patients.
    """
    keras.utils.set_random_seed(seed)
    if epochs is None:
        fit, held_out = grouped_hold_out(labels, patients, fraction=1 / 7, seed=seed)
    else:
        fit, held_out = np.arange(len(labels)), np.array([], dtype=np.int64)
    mean, deviation = _statistics(embeddings[fit])
    head = build_head(embeddings.shape[-1], classes, config, l2=training.l2, seed=seed)
    history = _fit(
        head,
        _examples((embeddings[fit] - mean) / deviation, labels[fit], classes),
        _examples((embeddings[held_out, :1] - mean) / deviation, labels[held_out], classes),
        training=training,
        weights=_class_weights(labels[fit], classes) if training.class_weights else np.ones(classes),
        epochs=epochs,
        callbacks=[keras.callbacks.TensorBoard(str(tensorboard))] if tensorboard else [],
    )
    fold_standardisation(head, mean, deviation)
    validation = history.get("val_loss", [])
    best = int(np.argmin(validation)) + 1 if validation else len(history["loss"])
    return FittedHead(head, best, (history["loss"], validation))


def _fit(
    head: Any,
    fit: tuple[NDArray[np.float32], NDArray[np.float32]],
    held_out: tuple[NDArray[np.float32], NDArray[np.float32]],
    *,
    training: HeadTraining,
    weights: NDArray[np.float64],
    epochs: int | None,
    callbacks: list[Any],
) -> dict[str, list[float]]:
    steps = -(-len(fit[0]) // training.batch_size)
    # The same fall of the rate whether or not fitting ends early, so that a number of passes means the same in both.
    schedule = keras.optimizers.schedules.CosineDecay(training.learning_rate, decay_steps=steps * training.epochs)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=training.label_smoothing)
    # XLA would spend longer compiling than the head spends learning.
    head.compile(keras.optimizers.Adam(schedule), loss=loss, jit_compile=False)
    if epochs is None:
        stop = keras.callbacks.EarlyStopping(patience=training.patience, restore_best_weights=True)
        callbacks = [*callbacks, stop]
    history = head.fit(
        *fit,
        sample_weight=fit[1] @ weights,
        validation_data=(*held_out, held_out[1] @ weights) if len(held_out[0]) else None,
        batch_size=training.batch_size,
        epochs=epochs or training.epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def _statistics(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    flat = embeddings.reshape(-1, embeddings.shape[-1])
    # A channel that never fires has no deviation; it then stays at 0 instead of being blown up.
    return flat.mean(axis=0), np.maximum(flat.std(axis=0), 1e-3)


def _examples(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Views as examples of their own: `(images · views, d)`, and their labels one-hot."""
    views = embeddings.shape[1]
    return embeddings.reshape(-1, embeddings.shape[-1]), np.eye(classes, dtype=np.float32)[np.repeat(labels, views)]


def _class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    return len(labels) / (classes * np.bincount(labels, minlength=classes))


def head_logits(head: Any, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits `(n, classes)` of embeddings `(n, d)`; called eagerly, for a trace would cost more than the product."""
    return np.asarray(head(embeddings, training=False), dtype=np.float32)


def held_out_logits(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    patients: Sequence[str],
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    config: HeadConfig,
    training: HeadTraining,
    classes: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float32], list[FittedHead]]:
    """Logits `(images, classes)` of each fold's held-out plain films by a head fitted on the rest, and those heads.

    Images that no fold holds out have NaN.
    """
    logits = np.full((len(labels), classes), np.nan, dtype=np.float32)
    heads: list[FittedHead] = []
    for number, (fit, held_out) in enumerate(folds):
        fitted = fit_head(
            embeddings[fit],
            labels[fit],
            [patients[index] for index in fit],
            config=config,
            training=training,
            classes=classes,
            seed=seed + number,
        )
        logits[held_out] = head_logits(fitted.head, embeddings[held_out, 0])
        heads.append(fitted)
        if progress:
            progress(number + 1, len(folds))
    return logits, heads
