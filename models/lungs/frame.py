"""The film within a picture: without black bars, a white page or a screenshot's border round it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.lungs.box import WHOLE, Box

LOOKED_AT: Final = 512  # lines each way; more of them would be the same border again
STRAY: Final = 4  # grey levels by which a border's pixels may differ from its shade: JPEG's ripples
OF_ONE_SHADE: Final = 0.985  # of a border's line; the rest is a cursor or an edge
LEAST: Final = 0.05  # of a picture's height or width, both sides together: a film's own dark edge takes less
FEWEST_LINES: Final = 8


def film_frame(pixels: NDArray[np.uint8]) -> Box:
    """Where the film lies in a picture `(H, W)`; the whole picture where there is nothing round it."""
    step = max(1, min(pixels.shape) // LOOKED_AT)
    small = pixels[::step, ::step]
    top, bottom, left, right = _peeled(small)
    height, width = small.shape
    if bottom - top < FEWEST_LINES or right - left < FEWEST_LINES:
        return WHOLE
    if top + height - bottom < LEAST * height:
        top, bottom = 0, height
    if left + width - right < LEAST * width:
        left, right = 0, width
    return Box(top / height, left / width, bottom / height, right / width)


def _peeled(small: NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is left when lines of one shade are taken off, as often as that bares others."""
    top, bottom, left, right = 0, small.shape[0], 0, small.shape[1]
    while True:
        before = top, bottom, left, right
        above, below = _plain_ends(small[top:bottom, left:right])
        top, bottom = top + above, bottom - below
        before_, after = _plain_ends(small[top:bottom, left:right].T)
        left, right = left + before_, right - after
        if before == (top, bottom, left, right):
            return before


def _plain_ends(lines: NDArray[np.uint8]) -> tuple[int, int]:
    """How many lines at the beginning and at the end are of the shade of the outermost one."""
    if min(lines.shape) < FEWEST_LINES:
        return 0, 0
    return _plain_lines(lines), _plain_lines(lines[::-1])


def _plain_lines(lines: NDArray[np.uint8]) -> int:
    shade = np.median(lines[0])
    for number, line in enumerate(lines):
        if (np.abs(line - shade) <= STRAY).mean() < OF_ONE_SHADE:
            return number
    return len(lines)
