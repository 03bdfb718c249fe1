"""Batches of augmented views for whatever Keras trains."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from training.config import AugmentationConfig
from training.embedding.views import Film, Views, film_views


class FilmViews(keras.utils.PyDataset):
    """Batches of views, each film decoded once for all its views, in a background thread of Keras.

    An item is `(views, labels)`: float32 `(n, size, size, 1)` in 0–255, and int64 `(n,)`. For a head that pools over the lungs
    `views` is a pair, with how much of their places is lung, `(n, 28, 28)`.
    """

    def __init__(
        self,
        films: Sequence[tuple[Film, Sequence[int]]],
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
