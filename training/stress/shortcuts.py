"""Does a bundle read anything but the lungs? Films without them, and films with a letter in a corner.

A network that names a hospital by its marker or a ward by its collimation scores well where it was trained and nowhere else
(Zech et al. 2018, doi:10.1371/journal.pmed.1002683; Maguolo & Nanni 2021, doi:10.1016/j.inffus.2021.04.008, who blanked
the lungs as here; DeGrave, Janizek & Lee 2021, doi:10.1038/s42256-021-00338-7).
"""

from itertools import product
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.stress.corruptions import Film

BORDER: Final = 0.1
"""Share of each side that the border takes: shoulders, arms, collimation and what is written there."""

CENTRE: Final = 0.7
"""Share of each side that the masked centre takes: both lungs of a frontal film."""

MARKERS: Final = tuple(product("LR", ("top left", "top right", "bottom left", "bottom right")))
"""Letter and corner of the planted markers: those that technicians lay beside a patient."""

_MARKER_HEIGHT: Final = 0.09  # of the shorter side, as on films of the published data
_MARKER_MARGIN: Final = 0.03


def border_only(film: Film) -> Film:
    """A film `(H, W)` of which only the border is left."""
    return _masked(film, 1 - 2 * BORDER)


def centre_masked(film: Film) -> Film:
    """A film `(H, W)` without its centre, where the lungs are."""
    return _masked(film, CENTRE)


def with_marker(film: Film, letter: str, corner: str) -> Film:
    """A film `(H, W)` with a white letter in a corner, as a marker of lead leaves it."""
    picture = Image.fromarray(film)
    side = min(picture.size)
    font = ImageFont.load_default(_MARKER_HEIGHT * side)
    margin = round(_MARKER_MARGIN * side)
    across, down = ("left" in corner), ("top" in corner)
    place = (margin if across else picture.width - margin, margin if down else picture.height - margin)
    ImageDraw.Draw(picture).text(
        place, letter, fill=255, font=font, anchor=("l" if across else "r") + ("t" if down else "b")
    )
    return np.asarray(picture)


def _masked(film: Film, share: float) -> Film:
    """Fill the middle `share` of both sides with the mean of the rest: a grey that tells nothing of what was there."""
    top, left = (round(length * (1 - share) / 2) for length in film.shape)
    middle = np.zeros(film.shape, dtype=bool)
    middle[top : film.shape[0] - top, left : film.shape[1] - left] = True
    return np.where(middle, np.uint8(round(float(film[~middle].mean()))), film)
