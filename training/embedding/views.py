"""Augmentation generators: views of a film that a detector, a technician or a child's posture could have made.

Every view is a function of (seed, image, number of the view) and of nothing else, so that an interrupted run, another order
of the files or another batch size gives the same views. They are made by OpenCV and NumPy: on a processor that is several
times faster than layers of Keras, twice as fast as Pillow, and hidden behind the backbone (`python -m benchmarks.augmentation`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.films.network_input import network_input
from models.films.radiograph import read_radiograph
from models.films.refusal import RefusedError
from training.config import AugmentationConfig
from training.embedding.degradation import degrade

_WHITE: Final = 255

cv2.setNumThreads(1)  # films are what is made at the same time, not parts of one


class Film(NamedTuple):
    """A film to be viewed: where it is, its digest, and its class where there is something to learn."""

    path: Path
    sha256: str
    label: int = 0


def film_views(
    film: Film, views: Sequence[int], *, config: AugmentationConfig, seed: int, size: int
) -> NDArray[np.float32]:
    """Decode a film once and give its views by number, `(views, size, size, 1)` in 0–255; view 0 is the plain film.

    Raises:
        OSError: where the film can no longer be read.
    """
    try:
        plain = network_input(read_radiograph(film.path).pixels, size)
    except RefusedError as error:
        raise OSError(
            f"{film.path} could be read when the folder was listed, and no longer: {error} Run it again."
        ) from error
    draws = (np.random.default_rng([seed, view, int(film.sha256[:15], 16)]) for view in views)
    return np.stack([augment(plain, config, draw) if view else plain for view, draw in zip(views, draws, strict=True)])


def augment(plain: NDArray[np.float32], config: AugmentationConfig, draw: np.random.Generator) -> NDArray[np.float32]:
    """Warp, tone and noise: a film `(size, size, 1)` in 0–255 → a view of the same, in whole grey levels.

    The geometry is one transform with one interpolation, so a view is no blurrier than a single rotation makes it.
    """
    size = len(plain)
    film = cv2.warpAffine(
        np.rint(plain[..., 0]).astype(np.uint8),
        _draw_warp(config, draw, size),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=0,
    )
    gamma, contrast, brightness = (
        float(draw.uniform(-limit, limit)) for limit in (config.gamma, config.contrast, config.brightness)
    )
    curve = _WHITE * np.power(np.arange(_WHITE + 1, dtype=np.float32) / _WHITE, np.float32(np.exp(gamma)))
    view = np.asarray(cv2.LUT(film, curve), np.float32)
    mean = view.mean()
    view = (view - mean) * np.float32(np.exp(contrast)) + (mean + np.float32(brightness))
    view += draw.standard_normal(view.shape, dtype=np.float32) * np.float32(draw.uniform(0, config.noise))
    np.rint(np.clip(view, 0, _WHITE, out=view), out=view)
    if draw.random() < config.degradation:
        view = degrade(view.astype(np.uint8), draw).astype(np.float32)
    return view[..., None]


def _draw_warp(config: AugmentationConfig, draw: np.random.Generator, size: int) -> NDArray[np.float64]:
    """Where each pixel of the view comes from in the film: `(2, 3)`, from column, row and 1 to column and row."""

    def between(limit: float) -> float:
        return float(draw.uniform(-limit, limit))

    rotation, shear = np.deg2rad(between(config.rotation)), np.tan(np.deg2rad(between(config.shear)))
    zoom, stretch = np.exp(between(config.zoom)), np.exp(between(config.zoom / 2))
    mirror = -1 if config.flip and draw.random() < 0.5 else 1
    matrix = np.array([[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]])
    matrix = matrix @ np.array([[mirror * zoom * stretch, shear], [0, zoom]])
    centre = np.full(2, (size - 1) / 2)
    offset = centre - matrix @ centre + size * np.array([between(config.shift), between(config.shift)])
    return np.column_stack([matrix, offset])


def batched(films: Sequence[tuple[Film, Sequence[int]]], *, views: int) -> Iterator[list[tuple[Film, Sequence[int]]]]:
    """Group films with the numbers of their views, about so many views to a batch."""
    batch: list[tuple[Film, Sequence[int]]] = []
    count = 0
    for film, numbers in films:
        batch.append((film, numbers))
        count += len(numbers)
        if count >= views:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch
