"""Augmentation generators: views of a film that a detector, a technician or a child's posture could have made.

Every view is a function of (seed, image, number of the view) and of nothing else, so that an interrupted run, another order
of the files or another batch size gives the same views. They are made by OpenCV and NumPy: on a processor that is several
times faster than layers of Keras, twice as fast as Pillow, and hidden behind the backbone (`python -m benchmarks.augmentation`).
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from models.backbones.pooling import WEIGHT_PLACES
from models.films.network_input import network_input
from models.lungs.field import lung_field
from models.lungs.search import FoundLungs
from training.config import AugmentationConfig
from training.data.failed_films import of_film, read_film
from training.embedding.canvas import Canvas, Canvases
from training.embedding.degradation import degrade, reduce_film
from training.embedding.surroundings import blank_lungs, exchange_surroundings

_WHITE: Final = 255

cv2.setNumThreads(1)  # films are what is made at the same time, not parts of one


class Probe(StrEnum):
    """Plain views by which a head is examined: what does it go by?"""

    EXCHANGED = "exchanged"
    """The lungs on the surroundings of a film of another class."""

    SURROUNDINGS = "surroundings"
    """No lungs, the surroundings alone."""


View = int | Probe
"""0 is the plain film, from 1 on augmented ones are counted."""


class Film(NamedTuple):
    """A film to be viewed.

    Attributes:
        path, sha256: where it is, and the digest of its bytes.
        label: its class, where there is something to learn.
        lungs: where its lungs are; None: the whole film is shown.
        donors: by the view, whose surroundings its lungs are laid on; views without one keep their own.
    """

    path: Path
    sha256: str
    label: int = 0
    lungs: FoundLungs | None = None
    donors: "Mapping[View, Film]" = MappingProxyType({})

    def donated(self, view: View, name: str) -> str:
        """What names one of its views in the cache of embeddings: the view's name, and whose surroundings it shows."""
        return f"{name}:{self.donors[view].sha256[:16]}" if view in self.donors else name


def view_name(view: View, config: AugmentationConfig, seed: int) -> str:
    """Names a view, of any film that needs no other for it."""
    return view.value if isinstance(view, Probe) else config.fingerprint(seed, view)


class Views(NamedTuple):
    """Some views of films.

    Attributes:
        pixels: `(n, size, size, 1)` float32 in 0–255.
        lungs: `(n, 28, 28)` in [0, 1], how much of each place of them is lung; None where whole films are shown.
    """

    pixels: NDArray[np.float32]
    lungs: NDArray[np.float32] | None

    @classmethod
    def joined(cls, parts: "Sequence[Views]") -> "Views":
        """Those of several films in one; all show lungs, or none does."""
        lungs = [part.lungs for part in parts if part.lungs is not None]
        return cls(np.concatenate([part.pixels for part in parts]), np.concatenate(lungs) if lungs else None)


def film_views(
    film: Film,
    views: Sequence[View],
    *,
    config: AugmentationConfig,
    seed: int,
    size: int,
    canvases: Canvases | None = None,
) -> Views:
    """Decode a film once and give its views; view 0 is the film as it is judged.

    Args:
        canvases: of `size`, for many films of which some are donors of others; None: of this film alone.

    Raises:
        FailedFilmsError: where that fails; it names this film, or the donor that cannot be read.
    """
    if film.lungs is None:
        return _views_of_film(film, views, config, seed, size)
    if all(view == 0 for view in views):
        return _plain_views(film, film.lungs, len(views), size)
    canvases = canvases or Canvases(size)
    own = canvases.of(film.path, film.lungs)
    donors = {
        view: canvases.of(donor.path, donor.lungs)
        for view, donor in film.donors.items()
        if view in views and donor.lungs is not None
    }

    def shown(view: View) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if view == 0:
            return own.judged, own.weights
        return _view_of_lungs(film, own, donors.get(view), view, config, seed)

    pairs = of_film(film.path, lambda: [shown(view) for view in views])
    return Views(*(np.stack(part) for part in zip(*pairs, strict=True)))


def _draws(film: Film, view: int, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, view, int(film.sha256[:15], 16)])


def _views_of_film(film: Film, views: Sequence[View], config: AugmentationConfig, seed: int, size: int) -> Views:
    """Views of a whole film."""
    numbers = [view for view in views if not isinstance(view, Probe)]
    if len(numbers) < len(views):
        raise ValueError("What lies round the lungs can be shown by itself only where the lungs were looked for.")
    pixels = read_film(film.path)

    def shown() -> NDArray[np.float32]:
        plain = network_input(pixels, size)
        return np.stack([augment(plain, config, _draws(film, view, seed)) if view else plain for view in numbers])

    return Views(of_film(film.path, shown), None)


def _plain_views(film: Film, lungs: FoundLungs, count: int, size: int) -> Views:
    """The film as it is judged, so many times."""
    pixels = read_film(film.path)
    judged = of_film(film.path, lambda: lung_field(pixels, lungs.judged, size))
    return Views(np.stack([judged] * count), np.stack([lungs.weights] * count))


def _view_of_lungs(
    film: Film, canvas: Canvas, donor: Canvas | None, view: View, config: AugmentationConfig, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A probe, or an augmented view, of the lungs, on a donor's surroundings; and how much of each of its places is lung."""
    pixels, size = canvas.pixels, canvas.size
    if donor is not None:
        pixels = exchange_surroundings(pixels, canvas.mask, donor.pixels, donor.mask)
    if view is Probe.SURROUNDINGS:
        pixels = blank_lungs(pixels, canvas.mask)
    if isinstance(view, Probe):
        return canvas.inner(pixels)[..., None], canvas.weights
    draw = _draws(film, view, seed)
    if draw.random() < config.reduction:
        pixels = reduce_film(pixels, draw)
    warp = _draw_warp(config, draw, size)
    shown = _toned(_warped(np.rint(pixels).astype(np.uint8), warp, size), config, draw)
    places = cv2.resize(_warped(canvas.lungs, warp, size), (WEIGHT_PLACES, WEIGHT_PLACES), interpolation=cv2.INTER_AREA)
    return shown, np.asarray(places, np.float32)


def augment(plain: NDArray[np.float32], config: AugmentationConfig, draw: np.random.Generator) -> NDArray[np.float32]:
    """Warp, tone and noise: a film `(size, size, 1)` in 0–255 → a view of it, in whole grey levels.

    The geometry is one transform with one interpolation, so a view is no blurrier than a single rotation makes it.
    """
    warp = _draw_warp(config, draw, len(plain))
    return _toned(_warped(np.rint(plain[..., 0]).astype(np.uint8), warp, len(plain)), config, draw)


def _warped(picture: NDArray[Any], warp: NDArray[np.float64], size: int) -> NDArray[Any]:
    """A picture `(side, side)` by a warp of its middle `(size, size)`."""
    rim = (len(picture) - size) / 2
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = warp + np.array([[0, 0, rim], [0, 0, rim]])
    return np.asarray(cv2.warpAffine(picture, moved, (size, size), flags=flags, borderValue=0))


def _toned(film: NDArray[np.uint8], config: AugmentationConfig, draw: np.random.Generator) -> NDArray[np.float32]:
    """A film `(size, size)` in another exposure, with noise, and perhaps degraded: `(size, size, 1)`."""
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


def batched(films: Sequence[tuple[Film, Sequence[View]]], *, views: int) -> Iterator[list[tuple[Film, Sequence[View]]]]:
    """Group films with the numbers of their views, about so many views to a batch."""
    batch: list[tuple[Film, Sequence[View]]] = []
    count = 0
    for film, numbers in films:
        batch.append((film, numbers))
        count += len(numbers)
        if count >= views:
            yield batch
            batch, count = [], 0
    if batch:
        yield batch
