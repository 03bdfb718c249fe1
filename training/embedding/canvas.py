"""A film cut to its lungs with room about it, from which views are warped."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from models.lungs.box import Box
from models.lungs.field import cut, field_box, field_mask, map_in, softened, stretch_levels, stretched
from models.lungs.search import FoundLungs

RIM: Final = 1 / 8
"""Room on each side, of the field's height and width: as much as a view may be turned and moved."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """A film's lungs and what lies about them, in the contrast in which it is judged.

    Attributes:
        pixels: `(side, side)` float32 in 0–255; what lies beyond the film repeats its edge.
        mask: `(side, side)`, how much of each pixel is lung, a little grown and with soft edges: what is exchanged.
        lungs: `(side, side)`, how much of each pixel is lung: what a head pools over.
        size: of the field in its middle, in pixels.
    """

    pixels: NDArray[np.float32]
    mask: NDArray[np.float32]
    lungs: NDArray[np.float32]
    size: int

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
    mask = field_mask(lungs.map, lungs.frame, wanted, size + 2 * rim)
    weights = softened(map_in(lungs.map, lungs.frame, wanted, size + 2 * rim))
    return Canvas(stretched(grey, *levels), mask, weights, size)


def _cut_beyond(pixels: NDArray[np.uint8], wanted: tuple[float, float, float, float], side: int) -> NDArray[np.float32]:
    """Cut a rectangle (top, left, bottom, right, fractions) that may reach beyond the picture: its edge is repeated there."""
    top, left, bottom, right = wanted
    inside = Box(max(top, 0.0), max(left, 0.0), min(bottom, 1.0), min(right, 1.0))
    height, width = bottom - top, right - left
    above, below = (round(side * share / height) for share in (inside.top - top, bottom - inside.bottom))
    before, after = (round(side * share / width) for share in (inside.left - left, right - inside.right))
    film = cut(pixels, inside, (side - above - below, side - before - after))
    return np.asarray(cv2.copyMakeBorder(film, above, below, before, after, cv2.BORDER_REPLICATE))
