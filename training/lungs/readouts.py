"""Fit what tells an upright chest film from any other picture, and a mirrored one from one that is not."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.engines.engine import Engine
from models.films.network_input import network_input
from models.lungs.finder import CHANNELS, strip_differences
from models.lungs.findings import poses
from training.lungs.forms import no_film, without_centre, without_lungs
from training.lungs.masked_films import MaskedFilm
from training.lungs.regression import NormalEquations

FILMS: Final = 300
"""Of how many films at most other poses and blanked lungs are shown."""

STRANGERS: Final = 240
"""Pictures at most that are no films."""

_PASSES: Final = 8  # of each of those films
_AT_ONCE: Final = 16
_PENALTY: Final = 3.0  # of standardised numbers, for each picture


class ReadOuts(NamedTuple):
    """`upright` `(1393,)` and `side` `(2784,)` of `models.lungs.finder.LungFinder`."""

    upright: NDArray[np.float32]
    side: NDArray[np.float32]


def count_readout_passes(films: Sequence[MaskedFilm]) -> int:
    """How many passes `fit_readouts` takes."""
    return _PASSES * len(_chosen(films)) + _strangers(films)


def fit_readouts(
    engine: Engine, films: Sequence[MaskedFilm], upright: NDArray[np.float32], *, progress: Callable[[int], None]
) -> ReadOuts:
    """Fit both read-outs.

    Args:
        upright: `(n, 1392)`, embeddings of films as they are.
        progress: called with the passes done.
    """
    size, done = engine.backbone.input_size, 0
    others, plain, mirrored = [], [], []
    for film in _chosen(films):
        seen = engine.run(np.stack([network_input(picture, size) for picture in _in_other_ways(film)]))
        differences = strip_differences(seen.feature_map[:2])
        plain.append(differences[0])
        mirrored.append(differences[1])
        others.append(seen.pooled[2:, 0])
        progress(done := done + _PASSES)
    for batch in _batches_of_strangers(_strangers(films)):
        others.append(engine.run(np.stack([network_input(picture, size) for picture in batch])).pooled[:, 0])
        progress(done := done + len(batch))
    return ReadOuts(fit_upright(upright, np.concatenate(others)), fit_side(np.stack(plain), np.stack(mirrored)))


def fit_upright(upright: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """The numbers `(1393,)` that give about 1 for embeddings `(n, 1392)` of upright films and −1 for the others'."""
    rows = np.concatenate([upright, others])
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    standardised = np.c_[(rows - mean) / deviation, np.ones(len(rows), np.float32)]
    targets = np.repeat(np.array([1, -1], np.float32), [len(upright), len(others)])
    sums = NormalEquations(CHANNELS + 1)
    sums.add(standardised, targets[:, None])
    solved = sums.solve(_PENALTY * len(rows))[:, 0]
    numbers = solved[:-1] / deviation
    return np.append(numbers, solved[-1] - mean @ numbers).astype(np.float32)


def fit_side(plain: NDArray[np.float32], mirrored: NDArray[np.float32]) -> NDArray[np.float32]:
    """The numbers `(2784,)` that give about 1 for strip differences `(n, 2784)` of plain films and −1 for mirrored ones."""
    rows = np.concatenate([plain, mirrored])
    deviation = rows.std(axis=0) + 1e-3
    targets = np.repeat(np.array([1, -1], np.float32), [len(plain), len(mirrored)])
    scaled = (rows / deviation).astype(np.float64)  # fewer rows than numbers: solved for the rows
    kernel = scaled @ scaled.T + _PENALTY * len(rows) * np.eye(len(rows))
    return (scaled.T @ np.linalg.solve(kernel, targets) / deviation).astype(np.float32)


def _chosen(films: Sequence[MaskedFilm]) -> Sequence[MaskedFilm]:
    return films[:: max(1, len(films) // FILMS)][:FILMS]


def _strangers(films: Sequence[MaskedFilm]) -> int:
    return min(STRANGERS, 2 * len(films))


def _in_other_ways(film: MaskedFilm) -> list[NDArray[np.uint8]]:
    """A film plain, mirrored, turned by 90, 180 and 270°, inverted, and twice without lungs."""
    pixels, random = film.pixels(), film.random()
    mirrored = np.ascontiguousarray(pixels[:, ::-1])
    hidden = without_centre(pixels, random), without_lungs(pixels, film.lungs(), random)
    return [pixels, mirrored, *poses(pixels), *hidden]


def _batches_of_strangers(count: int) -> Iterator[list[NDArray[np.uint8]]]:
    """So many pictures that are no films."""
    random = np.random.default_rng(0)
    for start in range(0, count, _AT_ONCE):
        yield [no_film(random) for _ in range(start, min(start + _AT_ONCE, count))]
