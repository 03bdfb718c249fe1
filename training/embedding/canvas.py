"""A film cut to its lungs with room about it, from which views are warped."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.lungs.box import Box
from models.lungs.field import cut, field_box, lung_field, map_in, softened, stretch_levels, stretched
from models.lungs.search import FoundLungs
from training.data.failed_films import of_film, read_film

RIM: Final = 1 / 8
"""Room on each side, of the field's height and width: as much as a view may be turned and moved."""

_MASK_GROWS: Final = 9  # pixels of 224: what a finder's outline leaves out of a lung
_MASK_EDGE: Final = 5  # standard deviation of the soft edge, pixels of 224
_KEPT: Final = 32  # of a megabyte each


@dataclass(frozen=True, eq=False)
class Canvas:
    """A film's lungs and what lies about them, in the contrast in which it is judged.

    Attributes:
        pixels: `(side, side)` float32 in 0–255; what lies beyond the film repeats its edge.
        lungs: `(side, side)`, how much of each pixel is lung: what a head pools over.
        judged: `(size, size, 1)` float32 in 0–255, the field in its middle as it is judged.
        weights: `(28, 28)` in [0, 1], how much of each place of that is lung.
        size: of it, in pixels.
    """

    pixels: NDArray[np.float32]
    lungs: NDArray[np.float32]
    judged: NDArray[np.float32]
    weights: NDArray[np.float32]
    size: int

    @cached_property
    def mask(self) -> NDArray[np.float32]:
        """`(side, side)`, how much of each pixel is lung, a little grown and with soft edges: what is exchanged, where it is."""
        return _grown(self.lungs)

    def inner(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """The field `(size, size)` in the middle of what has the canvas' shape."""
        rim = (len(pixels) - self.size) // 2
        return pixels[rim : rim + self.size, rim : rim + self.size]


def film_canvas(pixels: NDArray[np.uint8], lungs: FoundLungs, size: int) -> Canvas:
    """Cut a picture `(H, W)` to its lungs with a rim."""
    rim = round(size * RIM)
    field = field_box(lungs.judged)
    height, width = (field.bottom - field.top) * RIM, (field.right - field.left) * RIM
    wanted = (field.top - height, field.left - width, field.bottom + height, field.right + width)
    grey = _cut_beyond(pixels, wanted, size + 2 * rim)
    levels = stretch_levels(grey[rim : rim + size, rim : rim + size])
    lung = softened(map_in(lungs.map, lungs.frame, wanted, size + 2 * rim))
    judged = lung_field(pixels, lungs.judged, size)
    return Canvas(stretched(grey, *levels), lung, judged, lungs.weights, size)


def _grown(lung: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lungs `(side, side)` in [0, 1], a little grown and with softer edges."""
    scale = len(lung) / 224
    reach = 2 * round(_MASK_GROWS * scale) + 1
    grown = cv2.dilate(lung, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), _MASK_EDGE * scale), np.float32)


class Canvases:
    """Canvases of films, the latest ones kept: one that others are laid on is wanted again soon. Threads may share it."""

    def __init__(self, size: int) -> None:
        """`size`: of the fields, in pixels."""
        self._size = size
        self._lock = Lock()
        self._latest: OrderedDict[Path, Canvas] = OrderedDict()

    def of(self, path: Path, lungs: FoundLungs) -> Canvas:
        """The canvas of a film; raises FailedFilmsError where there can be none."""
        with self._lock:
            if path in self._latest:
                self._latest.move_to_end(path)
                return self._latest[path]
        pixels = read_film(path)
        canvas = of_film(path, lambda: film_canvas(pixels, lungs, self._size))
        with self._lock:
            self._latest[path] = canvas
            if len(self._latest) > _KEPT:
                self._latest.popitem(last=False)
        return canvas


def _cut_beyond(pixels: NDArray[np.uint8], wanted: tuple[float, float, float, float], side: int) -> NDArray[np.float32]:
    """Cut a rectangle (top, left, bottom, right, fractions) that may reach beyond the picture: its edge is repeated there."""
    top, left, bottom, right = wanted
    inside = Box(max(top, 0.0), max(left, 0.0), min(bottom, 1.0), min(right, 1.0))
    height, width = bottom - top, right - left
    above, below = (round(side * share / height) for share in (inside.top - top, bottom - inside.bottom))
    before, after = (round(side * share / width) for share in (inside.left - left, right - inside.right))
    film = cut(pixels, inside, (side - above - below, side - before - after))
    return np.asarray(cv2.copyMakeBorder(film, above, below, before, after, cv2.BORDER_REPLICATE))
