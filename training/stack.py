"""Heads side by side: one compiled Keras step moves every head of a run, so that its overhead is paid once."""

from collections.abc import Sequence
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
    """Heads of one width, from one start: their first layers are the columns of one matrix, so that a step is one product.

    Heads do not touch each other: the loss is the sum of theirs, and Adam moves each number by itself. All see the same
    batches under the same draws of dropout; an example from which a head may not learn has no weight for it.

    Args:
        candidates: what each head is; alike in width, learning rate and label smoothing.
        means: `(heads, d)`, by which each head standardises its embeddings, so that it need not be done for each by itself.
        deviations: `(heads, d)`.
        classes: how many.
        seed: of the start and of dropout.
        steps: over which the learning rate falls to 0 along a half cosine.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        means: NDArray[np.float32],
        deviations: NDArray[np.float32],
        *,
        classes: int,
        seed: int,
        steps: int,
    ) -> None:
        first, training = candidates[0]
        self._heads, self._width, self._classes = len(candidates), first.width, classes
        self._units = first.width or classes  # of a head's first layer
        # As (d, heads, 1), to be met by kernels (d, heads, units).
        self._means, self._deviations = (np.ascontiguousarray(part.T[..., None]) for part in (means, deviations))
        self._dropout = np.array([[one.head.dropout] for one in candidates], np.float32)
        self._l2 = np.array([one.training.l2 for one in candidates], np.float32)
        self._noise = keras.random.SeedGenerator(seed)
        self._own = [keras.Variable(array) for array in self._start(means.shape[1], seed)]
        self._loss = keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=training.label_smoothing, reduction="none"
        )
        self._adam = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(training.learning_rate, steps))
        self._adam.build(self._own)
        # One trace serves batches of every length.
        rows = [tf.TensorSpec((None, size), tf.float32) for size in (means.shape[1], classes, self._heads)]
        self._compiled = tf.function(self._step, input_signature=rows)

    def step(
        self, embeddings: NDArray[np.float32], targets: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Move every head by one batch.

        Args:
            embeddings: `(rows, d)`, as they are.
            targets: `(rows, classes)`, one-hot.
            weights: `(rows, heads)`, of each example in each head's sum.

        Returns:
            The weighted sums of the cross-entropies `(heads,)` before the step, without weight decay.
        """
        return np.asarray(self._compiled(embeddings, targets, weights))

    def head(self, place: int) -> DenseHead:
        """A copy of one head as it is now; it takes embeddings as they are."""
        parts = [np.asarray(variable)[..., place, :].copy() for variable in self._own]
        layers = list(zip(parts[::2], parts[1::2], strict=True))
        head = DenseHead(layers[0] if self._width else None, layers[-1])
        return head.without_standardisation(self._means[:, place, 0], self._deviations[:, place, 0])

    def _start(self, size: int, seed: int) -> list[NDArray[np.float32]]:
        """What `models.head.build_head` starts with, once for each head; kernels `(inputs, heads, units)`."""
        last = np.asarray(keras.initializers.GlorotUniform(seed=seed)((self._width or size, self._classes)))
        layers = [last]
        if self._width:
            layers.insert(0, np.asarray(keras.initializers.HeNormal(seed=seed)((size, self._width))))
        start = []
        for kernel in layers:
            start += [
                np.repeat(kernel[:, None], self._heads, axis=1),
                np.zeros((self._heads, kernel.shape[1]), np.float32),
            ]
        return start

    def _step(self, embeddings: Any, targets: Any, weights: Any) -> Any:
        own = [variable.value for variable in self._own]
        with tf.GradientTape() as tape:
            tape.watch(own)
            logits = self._logits(own, embeddings)
            entropies = self._loss(ops.broadcast_to(targets[:, None], ops.shape(logits)), logits)
            losses = ops.sum(entropies * weights, axis=0)
            squares = sum(ops.sum(ops.square(kernel), axis=(0, 2)) for kernel in own[::2])
            total = ops.sum(losses + self._l2 * squares)
        self._adam.apply(tape.gradient(total, own), self._own)
        return losses

    def _logits(self, own: Sequence[Any], embeddings: Any) -> Any:
        """Logits `(rows, heads, classes)` while fitting."""
        # (x − mean) / deviation · kernel, with the standardisation moved into kernel and bias.
        kernel = own[0] / self._deviations
        bias = own[1] - ops.sum(self._means * kernel, axis=0)
        first = ops.matmul(embeddings, ops.reshape(kernel, (-1, self._heads * self._units)))
        first = ops.reshape(first, (-1, self._heads, self._units)) + bias
        if not self._width:
            return first
        hidden = ops.relu(first)
        if self._dropout.any():
            drawn = keras.random.uniform((ops.shape(hidden)[0], 1, self._width), seed=self._noise)
            hidden = ops.where(drawn >= self._dropout, hidden / (1 - self._dropout), 0.0)
        return ops.einsum("rhw,whk->rhk", hidden, own[2]) + own[3]
