"""What a head learns from, batch by batch, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.head import DenseHead
from training.folds import STOPPING_SHARE, grouped_hold_out
from training.stack import Candidate, HeadStack

_IMAGES_AT_ONCE: Final = 256
_SMALLEST_DEVIATION: Final = 1e-3

Examples = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Standardised embeddings `(rows, d)`, one-hot labels `(rows, classes)` and weights `(rows, candidates)` of a mean."""


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


def usual_epochs(fitted: Sequence[FittedHead]) -> int:
    """The median of the passes after which heads were best."""
    return round(float(np.median([one.epochs for one in fitted])))


class Part(NamedTuple):
    """The images that a head may learn from, as sorted indices, and the seed of its start, batches and dropout."""

    images: NDArray[np.int64]
    seed: int


@dataclass
class _Course:
    """A head on its way: its loss after each pass, and what to keep of it."""

    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    kept: DenseHead | None = None
    over: bool = False

    @property
    def best(self) -> int:
        return int(np.argmin(self.validation)) + 1 if self.validation else len(self.training)


class Lesson:
    """What the heads of one part learn from, batch by batch, and what came of it.

    Attributes:
        rows: of a batch, at most.
        columns: of the three arrays of a batch.
        steps: batches in a pass.
    """

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        labels: NDArray[np.int64],
        patients: Sequence[str],
        part: Part,
        candidates: Sequence[Candidate],
        classes: int,
        epochs: int | None,
    ) -> None:
        self._embeddings, self._labels, self._seed = embeddings, labels, part.seed
        self._candidates, self._classes, self._epochs = candidates, classes, epochs
        self._fit, self._held_out = part.images, part.images[:0]
        if epochs is None:
            people = [patients[index] for index in part.images]
            split = grouped_hold_out(labels[part.images], people, fraction=STOPPING_SHARE, seed=part.seed)
            self._fit, self._held_out = (part.images[places] for places in split)
        self._mean, self._deviation = _statistics(embeddings, self._fit)
        balanced = len(self._fit) / (classes * np.bincount(labels[self._fit], minlength=classes))
        weighed = np.array([[one.training.class_weights] for one in candidates])
        self._weights = np.where(weighed, balanced, 1.0).astype(np.float32)
        self._courses = [_Course() for _ in candidates]
        self._examples = len(self._fit) * embeddings.shape[1]
        self._sum = np.zeros(len(candidates))
        self.rows = candidates[0].training.batch_size
        self.columns = embeddings.shape[-1], classes, len(candidates)
        self.steps = -(-self._examples // self.rows)

    @property
    def over(self) -> bool:
        """Whether none of its heads learns any more."""
        return all(course.over for course in self._courses)

    def fill(self, batch: Examples, number: int) -> None:
        """Write the batch of a step, from 0, over the first rows: each pass goes over all views in an order of its own."""
        epoch, step = divmod(number, self.steps)
        if step == 0:
            self._order = np.random.default_rng([self._seed, epoch]).permutation(self._examples)
        places = self._order[step * self.rows : (step + 1) * self.rows]
        images, views = np.divmod(places, self._embeddings.shape[1])
        for array, examples in zip(batch, self._examples_of(self._fit[images], views), strict=True):
            array[: len(places)] = examples
            array[len(places) :] = 0

    def note(self, stack: HeadStack, place: int, number: int, losses: NDArray[np.float32]) -> None:
        """Take down the losses `(candidates,)` of step `number`, from 1; at the end of a pass, see who has learnt enough."""
        if self.over:
            return
        step = (number - 1) % self.steps
        self._sum += losses * min(self.rows, self._examples - step * self.rows)
        if step == self.steps - 1:
            self._end_pass(stack, place, number // self.steps)
            self._sum[:] = 0

    def fitted(self) -> list[FittedHead]:
        """The head of each candidate."""
        return [
            FittedHead(
                course.kept.without_standardisation(self._mean, self._deviation),
                course.best,
                (course.training, course.validation),
            )
            for course in self._courses
            if course.kept is not None
        ]

    def _end_pass(self, stack: HeadStack, place: int, passes: int) -> None:
        plain = np.zeros(len(self._held_out), np.int64)
        watched = stack.losses(place, *self._examples_of(self._held_out, plain)) if len(plain) else None
        for candidate, course in enumerate(self._courses):
            if course.over:
                continue
            training = self._candidates[candidate].training
            course.training.append(float(self._sum[candidate]) / self._examples)
            if watched is not None:
                course.validation.append(float(watched[candidate]))
            if course.best == passes:
                course.kept = stack.head(place, candidate)
            course.over = passes == (self._epochs or training.epochs) or passes - course.best >= training.patience

    def _examples_of(self, images: NDArray[np.int64], views: NDArray[np.int64]) -> Examples:
        embeddings = self._embeddings[images, views]
        embeddings -= self._mean
        embeddings /= self._deviation
        labels = self._labels[images]
        weights = self._weights[:, labels].T / len(images)
        return embeddings, np.eye(self._classes, dtype=np.float32)[labels], weights.astype(np.float32)


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
