"""Fit the finder in closed form: what lung looks like at a place, what shape lungs have, which pictures are upright films."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.engines.engine import Engine
from models.films.network_input import network_input
from models.lungs.finder import (
    CHANNELS,
    PLACES,
    WAVES,
    WEIGHTS,
    LungFinder,
    first_maps,
    from_waves,
    place_terms,
    waves_of,
)
from training.lungs.forms import moved
from training.lungs.masked_films import MaskedFilm, coverage
from training.lungs.readouts import ReadOuts, count_readout_passes, fit_readouts
from training.lungs.regression import NormalEquations

_PENALTY: Final = 100.0
_SHAPE_PENALTY: Final = 30.0
_FILMS_AT_ONCE: Final = 8
_THINNED: Final = 2  # every other place each way: neighbours say the same, and the sums take most of the time

Progress = Callable[[int, int], None]


class Shown(NamedTuple):
    """Films as the finder sees them.

    Attributes:
        feature_map: `(n, 28, 28, 1392)`.
        embeddings: `(n, 1392)`, the means of it.
        wanted: `(n, 28, 28)`, the share of each place that is drawn as lung.
    """

    feature_map: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    wanted: NDArray[np.float32]


def fit_finder(engine: Engine, films: Sequence[MaskedFilm], *, progress: Progress) -> LungFinder:
    """Fit all regressions on films; the memory it takes hardly grows with their number.

    Half of the patients teach what lung looks like at a place, the other half what shape lungs have: so the shape is learnt
    from first maps of films that the first regression has not seen. `progress` is called with the passes done and to do.
    """
    halves = [[film for film in films if film.half == half] for half in (0, 1)]
    total = 2 * len(films) + count_readout_passes(films)
    embeddings: list[NDArray[np.float32]] = []

    def shown(half: int) -> Iterator[Shown]:
        for batch in shown_films(engine, halves[half]):
            embeddings.append(batch.embeddings)
            progress(sum(map(len, embeddings)), total)
            yield batch

    weights = fit_places(shown(0))
    shape, detail = fit_shape(weights, shown(1))
    done = sum(map(len, embeddings))
    readouts: ReadOuts = fit_readouts(
        engine, films, np.concatenate(embeddings), progress=lambda more: progress(done + more, total)
    )
    return LungFinder(weights, shape, detail, readouts.upright, readouts.side)


def fit_places(films: Iterator[Shown]) -> NDArray[np.float32]:
    """The first regression: `(1398,)`."""
    sums = NormalEquations(WEIGHTS)
    for batch in films:
        thinned = np.s_[:, ::_THINNED, ::_THINNED]
        terms = np.broadcast_to(place_terms(), (*batch.wanted.shape, WEIGHTS - CHANNELS))
        rows = np.concatenate([batch.feature_map[thinned], terms[thinned]], axis=-1)
        sums.add(rows.reshape(-1, WEIGHTS), batch.wanted[thinned].reshape(-1, 1))
    return sums.solve(_PENALTY)[:, 0]


def fit_shape(weights: NDArray[np.float32], films: Iterator[Shown]) -> tuple[NDArray[np.float32], float]:
    """The second regression: from a first map's slow waves to those wanted, `(197, 196)`, and how much detail to keep."""
    pairs = [(first_maps(batch.feature_map, weights), batch.wanted) for batch in films]
    first, wanted = (np.concatenate(maps) for maps in zip(*pairs, strict=True))
    slow = waves_of(first)
    rows = np.c_[slow, np.ones(len(slow), np.float32)]
    sums = NormalEquations(WAVES**2 + 1, WAVES**2)
    sums.add(rows, waves_of(wanted))
    shape = sums.solve(_SHAPE_PENALTY)
    missing, detail = wanted - from_waves(rows @ shape), first - from_waves(slow)
    return shape, float((missing * detail).sum() / (detail * detail).sum())


def shown_films(engine: Engine, films: Sequence[MaskedFilm]) -> Iterator[Shown]:
    """All films in batches, each as it is and moved."""
    size = engine.backbone.input_size
    for start in range(0, len(films), _FILMS_AT_ONCE):
        forms = [form for film in films[start : start + _FILMS_AT_ONCE] for form in _forms(film)]
        seen = engine.run(np.stack([network_input(film, size) for film, _ in forms]))
        wanted = np.stack([coverage(lungs, PLACES) for _, lungs in forms])
        yield Shown(seen.feature_map, seen.pooled[:, 0], wanted)


def _forms(film: MaskedFilm) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """A film and its drawn lungs, as they are and moved; how far is drawn from the file's name, so that a fit repeats."""
    pixels, lungs = film.pixels(), film.lungs()
    return [(pixels, lungs), moved(pixels, lungs, film.random())]
