"""The one pass through the backbone: every image, plain and in its augmented views, becomes an embedding."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from models.network import FeatureExtractor, embedder
from training.cache import EmbeddingCache
from training.config import AugmentationConfig
from training.manifest import Entry
from training.views import Film, FilmViews, augmented

_VIEWS_PER_BATCH: Final = 32
_VIEWS_PER_SHARD: Final = 256  # what a killed run loses at most: some ten seconds of work


def embed(
    extractor: FeatureExtractor,
    root: Path,
    entries: Sequence[Entry],
    cache: EmbeddingCache,
    *,
    views: int,
    augmentation: AugmentationConfig,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Embed every image: `(images, 1 + views, d)`, the plain film first.

    What the cache has is not computed again. `progress` is called with the views done and the views to do.
    """
    names = [augmentation.fingerprint(seed, view) for view in range(views + 1)]
    keys = [[f"{entry.sha256}:{name}" for name in names] for entry in entries]
    done = cache.read(key for row in keys for key in row)
    films = []
    for entry, row in {entry.sha256: (entry, row) for entry, row in zip(entries, keys, strict=True)}.values():
        if missing := [view for view, key in enumerate(row) if key not in done]:
            films.append((Film(root / entry.path, entry.sha256), missing))
    if films:
        _run(extractor, films, names, cache, done, augmentation=augmentation, seed=seed, progress=progress)
    return np.stack([np.stack([done[key] for key in row]) for row in keys])


def _run(
    extractor: FeatureExtractor,
    films: Sequence[tuple[Film, list[int]]],
    names: Sequence[str],
    cache: EmbeddingCache,
    done: dict[str, NDArray[np.float32]],
    *,
    augmentation: AugmentationConfig,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    batches = FilmViews(
        films,
        extractor.resize,
        config=augmentation,
        seed=seed,
        films_per_batch=max(1, _VIEWS_PER_BATCH // len(names)),
    )
    inputs, pixels = augmented(extractor.resize.output_shape[1])
    network = keras.Model(inputs, embedder(extractor)(pixels))
    keys = [f"{film.sha256}:{names[view]}" for film, views in films for view in views]
    writer = _CacheWriter(keys, cache, done, progress)
    try:
        network.predict(batches, verbose=0, callbacks=[writer])
    finally:
        writer.flush()  # Keras calls nothing when it is interrupted


class _CacheWriter(keras.callbacks.Callback):
    """Takes each batch as it comes, in order, and writes a shard from time to time."""

    def __init__(
        self,
        keys: Sequence[str],
        cache: EmbeddingCache,
        done: dict[str, NDArray[np.float32]],
        progress: Callable[[int, int], None] | None,
    ) -> None:
        super().__init__()
        self._keys = keys
        self._cache = cache
        self._done = done
        self._progress = progress
        self._come = 0
        self._unwritten: dict[str, NDArray[np.float32]] = {}

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        embeddings = np.asarray((logs or {})["outputs"])
        self._unwritten |= dict(zip(self._keys[self._come : self._come + len(embeddings)], embeddings, strict=True))
        self._come += len(embeddings)
        if len(self._unwritten) >= _VIEWS_PER_SHARD:
            self.flush()
        if self._progress is not None:
            self._progress(self._come, len(self._keys))

    def flush(self) -> None:
        """Write what has come and is not written yet."""
        self._cache.write(self._unwritten)
        self._done |= self._unwritten
        self._unwritten = {}
