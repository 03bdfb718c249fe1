"""The one pass through the backbone: every image, plain and in its augmented views, becomes an embedding."""

import math
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from models.backbones.pooling import POOLED, pooled_rows
from models.engines.engine import Engine
from models.films.refusal import Refusal
from models.system.ahead import ahead
from models.system.mapped_array import mapped_array
from models.system.precision import converted
from training.config import AugmentationConfig
from training.data.failed_films import FailedFilmsError
from training.data.manifest import Entry
from training.embedding.cache import EmbeddingCache
from training.embedding.canvas import Canvases
from training.embedding.folder_lungs import FolderLungs, film_of
from training.embedding.views import Film, View, Views, batched, film_views, view_name

ViewOfFilm = tuple[str, View]
"""The digest of a film, and a view of it."""

EmbeddingPass = Callable[
    [Sequence[tuple[Film, Sequence[View]]], Mapping[ViewOfFilm, str], AugmentationConfig, int],
    Iterator[dict[str, NDArray[np.float32]]],
]
"""Gives the embeddings of views of films, `(3, d)`, by their names in the cache, as they come."""

_VIEWS_PER_BATCH: Final = 32
_BATCHES_AHEAD: Final = 3
_VIEWS_PER_SHARD: Final = 512  # what a killed run loses at most: some ten seconds of work

LARGE: Final = 4 << 30
"""Bytes from which on embeddings are held in half precision, which rounds four times as finely as bfloat16, and in a file."""


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
    passing: EmbeddingPass | None = None,
) -> NDArray[np.float32]:
    """Embed every image: `(images, 1 + views, 3, d)`, the plain film first; what is pooled of each map.

    What the cache has is not computed again. `mean_only` leaves out all but the means, `(…, 1, d)`, which takes a third of the
    memory; more than `LARGE` bytes are held as float16, in a file beside the cache. `progress` is called with the views done and
    the views to do.

    Args:
        views: how many augmented views besides the plain film; or which views.
        lungs: where the lungs of the films are; None: the whole film is shown.
        passing: what passes films through the backbone instead of `engine`, and gives what that would give.

    Raises:
        FailedFilmsError: at the end of the pass, where it failed on some films; the cache then has the others.
    """
    wanted: Sequence[View] = range(views + 1) if isinstance(views, int) else views
    films = _films(root, entries, lungs, wanted, augmentation, seed)
    keys = _keys(films, wanted, augmentation, seed)
    found = _room(
        cache.folder, len(entries), len(wanted), 1 if mean_only else len(POOLED), engine.backbone.embedding_size
    )
    places = _places(entries, wanted, keys)
    missing = set(places)
    for key, embedding in cache.read(places):
        found[places[key]] = converted(embedding[: found.shape[2]], found.dtype)
        missing.discard(key)
    with _ShardWriter(cache) as writer:
        for embeddings in (passing or partial(_pass_here, engine))(
            _left(films, keys, missing), keys, augmentation, seed
        ):
            for key, embedding in embeddings.items():
                found[places[key]] = converted(embedding[: found.shape[2]], found.dtype)
            writer.add(embeddings)
            if progress is not None:
                progress(writer.come, len(missing))
    return found


def _room(folder: Path, *shape: int) -> NDArray[Any]:
    return np.empty(shape, np.float32) if 4 * math.prod(shape) <= LARGE else mapped_array(folder, shape, np.float16)


def _places(
    entries: Sequence[Entry], views: Sequence[View], keys: Mapping[ViewOfFilm, str]
) -> dict[str, tuple[list[int], int]]:
    """Where the embedding of each key goes: the rows of the films of that digest, and the place of the view."""
    rows: dict[str, list[int]] = {}
    for row, entry in enumerate(entries):
        rows.setdefault(entry.sha256, []).append(row)
    place_of = {view: place for place, view in enumerate(views)}
    return {key: (rows[sha256], place_of[view]) for (sha256, view), key in keys.items()}


def _left(
    films: Mapping[str, Film], keys: Mapping[ViewOfFilm, str], missing: Collection[str]
) -> list[tuple[Film, list[View]]]:
    """The films of which views are missing, with these."""
    left: dict[str, list[View]] = {}
    for (sha256, view), key in keys.items():
        if key in missing:
            left.setdefault(sha256, []).append(view)
    return [(films[sha256], views) for sha256, views in left.items()]


def _pass_here(
    engine: Engine,
    films: Sequence[tuple[Film, Sequence[View]]],
    keys: Mapping[ViewOfFilm, str],
    augmentation: AugmentationConfig,
    seed: int,
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """An `EmbeddingPass` on this machine."""
    for names, rows in embed_views(engine, films, augmentation=augmentation, seed=seed):
        yield {keys[name]: row for name, row in zip(names, rows, strict=True)}


def embed_views(
    engine: Engine,
    films: Sequence[tuple[Film, Sequence[View]]],
    *,
    augmentation: AugmentationConfig,
    seed: int,
    readers: int | None = None,
) -> Iterator[tuple[list[ViewOfFilm], NDArray[np.float32]]]:
    """Views of films and their embeddings `(n, 3, d)`, a batch at a time; arguments and errors as of `prepared_views`."""
    prepared = prepared_views(
        films,
        augmentation=augmentation,
        seed=seed,
        size=engine.backbone.input_size,
        per_batch=max(_VIEWS_PER_BATCH, 2 * engine.films_at_once),
        readers=readers,
    )
    with threadpool_limits(1, user_api="blas"):  # so that the last digit does not depend on how many cores there are
        for names, shown in prepared:
            seen = engine.run(shown.pixels)
            yield names, pooled_rows(seen.pooled, seen.feature_map, shown.lungs)


def _keys(
    films: Mapping[str, Film], views: Sequence[View], augmentation: AugmentationConfig, seed: int
) -> dict[ViewOfFilm, str]:
    """The name in the cache of each view of each film."""
    names = [(view, view_name(view, augmentation, seed)) for view in views]
    return {
        (sha256, view): f"{sha256}:{film.donated(view, name)}" for sha256, film in films.items() for view, name in names
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
    films: Sequence[tuple[Film, Sequence[View]]],
    *,
    augmentation: AugmentationConfig,
    seed: int,
    size: int,
    per_batch: int = _VIEWS_PER_BATCH,
    readers: int | None = None,
) -> Iterator[tuple[list[ViewOfFilm], Views]]:
    """Batches of views in order; the next ones are decoded and augmented while the backbone is at work.

    `readers` is on how many threads; None: on all cores.

    Raises:
        FailedFilmsError: after the last batch, where the views of some films could not be made.
    """
    failed: dict[Path, Refusal] = {}
    canvases = Canvases(size)

    def prepare(batch: Iterable[tuple[Film, Sequence[View]]]) -> tuple[list[ViewOfFilm], list[Views]]:
        names: list[ViewOfFilm] = []
        made: list[Views] = []
        for film, numbers in batch:
            try:
                made.append(film_views(film, numbers, config=augmentation, seed=seed, size=size, canvases=canvases))
                names += [(film.sha256, number) for number in numbers]
            except FailedFilmsError as error:
                failed.update(error.refusals)
        return names, made

    with ThreadPoolExecutor(readers or os.cpu_count()) as pool:
        try:
            for names, made in ahead(pool, prepare, batched(films, views=per_batch), _BATCHES_AHEAD):
                if made:
                    yield names, Views.joined(made)
        finally:
            pool.shutdown(cancel_futures=True)
    if failed:
        raise FailedFilmsError(failed)


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
