"""The one pass through the backbone: every image, plain and in its augmented views, becomes an embedding."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.engines.engine import Engine
from training.config import AugmentationConfig
from training.data.manifest import Entry
from training.embedding.cache import EmbeddingCache
from training.embedding.views import Film, batched, film_views

_VIEWS_PER_BATCH: Final = 32
_BATCHES_AHEAD: Final = 3
_VIEWS_PER_SHARD: Final = 512  # what a killed run loses at most: some ten seconds of work


def embed(
    engine: Engine,
    root: Path,
    entries: Sequence[Entry],
    cache: EmbeddingCache,
    *,
    views: int,
    augmentation: AugmentationConfig,
    seed: int,
    mean_only: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Embed every image: `(images, 1 + views, 2, d)`, the plain film first; mean and maximum of each feature map.

    What the cache has is not computed again. `mean_only` leaves the maxima out of what is returned, `(…, 1, d)`, which takes
    half the memory. `progress` is called with the views done and the views to do.
    """
    names = [augmentation.fingerprint(seed, view) for view in range(views + 1)]
    paths: dict[str, Path] = {}
    for entry in entries:
        paths.setdefault(entry.sha256, root / entry.path)
    rows = {sha256: row for row, sha256 in enumerate(paths)}
    places = {f"{sha256}:{name}": (row, view) for sha256, row in rows.items() for view, name in enumerate(names)}
    poolings = 1 if mean_only else 2
    found = np.empty((len(rows), len(names), poolings, engine.backbone.embedding_size), dtype=np.float32)
    missing = set(places)
    for key, embedding in cache.read(places):
        found[places[key]] = embedding[:poolings]
        missing.discard(key)
    films = [
        (Film(path, sha256), numbers)
        for sha256, path in paths.items()
        if (numbers := [view for view, name in enumerate(names) if f"{sha256}:{name}" in missing])
    ]
    keys = iter([f"{film.sha256}:{names[view]}" for film, numbers in films for view in numbers])
    with _ShardWriter(cache) as writer:
        for pixels in prepared_views(films, augmentation=augmentation, seed=seed, size=engine.backbone.input_size):
            embeddings = {next(keys): embedding for embedding in engine.run(pixels).pooled}
            for key, embedding in embeddings.items():
                found[places[key]] = embedding[:poolings]
            writer.add(embeddings)
            if progress is not None:
                progress(writer.come, len(missing))
    return found if len(rows) == len(entries) else found[[rows[entry.sha256] for entry in entries]]


def prepared_views(
    films: Sequence[tuple[Film, Sequence[int]]], *, augmentation: AugmentationConfig, seed: int, size: int
) -> Iterator[NDArray[np.float32]]:
    """Batches of views in order; the next ones are decoded and augmented on all cores while the backbone is at work."""

    def prepare(batch: Iterable[tuple[Film, Sequence[int]]]) -> NDArray[np.float32]:
        views = [film_views(film, numbers, config=augmentation, seed=seed, size=size) for film, numbers in batch]
        return np.concatenate(views)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        coming: deque[Future[NDArray[np.float32]]] = deque()
        try:
            for batch in batched(films, views=_VIEWS_PER_BATCH):
                coming.append(pool.submit(prepare, batch))
                if len(coming) > _BATCHES_AHEAD:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


class _ShardWriter:
    """Writes embeddings to the cache from time to time, and what is left when the pass ends or is broken off."""

    def __init__(self, cache: EmbeddingCache) -> None:
        self.come = 0
        self._cache = cache
        self._unwritten: dict[str, NDArray[np.float32]] = {}

    def __enter__(self) -> "_ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()

    def add(self, embeddings: dict[str, NDArray[np.float32]]) -> None:
        """Take what has come, by key."""
        self.come += len(embeddings)
        self._unwritten |= embeddings
        if len(self._unwritten) >= _VIEWS_PER_SHARD:
            self._flush()

    def _flush(self) -> None:
        self._cache.write(self._unwritten)
        self._unwritten = {}
