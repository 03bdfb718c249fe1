"""Fitting the dense head on embeddings: seconds, because the backbone has done its work."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from models.head import DenseHead, HeadConfig, build_head
from training.config import HeadTraining
from training.folds import STOPPING_SHARE, grouped_hold_out

Examples = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
History = dict[str, list[float]]


class FittedHead(NamedTuple):
    """A head that takes embeddings as they are, and how it came about.

    Attributes:
        head: the head.
        epochs: passes after which it was best.
        losses: training and validation loss after each pass; the second is empty where nothing was held out.
    """

    head: DenseHead
    epochs: int
    losses: tuple[list[float], list[float]]


class HeadFitter:
    """Fits heads of one architecture, one after the other.

    They share one compiled step: tracing it takes longer than fitting a head, and a step for each head would make
    TensorFlow warn of that.

    Args:
        embedding_size: d.
        classes: how many.
        config: the architecture.
        training: how to fit.
    """

    def __init__(self, embedding_size: int, classes: int, *, config: HeadConfig, training: HeadTraining) -> None:
        self._build = partial(build_head, embedding_size, classes, config)
        self.classes = classes
        self._training = training
        self._fall = _CosineFall(training.learning_rate)
        self._head = self._build(l2=training.l2)
        loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=training.label_smoothing)
        # XLA would spend longer compiling than the head spends learning.
        self._head.compile(keras.optimizers.Adam(self._fall), loss=loss, jit_compile=False)

    def fit(
        self,
        embeddings: NDArray[np.float32],
        labels: NDArray[np.int64],
        patients: Sequence[str],
        *,
        seed: int,
        epochs: int | None = None,
        callbacks: Sequence[Any] = (),
    ) -> FittedHead:
        """Fit a head on the views of images, `(images, views, d)`; the same seed gives the same head.

        Without `epochs`, a seventh of the patients is held out and fitting stops when their loss, on plain films, no
        longer falls; with it, exactly so many passes are made over all patients.
        """
        if epochs is None:
            fit, held_out = grouped_hold_out(labels, patients, fraction=STOPPING_SHARE, seed=seed)
        else:
            fit, held_out = np.arange(len(labels)), np.array([], dtype=np.int64)
        mean, deviation = _statistics(embeddings[fit])
        weights = _class_weights(labels[fit], self.classes) if self._training.class_weights else np.ones(self.classes)
        self._start_afresh(seed)
        history = self._run(
            _examples((embeddings[fit] - mean) / deviation, labels[fit], weights),
            _examples((embeddings[held_out, :1] - mean) / deviation, labels[held_out], weights),
            epochs,
            callbacks,
        )
        kept = DenseHead.of(self._head).without_standardisation(mean, deviation)
        validation = history.get("val_loss", [])
        best = int(np.argmin(validation)) + 1 if validation else len(history["loss"])
        return FittedHead(kept, best, (history["loss"], validation))

    def _start_afresh(self, seed: int) -> None:
        """Put everything that fitting moves where a newly built head has it."""
        keras.utils.set_random_seed(seed)
        new = self._build(seed=seed)
        self._head.set_weights(new.get_weights())
        for old, fresh in zip(self._head.layers, new.layers, strict=True):
            if isinstance(old, keras.layers.Dropout) and old.rate:
                old.seed_generator.state.assign(fresh.seed_generator.state)
        for variable in self._head.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))

    def _run(self, fit: Examples, held_out: Examples, epochs: int | None, callbacks: Sequence[Any]) -> History:
        training, (views, targets, weights) = self._training, fit
        # The same fall of the rate whether or not fitting ends early, so that a number of passes means the same in both.
        self._fall.steps.assign(-(-len(views) // training.batch_size) * training.epochs)
        if epochs is None:
            stop = keras.callbacks.EarlyStopping(patience=training.patience, restore_best_weights=True)
            callbacks = [*callbacks, stop]
        history = self._head.fit(
            views,
            targets,
            sample_weight=weights,
            validation_data=held_out if len(held_out[0]) else None,
            batch_size=training.batch_size,
            epochs=epochs or training.epochs,
            callbacks=list(callbacks),
            verbose=0,
        )
        return {name: [float(value) for value in values] for name, values in history.history.items()}


class _CosineFall(keras.optimizers.schedules.LearningRateSchedule):
    """From the initial rate to 0 along a half cosine over `steps`, a variable that the compiled step reads."""

    def __init__(self, initial: float) -> None:
        self._initial = initial
        self.steps = keras.Variable(1.0, trainable=False)

    def __call__(self, step: Any) -> Any:
        share = keras.ops.minimum(keras.ops.cast(step, "float32") / self.steps, 1.0)
        return self._initial * 0.5 * (1 + keras.ops.cos(np.pi * share))


def _statistics(embeddings: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    flat = embeddings.reshape(-1, embeddings.shape[-1])
    # A channel that never fires has no deviation; it then stays at 0 instead of being blown up.
    return flat.mean(axis=0), np.maximum(flat.std(axis=0), 1e-3)


def _examples(embeddings: NDArray[np.float32], labels: NDArray[np.int64], weights: NDArray[np.float64]) -> Examples:
    """Views as examples of their own: `(images · views, d)`, their labels one-hot, and the weight of each."""
    repeated = np.repeat(labels, embeddings.shape[1])
    one_hot = np.eye(len(weights), dtype=np.float32)[repeated]
    return embeddings.reshape(-1, embeddings.shape[-1]), one_hot, weights[repeated].astype(np.float32)


def _class_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    return len(labels) / (classes * np.bincount(labels, minlength=classes))


def held_out_logits(
    fitter: HeadFitter,
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    patients: Sequence[str],
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float32], list[FittedHead]]:
    """Logits `(images, classes)` of each fold's held-out plain films by a head fitted on the rest, and those heads.

    Images that no fold holds out have NaN.
    """
    logits = np.full((len(labels), fitter.classes), np.nan, dtype=np.float32)
    heads: list[FittedHead] = []
    for number, (fit, held_out) in enumerate(folds):
        fitted = fitter.fit(embeddings[fit], labels[fit], [patients[index] for index in fit], seed=seed + number)
        logits[held_out] = fitted.head.logits(embeddings[held_out, 0])
        heads.append(fitted)
        if progress is not None:
            progress(number + 1, len(folds))
    return logits, heads
