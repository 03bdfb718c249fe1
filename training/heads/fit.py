"""Fitting the dense head on embeddings: seconds, because the backbone has done its work."""

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from threadpoolctl import threadpool_limits

from models.head import DenseHead
from models.system.precision import converted
from training.config import HeadTraining
from training.data.learnable import balanced_weights
from training.heads.shuffle import passes, shuffled
from training.heads.stack import Candidate, HeadStack

_IMAGES_AT_ONCE: Final = 256
_JUDGED_AT_ONCE: Final = 16_384

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
    """Fit a head of each candidate on each part of the images; each core fits a share of them, side by side.

    Every head makes the same number of steps, over the same batches of all images; those outside its part have no weight for
    it. So the heads of a cross-validation have learnt for exactly as long as the one that is kept, and the rate falls to 0
    in every one of them. Each has its own standardisation and class weights, from its part alone.

    Args:
        embeddings: `(images, views, d)`, the plain film first, or `(images, views, p, e)` with d = p × e; float32 or float16;
            never copied whole, so that they may lie in a file that is larger than the memory.
        labels: `(images,)`.
        parts: what to fit on.
        candidates: alike in width, rate, epochs and batch size; dropout, weight decay and class weights may differ.
        classes: how many.
        seed: of the start, the batches and dropout; the same seed gives the same heads on as many cores.
        progress: called with the steps done and the steps to do.

    Returns:
        For each part, the head of each candidate.
    """
    cores, one_hot = os.cpu_count() or 1, np.eye(classes, dtype=np.float32)[labels]
    with ThreadPoolExecutor(cores) as pool:
        statistics = pool.map(lambda part: _statistics(embeddings, part.images), parts)
        lessons = [
            _Lesson(part, candidate, *found, _class_weights(labels, part, candidate, classes))
            for part, found in zip(parts, statistics, strict=True)
            for candidate in candidates
        ]
        shares = [lessons[start::cores] for start in range(min(cores, len(lessons)))]
        # One share tells how far all are: they have as many steps to make, and as much to do in each.
        tell = [progress, *[None] * (len(shares) - 1)]
        with threadpool_limits(max(1, cores // len(shares))):
            fitted = list(pool.map(lambda *of: _fit(embeddings, one_hot, *of, seed=seed), shares, tell))
    heads = [fitted[place % cores][place // cores] for place in range(len(lessons))]
    return [heads[start : start + len(candidates)] for start in range(0, len(heads), len(candidates))]


def plain_logits(head: DenseHead, embeddings: NDArray[np.float32], films: NDArray[np.int64]) -> NDArray[np.float32]:
    """A head's logits `(m, classes)` of the plain views of some films, of embeddings as for `fit_side_by_side`."""
    parts = [films[start : start + _JUDGED_AT_ONCE] for start in range(0, max(1, len(films)), _JUDGED_AT_ONCE)]
    return np.concatenate([head.logits(_rows(embeddings[part, 0])) for part in parts])


def _rows(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Embeddings `(n, d)` of some views, as they are computed with."""
    rows = embeddings.reshape(len(embeddings), math.prod(embeddings.shape[1:]))
    return np.asarray(converted(rows, np.float32), np.float32)


@dataclass(frozen=True, eq=False)
class _Lesson:
    """What one head learns from.

    Attributes:
        part: the images.
        candidate: the head.
        mean, deviation: `(d,)`, of the part's embeddings.
        weights: `(images,)`, of all images, by their class.
    """

    part: Part
    candidate: Candidate
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    weights: NDArray[np.float32]

    def learnt_weights(self) -> NDArray[np.float32]:
        """The weights of the part, 0 for all other images."""
        learnt = np.zeros_like(self.weights)
        learnt[self.part.images] = self.weights[self.part.images]
        return learnt

    def watched_loss(
        self, head: DenseHead, embeddings: NDArray[np.float32], one_hot: NDArray[np.float32]
    ) -> list[float]:
        """The head's mean loss on the plain films that are watched, weighed as while fitting; empty without any."""
        images = self.part.watched
        if not len(images):
            return []
        smoothing = self.candidate.training.label_smoothing
        targets = one_hot[images] * (1 - smoothing) + smoothing / one_hot.shape[1]
        entropies = -targets * log_softmax(plain_logits(head, embeddings, images), axis=1)
        return [float(self.weights[images] @ entropies.sum(axis=1) / len(images))]


def _fit(
    embeddings: NDArray[np.float32],
    one_hot: NDArray[np.float32],
    lessons: Sequence[_Lesson],
    progress: Callable[[int, int], None] | None,
    *,
    seed: int,
) -> list[FittedHead]:
    """Fit a head for each lesson; arrays as for `fit_side_by_side`."""
    training = lessons[0].candidate.training
    views = embeddings.shape[1]
    examples = len(embeddings) * views
    steps, epochs = _steps_in_a_pass(examples, training), passes(examples, training.epochs)
    stack = HeadStack(
        [lesson.candidate for lesson in lessons],
        *(np.stack(kind) for kind in zip(*((lesson.mean, lesson.deviation) for lesson in lessons), strict=True)),
        classes=one_hot.shape[1],
        seed=seed,
        steps=steps * epochs,
    )
    weights = np.stack([lesson.learnt_weights() for lesson in lessons], axis=1)
    curves: list[tuple[list[float], list[float]]] = [([], []) for _ in lessons]
    for epoch in range(epochs):
        seen, losses = np.zeros(len(lessons)), np.zeros(len(lessons))
        for number, places in enumerate(np.array_split(shuffled(examples, [seed, epoch]), steps), start=1):
            images, which = np.divmod(places, views)
            count = np.count_nonzero(weights[images], axis=0)
            shares = weights[images] / np.maximum(count, 1).astype(np.float32)
            losses += count * stack.step(_rows(embeddings[images, which]), one_hot[images], shares)
            seen += count
            if progress is not None:
                progress(epoch * steps + number, steps * epochs)
        for place, (lesson, (learnt, watched)) in enumerate(zip(lessons, curves, strict=True)):
            learnt.append(float(losses[place] / seen[place]))
            watched += lesson.watched_loss(stack.head(place), embeddings, one_hot)
    return [FittedHead(stack.head(place), epochs, curve) for place, curve in enumerate(curves)]


def _class_weights(labels: NDArray[np.int64], part: Part, candidate: Candidate, classes: int) -> NDArray[np.float32]:
    """What every image weighs by its class, as these are distributed in the part."""
    if not candidate.training.class_weights:
        return np.ones(len(labels), np.float32)
    return balanced_weights(labels[part.images], classes)[labels].astype(np.float32)


def _steps_in_a_pass(examples: int, training: HeadTraining) -> int:
    """As many as batches of the usual size make; more, of smaller ones, where a folder is small."""
    rows = max(_SMALLEST_BATCH, examples * training.epochs // _FEWEST_STEPS)
    return -(-examples // min(rows, training.batch_size))


def _statistics(
    embeddings: NDArray[np.float32], images: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and deviation `(d,)` over all views of some images, without a copy of them all."""
    size = math.prod(embeddings.shape[2:])
    # Sums are taken about a mean of a few, so that nothing is lost where the deviation is small beside the mean.
    middle = embeddings[images[:_IMAGES_AT_ONCE]].reshape(-1, size).mean(axis=0, dtype=np.float32)
    total, squares = np.zeros(size), np.zeros(size)
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        some = _rows(embeddings[images[start : start + _IMAGES_AT_ONCE]].reshape(-1, size))
        some -= middle
        total += some.sum(axis=0)
        squares += np.einsum("nd,nd->d", some, some)
    count = len(images) * embeddings.shape[1]
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
    # A channel that never fires has no deviation; it then stays at 0 instead of being blown up.
    return (middle + mean).astype(np.float32), np.maximum(deviation, _SMALLEST_DEVIATION).astype(np.float32)
