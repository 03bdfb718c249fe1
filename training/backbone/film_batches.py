"""Batches of augmented views for whatever Keras trains."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from models.devices.spread import filled_up
from training.config import AugmentationConfig
from training.embedding.views import Film, Views, film_views

FilmViewed = tuple[Film, Sequence[int]]
"""A film, and the numbers of its views that are shown."""


class FilmViews(keras.utils.PyDataset):
    """Batches of views, each film decoded once for all its views, in a background thread of Keras.

    An item is `(views, labels)`: float32 `(n, size, size, 1)` in 0–255, and int64 `(n,)`. For a head that pools over the lungs
    `views` is a pair, with how much of their places is lung, `(n, 28, 28)`.
    """

    def __init__(
        self,
        films: Sequence[FilmViewed],
        *,
        size: int,
        config: AugmentationConfig,
        seed: int,
        films_per_batch: int,
        pooling: str,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self._films = films
        self._size = size
        self._config = config
        self._seed = seed
        self._films_per_batch = films_per_batch
        self._with_lungs = pooling == "lungs"

    def __len__(self) -> int:
        return -(-len(self._films) // self._films_per_batch)

    def __getitem__(self, index: int) -> tuple[Any, NDArray[np.int64]]:
        chosen = self._films[index * self._films_per_batch : (index + 1) * self._films_per_batch]
        views = Views.joined(
            [
                film_views(film, numbers, config=self._config, seed=self._seed, size=self._size)
                for film, numbers in chosen
            ]
        )
        labels = [film.label for film, numbers in chosen for _ in numbers]
        return tuple(views) if self._with_lungs else views.pixels, np.array(labels, dtype=np.int64)


class EvenViews(FilmViews):
    """The same in batches of one size, for devices that share each of them: `(views, labels, weights)`.

    What a batch lacks is filled up with copies of its last view, which weigh nothing. The others weigh what their class does,
    and so much more that a pass over all batches is the mean over its views, whatever they were divided into.
    """

    def __init__(
        self,
        films: Sequence[FilmViewed],
        *,
        class_weights: NDArray[np.float64],
        views_per_batch: int,
        devices: int,
        **how: Any,
    ) -> None:
        """Of each film as many views.

        Args:
            films: what is shown.
            class_weights: `(classes,)`.
            views_per_batch: about as many; the views of a film stay together.
            devices: how many share a batch; its size is a multiple of it.
            how: the other arguments of `FilmViews`.
        """
        views = len(films[0][1])
        per_batch = min(max(1, views_per_batch // views), len(films))
        super().__init__(films, films_per_batch=per_batch, **how)
        self._rows = -(-per_batch * views // devices) * devices
        self._weights = class_weights * (len(self) * self._rows / (len(films) * views))

    def __getitem__(self, index: int) -> tuple[Any, NDArray[np.int64], NDArray[np.float32]]:  # type: ignore[override]
        views, labels = super().__getitem__(index)
        weights = np.zeros(self._rows, np.float32)
        weights[: len(labels)] = self._weights[labels]
        many = isinstance(views, tuple)
        filled = tuple(filled_up(one, self._rows) for one in views) if many else filled_up(views, self._rows)
        return filled, filled_up(labels, self._rows), weights
