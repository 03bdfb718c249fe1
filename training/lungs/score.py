"""How well found lungs agree with drawn ones, with intervals over patients."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.engines.engine import Engine
from models.films.network_input import network_input
from models.lungs.box import FINE, Box, lung_box, lung_outline
from models.lungs.finder import LungFinder
from training.lungs.masked_films import MaskedFilm, coverage
from training.metrics.bootstrap import CONFIDENCE, Estimate, draw_weights, patient_indices

_FILMS_AT_ONCE: Final = 8
_DRAWN: Final = 0.5


class Agreement(NamedTuple):
    """Of each of n films: Dice of the outline and intersection over union of the box, both `(n,)` in [0, 1]."""

    dice: NDArray[np.float64]
    box: NDArray[np.float64]


def score_films(
    engine: Engine, finder: LungFinder, films: Sequence[MaskedFilm], *, progress: Callable[[int, int], None]
) -> Agreement:
    """Find the lungs of films and compare them with the drawn ones."""
    pairs: list[tuple[float, float]] = []
    for lung_map, film in _found(engine, finder, films):
        pairs.append(agreement(lung_map, film.lungs()))
        progress(len(pairs), len(films))
    dice, box = np.array(pairs).reshape(-1, 2).T
    return Agreement(dice, box)


def agreement(lung_map: NDArray[np.float32], lungs: NDArray[np.uint8]) -> tuple[float, float]:
    """Dice of the outlines (Dice 1945, doi:10.2307/1932409) and overlap of the boxes of a map and drawn lungs `(h, w)`."""
    found, drawn = lung_outline(lung_map), coverage(lungs, FINE) > _DRAWN
    dice = 2 * float((found & drawn).sum()) / max(float(found.sum() + drawn.sum()), 1.0)
    box, wanted = lung_box(lung_map), drawn_box(lungs)
    return dice, box.overlap(wanted) if box and wanted else 0.0


def drawn_box(lungs: NDArray[np.uint8]) -> Box | None:
    """The box round drawn lungs `(h, w)`; None where nothing is drawn."""
    rows, columns = np.flatnonzero(lungs.any(axis=1)), np.flatnonzero(lungs.any(axis=0))
    if not len(rows):
        return None
    height, width = lungs.shape
    return Box(
        float(rows[0]) / height, float(columns[0]) / width, float(rows[-1] + 1) / height, float(columns[-1] + 1) / width
    )


def quantile_estimate(values: NDArray[np.float64], share: float, patients: Sequence[str], *, draws: int) -> Estimate:
    """The quantile below which `share` of the values `(n,)` lie, with its 95 % interval over patients."""
    cluster = patient_indices(patients)
    order = np.argsort(values)
    drawn = []
    for weights in draw_weights(cluster, draws=draws, seed=0):
        below = np.cumsum(weights[:, order], axis=1)
        place = (below < share * below[:, -1:]).sum(axis=1)
        drawn.append(values[order][np.minimum(place, len(values) - 1)])
    low, high = np.quantile(np.concatenate(drawn), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    value = float(np.quantile(values, share, method="inverted_cdf"))
    return Estimate(value, min(float(low), value), max(float(high), value), len(values), int(cluster.max()) + 1)


def _found(
    engine: Engine, finder: LungFinder, films: Sequence[MaskedFilm]
) -> Iterator[tuple[NDArray[np.float32], MaskedFilm]]:
    for start in range(0, len(films), _FILMS_AT_ONCE):
        batch = films[start : start + _FILMS_AT_ONCE]
        pixels = np.stack([network_input(film.pixels(), engine.backbone.input_size) for film in batch])
        yield from zip(finder.maps(engine.run(pixels).feature_map), batch, strict=True)
