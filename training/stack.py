"""Heads side by side: one compiled Keras step moves every head of a cross-validation, so that its overhead is paid once."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from models.head import DenseHead, HeadConfig
from training.config import HeadTraining


class Candidate(NamedTuple):
    """A head's architecture, and how it is fitted."""

    head: HeadConfig
    training: HeadTraining


class HeadStack:
    """Heads of one width: for each seed, one head per candidate; the heads of a seed see the same batches.

    Heads do not touch each other: the loss is the sum of theirs, and Adam moves each number by itself.

    Args:
        embedding_size: d.
        classes: how many.
        candidates: alike in width, learning rate and label smoothing; dropout and weight decay may differ.
        seeds: of the start and of the dropout.
        steps: for each seed, the steps over which the learning rate falls to 0.
    """

    def __init__(
        self,
        embedding_size: int,
        classes: int,
        candidates: Sequence[Candidate],
        seeds: Sequence[int],
        *,
        steps: Sequence[int],
    ) -> None:
        self._classes, self._count, self._width = classes, len(candidates), candidates[0].head.width
        self._rates = np.array([[one.head.dropout] for one in candidates], np.float32)
        self._l2 = np.array([one.training.l2 for one in candidates], np.float32)
        self._rows = candidates[0].training.batch_size
        self._noise = [keras.random.SeedGenerator(seed) for seed in seeds]
        starts = [_start(embedding_size, self._width, classes, seed) for seed in seeds]
        # The heads of one seed stand side by side in the columns of its first layer: one matrix product for all of them.
        self._kernels_and_biases = [
            keras.Variable(np.stack([np.concatenate([start[place]] * self._count, axis=axis) for start in starts]))
            for place, axis in zip(range(len(starts[0])), (1, 1, 0, 1) if self._width else (1, 1), strict=True)
        ]
        training = candidates[0].training
        self._loss = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=training.label_smoothing, reduction="none"
        )
        self._adam = keras.optimizers.Adam(_CosineFall(training.learning_rate, steps))
        self._adam.build(self._kernels_and_biases)
        self._compiled = tf.function(self._step)

    def step(
        self, embeddings: NDArray[np.float32], targets: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Move every head by one batch.

        Args:
            embeddings: `(seeds, rows, d)`, standardised; rows of weight 0 fill up a batch.
            targets: `(seeds, rows, classes)`, one-hot.
            weights: `(seeds, rows, candidates)`, of each example in the mean over its batch.

        Returns:
            The losses `(seeds, candidates)` before the step.
        """
        return np.asarray(self._compiled(embeddings, targets, weights))

    def losses(
        self, place: int, embeddings: NDArray[np.float32], targets: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The losses `(candidates,)` of the heads of one seed, by its place; arrays as in `step`, without `seeds`."""
        own = [variable[place : place + 1] for variable in self._kernels_and_biases]
        return np.asarray(self._losses(own, embeddings[None], targets[None], weights[None], training=False))[0]

    def head(self, place: int, candidate: int) -> DenseHead:
        """A copy of one head as it is now."""
        arrays = [np.asarray(variable[place]) for variable in self._kernels_and_biases]

        def columns(array: NDArray[np.float32], units: int) -> NDArray[np.float32]:
            return array[:, candidate * units : (candidate + 1) * units].copy()

        if not self._width:
            kernel, bias = (columns(array, self._classes) for array in arrays)
            return DenseHead(None, (kernel, bias[0]))
        kernel, bias = (columns(array, self._width) for array in arrays[:2])
        last = arrays[2][candidate * self._width : (candidate + 1) * self._width].copy()
        return DenseHead((kernel, bias[0]), (last, columns(arrays[3], self._classes)[0]))

    def _step(self, embeddings: Any, targets: Any, weights: Any) -> Any:
        own = [variable.value for variable in self._kernels_and_biases]
        with tf.GradientTape() as tape:
            losses = self._losses(own, embeddings, targets, weights, training=True)
            total = ops.sum(losses)
        self._adam.apply(tape.gradient(total, own), self._kernels_and_biases)
        return losses

    def _losses(self, own: Sequence[Any], embeddings: Any, targets: Any, weights: Any, *, training: bool) -> Any:
        logits = self._logits(own, embeddings, training=training)
        losses = self._loss(ops.broadcast_to(targets[:, :, None], ops.shape(logits)), logits)
        return ops.sum(losses * weights, axis=1) + self._l2 * self._squares(own)

    def _logits(self, own: Sequence[Any], embeddings: Any, *, training: bool) -> Any:
        """Logits `(seeds, rows, candidates, classes)`."""
        seeds, rows = ops.shape(embeddings)[:2]
        first = ops.matmul(embeddings, own[0]) + own[1]
        if not self._width:
            return ops.reshape(first, (seeds, rows, self._count, self._classes))
        hidden = ops.reshape(ops.relu(first), (seeds, rows, self._count, self._width))
        if training and self._rates.any():
            hidden = self._dropped(hidden)
        kernel = ops.reshape(own[2], (seeds, self._count, self._width, self._classes))
        bias = ops.reshape(own[3], (seeds, 1, self._count, self._classes))
        return ops.einsum("srcw,scwk->srck", hidden, kernel) + bias

    def _dropped(self, hidden: Any) -> Any:
        # A generator for each seed, so that a head meets the same noise whoever stands beside it.
        drawn = ops.stack([keras.random.uniform((self._rows, 1, self._width), seed=noise) for noise in self._noise])
        return ops.where(drawn >= self._rates, hidden / (1 - self._rates), 0.0)

    def _squares(self, own: Sequence[Any]) -> Any:
        """Sum of the squares of each head's kernels, `(seeds, candidates)`."""
        seeds = ops.shape(own[0])[0]
        sums = [ops.sum(ops.reshape(ops.sum(ops.square(own[0]), axis=1), (seeds, self._count, -1)), axis=2)]
        if self._width:
            sums.append(ops.sum(ops.reshape(ops.square(own[2]), (seeds, self._count, -1)), axis=2))
        return reduce(ops.add, sums)


class _CosineFall(keras.optimizers.schedules.LearningRateSchedule):
    """For each seed, from the initial rate to 0 along a half cosine over its steps: `(seeds, 1, 1)`."""

    def __init__(self, initial: float, steps: Sequence[int]) -> None:
        self._initial = initial
        self._steps = np.array(steps, np.float32)[:, None, None]

    def __call__(self, step: Any) -> Any:
        share = ops.minimum(ops.cast(step, "float32") / self._steps, 1.0)
        return self._initial * 0.5 * (1 + ops.cos(np.pi * share))


def _start(embedding_size: int, width: int, classes: int, seed: int) -> list[NDArray[np.float32]]:
    """What `models.head.build_head` starts with; biases `(1, units)`."""
    last = keras.initializers.GlorotUniform(seed=seed)((width or embedding_size, classes))
    start = [np.asarray(last), np.zeros((1, classes), np.float32)]
    if width:
        hidden = keras.initializers.HeNormal(seed=seed)((embedding_size, width))
        start = [np.asarray(hidden), np.zeros((1, width), np.float32), *start]
    return start
