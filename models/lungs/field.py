"""What a judging network is shown of a film: its lungs, with a margin, in their own contrast.

All that lies outside (markers, arms, collimation, black corners, the proportions of the film) tells the hospital and the
habits of its technicians, and with them the label; so it is cut away before anything is judged (`docs/lungs.md`).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.lungs.box import Box

FIELDS: Final = ("lungs", "film")
"""What of a film is judged: the box of its lungs, or all of it."""

MARGIN: Final = 0.05
"""Of the lungs' height and width, on each side: a lung's rim and a finder's error."""

DARK, BRIGHT = 0.01, 0.99
"""Shares of the field that its darkest and its brightest grey level are stretched to."""

_MASK_GROWS: Final = 9  # pixels of 224: what a finder's outline leaves out of a lung
_MASK_EDGE: Final = 5  # standard deviation of the soft edge, pixels of 224


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


def field_mask(
    lung_map: NDArray[np.float32], frame: Box, shown: tuple[float, float, float, float], size: int
) -> NDArray[np.float32]:
    """How much of each pixel of a cut is lung, a little grown and with soft edges; arguments and result as of `map_in`."""
    scale = size / 224
    lungs = np.clip((map_in(lung_map, frame, shown, size) - 0.25) / 0.5, 0, 1)
    grown = 2 * round(_MASK_GROWS * scale) + 1
    lungs = cv2.dilate(lungs, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (grown, grown)))
    return np.asarray(cv2.GaussianBlur(lungs, (0, 0), _MASK_EDGE * scale), np.float32)


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
    places = len(lung_map)
    high, wide = frame.bottom - frame.top, frame.right - frame.left
    top, bottom = ((edge - frame.top) / high * places for edge in (shown[0], shown[2]))
    left, right = ((edge - frame.left) / wide * places for edge in (shown[1], shown[3]))
    across, down = (right - left) / size, (bottom - top) / size
    # From the centre of a pixel to the place of the map that lies there.
    warp = np.array([[across, 0, left + across / 2 - 0.5], [0, down, top + down / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(lung_map.astype(np.float32), warp, (size, size), flags=flags, borderValue=0))
