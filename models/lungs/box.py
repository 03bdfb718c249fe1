"""A rectangle in fractions of a picture, and the one that holds both lungs of a map.

Everything here is interpolation, comparison and counting, so that an exported network can do the same in its graph.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

OUTLINE: Final = 0.45
"""Coverage from which a place counts as lung; a regression leans to the mean, so that the drawn outline lies below 0.5."""

EDGE: Final = 0.35
"""Coverage from which a place counts for the box, in which the lungs' thin tips have to be."""

FINE: Final = 224
"""Lines each way on which outline and box are drawn: eight for each of the map's."""

OF_A_TIP: Final = 0.02  # what of a line is lung where it cuts the tip of one; crumbs are less
OF_BULK: Final = 0.05  # the same, where it cuts more than a tip
REACH: Final = 10  # lines that a tip is long at most
SMALLEST: Final = 0.02  # of the film: both lungs together


@dataclass(frozen=True)
class Box:
    """A rectangle in fractions of a picture: `0 <= top < bottom <= 1` from above, `0 <= left < right <= 1` from the left."""

    top: float
    left: float
    bottom: float
    right: float

    def __post_init__(self) -> None:
        if not (0 <= self.top < self.bottom <= 1 and 0 <= self.left < self.right <= 1):
            raise ValueError(f"A box must have 0 <= top < bottom <= 1 and 0 <= left < right <= 1. Received: {self}")

    @property
    def area(self) -> float:
        """As a share of the picture's."""
        return (self.bottom - self.top) * (self.right - self.left)

    def overlap(self, other: "Box") -> float:
        """Intersection over union, 0 (apart) to 1 (equal)."""
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        width = min(self.right, other.right) - max(self.left, other.left)
        shared = max(height, 0.0) * max(width, 0.0)
        return shared / (self.area + other.area - shared)

    def widened(self, margin: float) -> "Box":
        """With `margin` of its own height or width more on each side, as far as the picture goes."""
        vertical, horizontal = margin * (self.bottom - self.top), margin * (self.right - self.left)
        return Box(
            max(self.top - vertical, 0.0),
            max(self.left - horizontal, 0.0),
            min(self.bottom + vertical, 1.0),
            min(self.right + horizontal, 1.0),
        )

    def placed_in(self, frame: "Box") -> "Box":
        """This box of a film as a box of the picture in which the film lies at `frame`."""
        height, width = frame.bottom - frame.top, frame.right - frame.left
        return Box(
            frame.top + self.top * height,
            frame.left + self.left * width,
            min(frame.top + self.bottom * height, 1.0),
            min(frame.left + self.right * width, 1.0),
        )

    def cut(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What of a picture `(H, W)` lies in the box, to the nearest pixel, at least one each way; a view, not a copy."""
        height, width = pixels.shape
        top, left = min(round(self.top * height), height - 1), min(round(self.left * width), width - 1)
        bottom, right = max(round(self.bottom * height), top + 1), max(round(self.right * width), left + 1)
        return pixels[top:bottom, left:right]


WHOLE: Final = Box(0.0, 0.0, 1.0, 1.0)
"""The whole picture."""


def lung_box(lung_map: NDArray[np.float32]) -> Box | None:
    """The box that holds both lungs of a map `(h, w)` in [0, 1], to an eighth of a place; None where there are no lungs.

    It ends where thin tips do, but reaches only a little beyond lines that cut the lungs' bulk: a stray blob is no tip.
    """
    fine = interpolated(lung_map)
    bulk = fine > OUTLINE
    if bulk.mean() < SMALLEST:
        return None
    top, bottom = _ends((fine > EDGE).mean(axis=1), bulk.mean(axis=1))
    left, right = _ends((fine > EDGE).mean(axis=0), bulk.mean(axis=0))
    return Box(top / FINE, left / FINE, bottom / FINE, right / FINE)


def _ends(tips: NDArray[np.float64], bulk: NDArray[np.float64]) -> tuple[int, int]:
    """First line and end of the lines `(n,)` whose share of tips is a lung's, at most `REACH` beyond those of bulk."""
    heavy = np.flatnonzero(bulk >= min(OF_BULK, bulk.max()))
    thin = np.flatnonzero(tips >= OF_A_TIP)
    first, last = max(thin[0], heavy[0] - REACH), min(thin[-1], heavy[-1] + REACH)
    return int(first), int(last) + 1


def lung_outline(lung_map: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of `(FINE, FINE)` places are lung, of a map `(h, w)` in [0, 1]."""
    outline: NDArray[np.bool_] = interpolated(lung_map) > OUTLINE
    return outline


def interpolated(lung_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map `(h, w)` between its places: `(FINE, FINE)`, linearly."""
    picture = Image.fromarray(np.ascontiguousarray(lung_map, np.float32))
    return np.asarray(picture.resize((FINE, FINE), Image.Resampling.BILINEAR))
