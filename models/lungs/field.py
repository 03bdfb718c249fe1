"""What a judging network is shown of a film: its lungs, with a margin, in their own contrast.

All that lies outside (markers, arms, collimation, black corners, the proportions of the film) tells the hospital and the
habits of its technicians, and with them the label; so it is cut away before anything is judged (`docs/lungs.md`).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.backbones.pooling import WEIGHT_PLACES
from models.lungs.box import OUTLINE, Box
from models.lungs.finder import PLACES

FIELDS: Final = ("lungs", "film")
"""What of a film is judged: the box of its lungs, or all of it."""

MARGIN: Final = 0.05
"""Of the lungs' height and width, on each side: a lung's rim and a finder's error."""

DARK, BRIGHT = 0.01, 0.99
"""Shares of the field that its darkest and its brightest grey level are stretched to."""

SOFT_FROM, SOFT_TO = OUTLINE - 0.2, OUTLINE + 0.2
"""Coverage from which a place counts for the mean over the lungs, and from which it counts in full."""


def field_box(lungs: Box) -> Box:
    """The box that is judged: that of the lungs with its margin."""
    return lungs.widened(MARGIN)


def lung_field(pixels: NDArray[np.uint8], lungs: Box, size: int) -> NDArray[np.float32]:
    """Cut a picture `(H, W)` to its lungs: `(size, size, 1)` float32 in 0–255, contrast stretched within.

    The proportions of the box are not kept. `models.lungs.graph` is the same as layers, for networks that are exported whole.
    """
    return judged_field(pixels, field_box(lungs), size)[..., None]


def judged_field(pixels: NDArray[np.uint8], field: Box, size: int) -> NDArray[np.float32]:
    """What lies in a field that is known already, `(size, size)`, as `lung_field` shows it."""
    part = cut(pixels, field, size)
    return stretched(part, *stretch_levels(part))


def cut(pixels: NDArray[np.uint8], box: Box, size: int | tuple[int, int]) -> NDArray[np.float32]:
    """What of a picture `(H, W)` lies in a box, by a triangle filter that widens with the reduction: `(size, size)`."""
    rows, columns = (size, size) if isinstance(size, int) else size
    height, width = pixels.shape
    edges = (box.left * width, box.top * height, box.right * width, box.bottom * height)
    film = Image.fromarray(pixels).convert("F").resize((columns, rows), Image.Resampling.BILINEAR, box=edges)
    return np.asarray(film, dtype=np.float32)


def stretch_levels(field: NDArray[np.float32]) -> tuple[int, int]:
    """The whole grey levels of 0–255 that become black and white: those that reach the shares `DARK` and `BRIGHT`."""
    counts = np.bincount(np.rint(field).astype(np.int64).clip(0, 255).ravel(), minlength=256)
    dark, bright = np.searchsorted(np.cumsum(counts), [DARK * field.size, BRIGHT * field.size])
    return int(dark), int(bright)


def stretched(field: NDArray[np.float32], dark: int, bright: int) -> NDArray[np.float32]:
    """A field with these levels at 0 and 255, and what lies beyond cut off."""
    return np.clip((field - dark) * np.float32(255 / max(bright - dark, 1)), 0, 255)


def map_in(
    lung_map: NDArray[np.float32], frame: Box, shown: tuple[float, float, float, float], size: int
) -> NDArray[np.float32]:
    """The map at each pixel of a cut: `(size, size)` in [0, 1], 0 beyond the film.

    Args:
        lung_map: `(28, 28)` in [0, 1].
        frame: the part of the picture that the map is of.
        shown: top, left, bottom and right of the part that the cut shows, in fractions of the picture; it may reach beyond.
        size: of the cut, in pixels.
    """
    high, wide = frame.bottom - frame.top, frame.right - frame.left
    top, bottom = ((edge - frame.top) / high for edge in (shown[0], shown[2]))
    left, right = ((edge - frame.left) / wide for edge in (shown[1], shown[3]))
    return between_places(top, bottom, size) @ lung_map.astype(np.float32) @ between_places(left, right, size).T


def between_places(first: float, last: float, size: int) -> NDArray[np.float32]:
    """Of `size` lines between two fractions of a side: how much of each place of the map counts, linearly, `(size, 28)`."""
    lines = (first + (np.arange(size) + 0.5) / size * (last - first)) * PLACES
    weights = np.maximum(1 - np.abs(lines[:, None] - np.arange(PLACES) - 0.5), 0)
    return np.asarray(weights, np.float32)


def lung_weights(lung_map: NDArray[np.float32], frame: Box, field: Box) -> NDArray[np.float32]:
    """How much of each place of a field is lung, `(28, 28)` in [0, 1], with soft edges: what a head pools over.

    Arguments as of `map_in`; `field` is what the cut shows.
    """
    return softened(map_in(lung_map, frame, (field.top, field.left, field.bottom, field.right), WEIGHT_PLACES))


def softened(lung_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map in [0, 1] with its edges, at `OUTLINE`, made steeper: what is hardly lung has no say."""
    return np.asarray(np.clip((lung_map - SOFT_FROM) / (SOFT_TO - SOFT_FROM), 0, 1), np.float32)
