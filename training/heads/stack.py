"""Heads side by side: one step moves them all, in plain NumPy. `tests/training/test_head.py` holds it to Keras' own step.

A step is two products of matrices and a pass over the kernels. Compiled by TensorFlow it took twice as long, and its loading a
second and 400 MB (ten heads of 64 units on 5,216 films, ResNet-50, two cores).
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.special import log_softmax

from models.head import DenseHead, HeadConfig
from training.config import HeadTraining
from training.heads.adam import Adam, Array

_NUMBERS_AT_ONCE: Final = (
    200_000  # of a kernel: a step passes over them some twenty times, in the processor's own cache
)


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
        self, candidates: Sequence[Candidate], means: Array, deviations: Array, *, classes: int, seed: int, steps: int
    ) -> None:
        first, training = candidates[0]
        heads = len(candidates)
        self._width, self._smoothing = first.width, np.float32(training.label_smoothing)
        self._dropout = np.array([[one.head.dropout] for one in candidates], np.float32)
        self._decay = np.array(
            [[2 * one.training.l2] for one in candidates], np.float32
        )  # times a kernel: its gradient
        self._dice = np.random.default_rng(seed)
        start, *after = _start(means.shape[1], first.width, classes, self._dice)
        # As (d, heads, 1), to be met by the first kernels (d, heads, units).
        self._means: Array = np.ascontiguousarray(means.T[..., None])
        self._scales: Array = np.ascontiguousarray(1 / deviations.T[..., None])
        self._first = np.repeat(start[:, None], heads, axis=1)
        self._bias = np.zeros(self._first.shape[1:], np.float32)
        # (heads, units, classes) and (heads, 1, classes); none without a hidden layer.
        self._last = [np.repeat(kernel[None], heads, axis=0) for kernel in after]
        self._last += [np.zeros((heads, 1, classes), np.float32) for _ in after]
        self._adam = Adam([self._first, self._bias, *self._last], training.learning_rate, steps)
        rows = max(1, _NUMBERS_AT_ONCE // self._bias.size)
        self._portions = [slice(start, start + rows) for start in range(0, len(self._first), rows)]
        # The first layers with their standardisation in them: of embeddings as they are.
        self._folded = np.empty_like(self._first)
        self._shift = self._bias - sum(self._fold(rows) for rows in self._portions)

    def step(self, embeddings: Array, targets: Array, weights: Array) -> Array:
        """Move every head by one batch.

        Args:
            embeddings: `(rows, d)`, as they are.
            targets: `(rows, classes)`, one-hot.
            weights: `(rows, heads)`, of each example in each head's sum.

        Returns:
            The weighted sums of the cross-entropies `(heads,)` before the step, without weight decay.
        """
        first = (embeddings @ self._folded.reshape(len(self._folded), -1)).reshape(-1, *self._bias.shape)
        first += self._shift
        logits, kept = self._last_layer(first) if self._width else (first.swapaxes(0, 1), None)
        likely = log_softmax(logits, axis=-1)
        wanted = targets * (1 - self._smoothing) + self._smoothing / targets.shape[1]
        gradient = (np.exp(likely) - wanted) * weights.T[..., None]
        self._adam.begin_step()
        gradient = gradient.swapaxes(0, 1) if kept is None else self._move_last(gradient, first, kept)
        self._move_first(embeddings, np.ascontiguousarray(gradient))
        return -np.einsum("hrk,rk,rh->h", likely, wanted, weights)

    def head(self, place: int) -> DenseHead:
        """A copy of one head as it is now; it takes embeddings as they are."""
        first = (self._folded[:, place].copy(), self._shift[place].copy())
        if not self._width:
            return DenseHead(None, first)
        kernel, bias = self._last
        return DenseHead(first, (kernel[place].copy(), bias[place, 0].copy()))

    def _last_layer(self, first: Array) -> tuple[Array, Array]:
        """Logits `(heads, rows, classes)`; outputs of the first layer become hidden units, multiplied by what dropout keeps."""
        np.maximum(first, 0, out=first)
        kept = np.ones((1, 1, 1), np.float32)
        if self._dropout.any():
            drawn = self._dice.random((len(first), 1, self._width), np.float32)
            kept = np.where(drawn >= self._dropout, 1 / (1 - self._dropout), np.float32(0))
            first *= kept
        kernel, bias = self._last
        return first.swapaxes(0, 1) @ kernel + bias, kept

    def _move_last(self, gradient: Array, hidden: Array, kept: Array) -> Array:
        """Move the last layers by the gradient at the logits; return that at the first layers' outputs."""
        kernel = self._last[0]
        back = np.empty_like(hidden)
        np.matmul(gradient, kernel.swapaxes(1, 2), out=back.swapaxes(0, 1))
        back *= kept
        back *= hidden > 0
        self._adam.move(2, hidden.transpose(1, 2, 0) @ gradient + self._decay[..., None] * kernel)
        self._adam.move(3, gradient.sum(axis=1, keepdims=True))
        return back

    def _move_first(self, embeddings: Array, gradient: Array) -> None:
        """Move the first layers by the gradient `(rows, heads, units)` at their outputs."""
        of_bias = gradient.sum(axis=0)
        folded = self._folded.reshape(len(self._folded), -1)
        np.matmul(embeddings.T, gradient.reshape(len(gradient), -1), out=folded)  # has done its work in this step
        shifts = [self._move_rows(rows, of_bias) for rows in self._portions]
        self._adam.move(1, of_bias)
        self._shift = self._bias - sum(shifts)

    def _move_rows(self, rows: slice, of_bias: Array) -> Array:
        """Move some rows of the first kernels, whose gradient lies in `_folded` but for standardisation and weight decay."""
        gradient = self._folded[rows]
        gradient -= self._means[rows] * of_bias
        gradient *= self._scales[rows]
        gradient += self._decay * self._first[rows]
        self._adam.move(0, gradient, rows)
        return self._fold(rows)

    def _fold(self, rows: slice) -> Array:
        """Standardise within some rows of the kernels; return what the means then add `(heads, units)`."""
        np.multiply(self._first[rows], self._scales[rows], out=self._folded[rows])
        return np.asarray(np.einsum("dh,dhu->hu", self._means[rows, :, 0], self._folded[rows]))


def _start(size: int, width: int, classes: int, dice: np.random.Generator) -> list[Array]:
    """Kernels to start with, as in `models.head.build_head`: He et al. 2015 before a ReLU, Glorot & Bengio 2010 before logits."""
    inputs = width or size
    limit = math.sqrt(6 / (inputs + classes))
    last = dice.uniform(-limit, limit, (inputs, classes)).astype(np.float32)
    if not width:
        return [last]
    return [dice.standard_normal((size, width), np.float32) * np.float32(math.sqrt(2 / size)), last]
