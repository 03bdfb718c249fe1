"""Fitting the dense head on embeddings: seconds, because the backbone has done its work."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from models.head import HeadConfig
from training.config import HeadTraining
from training.lesson import Examples, FittedHead, Lesson, Part
from training.stack import Candidate, HeadStack


@dataclass(frozen=True)
class HeadFitter:
    """Fits heads of one architecture.

    Attributes:
        classes: how many.
        config: the architecture.
        training: how to fit.
    """

    classes: int
    config: HeadConfig
    training: HeadTraining

    def fit(
        self,
        embeddings: NDArray[np.float32],
        labels: NDArray[np.int64],
        patients: Sequence[str],
        *,
        seed: int,
        epochs: int | None = None,
    ) -> FittedHead:
        """Fit a head on the views of images, `(images, views, d)`; the same seed gives the same head."""
        everything = Part(np.arange(len(labels)), seed)
        return self.fit_parts(embeddings, labels, patients, [everything], epochs=epochs)[0]

    def fit_parts(
        self,
        embeddings: NDArray[np.float32],
        labels: NDArray[np.int64],
        patients: Sequence[str],
        parts: Sequence[Part],
        *,
        epochs: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[FittedHead]:
        """Fit a head on each part; see `fit_side_by_side`."""
        candidate = Candidate(self.config, self.training)
        rows = fit_side_by_side(
            embeddings,
            labels,
            patients,
            parts,
            [candidate],
            classes=self.classes,
            epochs=epochs,
            progress=progress,
        )
        return [heads[0] for heads in rows]


def fit_side_by_side(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    patients: Sequence[str],
    parts: Sequence[Part],
    candidates: Sequence[Candidate],
    *,
    classes: int,
    epochs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[FittedHead]]:
    """Fit a head of each candidate on each part of the images, all of them in one compiled step.

    Heads know nothing of each other: each has its own standardisation, batches, class weights and end, and is what it
    would be if it were fitted alone. Without `epochs`, a seventh of a part's patients is held out and a head stops when
    their loss, on plain films, no longer falls; with it, exactly so many passes are made over all patients of the part.

    Args:
        embeddings: `(images, views, d)`, the plain film first; never copied whole.
        labels: `(images,)`.
        patients: the patient of each image.
        parts: what to fit on.
        candidates: they may differ in dropout, weight decay and class weights.
        classes: how many.
        epochs: passes to make.
        progress: called with the steps done and the steps there may be.

    Returns:
        For each part, the head of each candidate.
    """
    training = candidates[0].training
    lessons = [Lesson(embeddings, labels, patients, part, candidates, classes, epochs) for part in parts]
    stack = HeadStack(
        embeddings.shape[-1],
        classes,
        candidates,
        [part.seed for part in parts],
        # The same fall of the rate whether or not fitting ends early, so that a number of passes means the same in both.
        steps=[lesson.steps * training.epochs for lesson in lessons],
    )
    most = max(lesson.steps for lesson in lessons) * (epochs or training.epochs)
    for number, batch in enumerate(_prepared(lessons, most), start=1):
        losses = stack.step(*batch)
        for place, lesson in enumerate(lessons):
            lesson.note(stack, place, number, losses[place])
        if progress is not None:
            progress(number, most)
        if all(lesson.over for lesson in lessons):
            break
    if progress is not None:
        progress(most, most)
    return [lesson.fitted() for lesson in lessons]


def _prepared(lessons: Sequence[Lesson], most: int) -> Iterator[Examples]:
    """What `HeadStack.step` takes, step by step; the next batches are gathered while a step is computed."""
    turns = cycle([_blank(lessons), _blank(lessons)])
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(_gather, lessons, next(turns), 0)
        for number in range(1, most + 1):
            together = following.result()
            if number < most:
                following = pool.submit(_gather, lessons, next(turns), number)
            yield together


def _blank(lessons: Sequence[Lesson]) -> Examples:
    embeddings, targets, weights = (
        np.zeros((len(lessons), lessons[0].rows, columns), np.float32) for columns in lessons[0].columns
    )
    return embeddings, targets, weights


def _gather(lessons: Sequence[Lesson], together: Examples, number: int) -> Examples:
    """Write the batches of a step, one lesson beside the other; rows without an example have weight 0."""
    embeddings, targets, weights = together
    for place, lesson in enumerate(lessons):
        if not lesson.over:
            lesson.fill((embeddings[place], targets[place], weights[place]), number)
    return together
