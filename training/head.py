"""Fitting the dense head on embeddings: seconds, because the backbone has done its work."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from models.head import DenseHead
from training.config import HeadTraining
from training.material import balanced_weights
from training.stack import Candidate, HeadStack

_IMAGES_AT_ONCE: Final = 256

# In fewer steps a head does not get far from its start: of a hundred films, the usual batches would make eight.
_FEWEST_STEPS: Final = 160
_SMALLEST_BATCH: Final = 32

_SMALLEST_DEVIATION: Final = 1e-3


class FittedHead(NamedTuple):
    """A head that takes embeddings as they are, and how it came about.

    Attributes:
        head: the head.
        epochs: passes that it has made.
        losses: the cross-entropy after each pass, of what is learnt and of what is watched; the second is empty where
            nothing is.
    """

    head: DenseHead
    epochs: int
    losses: tuple[list[float], list[float]]


class Part(NamedTuple):
    """Images that a head may learn from, and others whose loss is taken down but decides nothing; sorted indices."""

    images: NDArray[np.int64]
    watched: NDArray[np.int64] = np.empty(0, np.int64)


def fit_head(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64], candidate: Candidate, *, classes: int, seed: int
) -> FittedHead:
    """Fit one head on all images; arrays as for `fit_side_by_side`."""
    everything = Part(np.arange(len(labels)))
    return fit_side_by_side(embeddings, labels, [everything], [candidate], classes=classes, seed=seed)[0][0]


def fit_side_by_side(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    parts: Sequence[Part],
    candidates: Sequence[Candidate],
    *,
    classes: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[FittedHead]]:
    """Fit a head of each candidate on each part of the images, all of them in one compiled step.

    Every head makes the same number of steps, over the same batches of all images; those outside its part have no weight for
    it. So the heads of a cross-validation have learnt for exactly as long as the one that is kept, and the rate falls to 0
    in every one of them. Each has its own standardisation and class weights, from its part alone.

    Args:
        embeddings: `(images, views, d)`, the plain film first; never copied whole.
        labels: `(images,)`.
        parts: what to fit on.
        candidates: alike in width, rate, epochs and batch size; dropout, weight decay and class weights may differ.
        classes: how many.
        seed: of the start, the batches and dropout; the same seed gives the same heads.
        progress: called with the steps done and the steps to do.

    Returns:
        For each part, the head of each candidate.
    """
    lesson = _Lesson(embeddings, labels, parts, candidates, classes)
    training = candidates[0].training
    steps = _steps_in_a_pass(lesson.examples, training)
    stack = HeadStack(lesson.candidates, *lesson.statistics, classes=classes, seed=seed, steps=steps * training.epochs)
    curves: list[tuple[list[float], list[float]]] = [([], []) for _ in lesson.candidates]
    for epoch in range(training.epochs):
        order = np.random.default_rng([seed, epoch]).permutation(lesson.examples)
        seen, losses = np.zeros(len(curves)), np.zeros(len(curves))
        for number, places in enumerate(np.array_split(order, steps), start=1):
            batch, count = lesson.batch(places)
            losses += count * stack.step(*batch)
            seen += count
            if progress is not None:
                progress(epoch * steps + number, steps * training.epochs)
        for place, (learnt, watched) in enumerate(curves):
            learnt.append(float(losses[place] / seen[place]))
            watched += lesson.watched_loss(stack, place)
    fitted = [FittedHead(stack.head(place), training.epochs, curve) for place, curve in enumerate(curves)]
    return [fitted[start : start + len(candidates)] for start in range(0, len(fitted), len(candidates))]


def _steps_in_a_pass(examples: int, training: HeadTraining) -> int:
    """As many as batches of the usual size make; more, of smaller ones, where a folder is small."""
    rows = max(_SMALLEST_BATCH, examples * training.epochs // _FEWEST_STEPS)
    return -(-examples // min(rows, training.batch_size))


class _Lesson:
    """What the heads of a stack learn from; for each part one head of each candidate, in this order.

    Attributes:
        candidates: of the heads.
        examples: in a pass.
        statistics: means and deviations `(heads, d)`.
    """

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        labels: NDArray[np.int64],
        parts: Sequence[Part],
        candidates: Sequence[Candidate],
        classes: int,
    ) -> None:
        self._embeddings = embeddings
        self._one_hot = np.eye(classes, dtype=np.float32)[labels]
        self._parts = [part for part in parts for _ in candidates]
        self.candidates = [*candidates] * len(parts)
        self.examples = len(labels) * embeddings.shape[1]
        statistics = [_statistics(embeddings, part.images) for part in parts]
        self.statistics = tuple(np.repeat(kind, len(candidates), axis=0) for kind in zip(*statistics, strict=True))
        self._learns = np.zeros((len(labels), len(self._parts)), np.float32)
        self._weights = np.empty_like(self._learns)
        for place, (part, candidate) in enumerate(zip(self._parts, self.candidates, strict=True)):
            self._learns[part.images, place] = 1
            self._weights[:, place] = _class_weights(labels[part.images], candidate, classes)[labels]

    def batch(self, places: NDArray[np.int64]) -> tuple[tuple[NDArray[np.float32], ...], NDArray[np.float32]]:
        """What `HeadStack.step` takes of some views, numbered through, and how many of them each head learns from."""
        images, views = np.divmod(places, self._embeddings.shape[1])
        count = self._learns[images].sum(axis=0)
        weights = self._learns[images] * self._weights[images] / np.maximum(count, 1)
        return (self._embeddings[images, views], self._one_hot[images], weights), count

    def watched_loss(self, stack: HeadStack, place: int) -> list[float]:
        """The mean loss of one head on the plain films that are watched, weighed as while fitting; empty without any."""
        images = self._parts[place].watched
        if not len(images):
            return []
        smoothing = self.candidates[place].training.label_smoothing
        targets = self._one_hot[images] * (1 - smoothing) + smoothing / self._one_hot.shape[1]
        entropies = -targets * log_softmax(stack.head(place).logits(self._embeddings[images, 0]), axis=1)
        return [float(self._weights[images, place] @ entropies.sum(axis=1) / len(images))]


def _class_weights(labels: NDArray[np.int64], candidate: Candidate, classes: int) -> NDArray[np.float32]:
    return (balanced_weights(labels, classes) if candidate.training.class_weights else np.ones(classes)).astype(
        np.float32
    )


def _statistics(
    embeddings: NDArray[np.float32], images: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation `(d,)` over all views of some images, without a copy of them all."""
    size = embeddings.shape[-1]
    # Sums are taken about a mean of a few, so that nothing is lost where the deviation is small beside the mean.
    middle = embeddings[images[:_IMAGES_AT_ONCE]].reshape(-1, size).mean(axis=0)
    total, squares = np.zeros(size), np.zeros(size)
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        some = embeddings[images[start : start + _IMAGES_AT_ONCE]].reshape(-1, size)
        some -= middle
        total += some.sum(axis=0)
        squares += np.einsum("nd,nd->d", some, some)
    count = len(images) * embeddings.shape[1]
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
    # A channel that never fires has no deviation; it then stays at 0 instead of being blown up.
    return (middle + mean).astype(np.float32), np.maximum(deviation, _SMALLEST_DEVIATION).astype(np.float32)
