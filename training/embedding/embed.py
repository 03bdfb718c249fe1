"""The one pass through the backbone: every image, plain and in its augmented views, becomes an embedding."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backbones.pooling import POOLED, pooled_rows
from models.engines.engine import Engine
from training.config import AugmentationConfig
from training.data.manifest import Entry
from training.embedding.cache import EmbeddingCache
from training.embedding.folder_lungs import FolderLungs, film_of
from training.embedding.views import Film, View, Views, batched, film_views

_VIEWS_PER_BATCH: Final = 32
_BATCHES_AHEAD: Final = 3
_VIEWS_PER_SHARD: Final = 512  # what a killed run loses at most: some ten seconds of work


def embed(
    engine: Engine,
    root: Path,
    entries: Sequence[Entry],
    cache: EmbeddingCache,
    *,
    views: int | Sequence[View],
    augmentation: AugmentationConfig,
    seed: int,
    lungs: FolderLungs | None = None,
    mean_only: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Embed every image: `(images, 1 + views, 3, d)`, the plain film first; what is pooled of each map.

    What the cache has is not computed again. `mean_only` leaves out all but the means, `(…, 1, d)`, which takes a third of the
    memory. `progress` is called with the views done and the views to do.

    Args:
        views: how many augmented views besides the plain film; or which views.
        lungs: where the lungs of the films are; None: the whole film is shown.
    """
    wanted: Sequence[View] = range(views + 1) if isinstance(views, int) else views
    row_of = {sha256: row for row, sha256 in enumerate(dict.fromkeys(entry.sha256 for entry in entries))}
    films = _films(root, entries, lungs, wanted, augmentation, seed)
    keys = _keys(films, wanted, augmentation, seed)
    poolings = 1 if mean_only else len(POOLED)
    found = np.empty((len(row_of), len(wanted), poolings, engine.backbone.embedding_size), dtype=np.float32)
    places = {key: (row_of[sha256], place) for (sha256, place), key in keys.items()}
    missing = set(places)
    for key, embedding in cache.read(places):
        found[places[key]] = embedding[:poolings]
        missing.discard(key)
    work = [
        (film, left)
        for sha256, film in films.items()
        if (left := [view for place, view in enumerate(wanted) if keys[sha256, place] in missing])
    ]
    coming = iter([key for key in keys.values() if key in missing])
    with _ShardWriter(cache) as writer:
        for shown in prepared_views(work, augmentation=augmentation, seed=seed, size=engine.backbone.input_size):
            seen = engine.run(shown.pixels)
            rows = pooled_rows(seen.pooled, seen.feature_map, shown.lungs)
            embeddings = {next(coming): embedding for embedding in rows}
            for key, embedding in embeddings.items():
                found[places[key]] = embedding[:poolings]
            writer.add(embeddings)
            if progress is not None:
                progress(writer.come, len(missing))
    return found if len(row_of) == len(entries) else found[[row_of[entry.sha256] for entry in entries]]


def _keys(
    films: Mapping[str, Film], views: Sequence[View], augmentation: AugmentationConfig, seed: int
) -> dict[tuple[str, int], str]:
    """The name in the cache of each view of each film, by the film's digest and the place of the view."""
    return {
        (sha256, place): f"{sha256}:{film.view_name(view, augmentation, seed)}"
        for sha256, film in films.items()
        for place, view in enumerate(views)
    }


def _films(
    root: Path,
    entries: Sequence[Entry],
    lungs: FolderLungs | None,
    views: Sequence[View],
    augmentation: AugmentationConfig,
    seed: int,
) -> dict[str, Film]:
    """Each film once, by its digest; with lungs in the order of the digests, in which donors follow those they give to."""
    first: dict[str, Entry] = {}
    for entry in entries:
        first.setdefault(entry.sha256, entry)
    order = first if lungs is None else sorted(first)
    return {
        sha256: film_of(root, first[sha256], lungs, views=views, augmentation=augmentation, seed=seed)
        for sha256 in order
    }


def prepared_views(
    films: Sequence[tuple[Film, Sequence[View]]], *, augmentation: AugmentationConfig, seed: int, size: int
) -> Iterator[Views]:
    """Batches of views in order; the next ones are decoded and augmented on all cores while the backbone is at work."""

    def prepare(batch: Iterable[tuple[Film, Sequence[View]]]) -> Views:
        return Views.joined(
            [film_views(film, numbers, config=augmentation, seed=seed, size=size) for film, numbers in batch]
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        coming: deque[Future[Views]] = deque()
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
