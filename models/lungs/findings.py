"""Findings of the film itself, before any probability: no lungs, turned, inverted, cut off; and a note: mirrored."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.films.refusal import Refusal
from models.system.sentence import Sentence

LIKELY: Final = 0.2
"""Uprightness from which a picture is taken for an upright chest film without looking at it in another way."""

UNLIKELY: Final = -0.25
"""Uprightness below which no picture is taken for a chest film."""

MIRRORED: Final = -0.6
"""Sidedness below which a film is called mirrored."""

POSES: Final = (90, 180, 270, "inverted")
"""How a picture may have to be read: turned clockwise by so many degrees, or white for black."""

_AHEAD: Final = 0.3  # of the picture as it is, in uprightness: what another pose needs to be believed
_EDGE_SHARE: Final = 0.25  # of an edge's length that is lung where the lungs go on beyond it
_AT_EDGE: Final = {"top": 0.7, "bottom": 0.25, "left": 0.35, "right": 0.35}
"""Coverage from which the very edge counts as lung. Apices may come close to the top of a whole film; at the other edges the
finder has seen few lungs, and gives less."""

_EDGES: Final = {
    "top": Sentence("top"),
    "bottom": Sentence("bottom"),
    "left": Sentence("left"),
    "right": Sentence("right"),
}
_TURNS: Final = {
    90: (Sentence("turned by 90° clockwise"), Sentence("by 90° anticlockwise")),
    180: (Sentence("upside down (turned by 180°)"), Sentence("by 180°")),
    270: (Sentence("turned by 270° clockwise"), Sentence("by 90° clockwise")),
}


@dataclass(frozen=True)
class Finding(Refusal):
    """A finding with its stable code and its sentence.

    Attributes:
        turned: for `turned`: by how many degrees clockwise the picture is turned; else 0.
    """

    turned: int = 0

    @property
    def mendable(self) -> bool:
        """Whether `mended` makes an upright film of the picture."""
        return self.code in ("turned", "inverted")

    def mended(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The picture `(H, W)` turned back or inverted; as it is where there is nothing to mend."""
        if self.code == "inverted":
            return 255 - pixels
        return np.rot90(pixels, self.turned // 90)


def poses(film: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """A film `(H, W)` read in each of `POSES`: as it would be upright, had it been turned or inverted so."""
    return [*(np.ascontiguousarray(np.rot90(film, turns)) for turns in (1, 2, 3)), 255 - film]


def pose_finding(upright: float, others: Sequence[float], *, found: bool) -> Finding | None:
    """What the uprightness of a picture, and of its other `POSES` where they were asked for, means.

    Args:
        upright: of the picture as it is.
        others: of its other poses; empty where `upright` is likely enough.
        found: whether the map shows lungs.
    """
    if others and max(others) >= max(UNLIKELY, upright + _AHEAD):
        pose = POSES[int(np.argmax(others))]
        return _INVERTED if isinstance(pose, str) else _turned(pose)
    if upright < UNLIKELY or not found:
        return _NO_LUNGS
    return None


def cut_off_finding(lung_map: NDArray[np.float32]) -> Finding | None:
    """Whether the lungs of a map `(h, w)` go on beyond an edge of the film, and beyond which."""
    edges = {"top": lung_map[0], "bottom": lung_map[-1], "left": lung_map[:, 0], "right": lung_map[:, -1]}
    cut = [_EDGES[name] for name, edge in edges.items() if (edge > _AT_EDGE[name]).mean() >= _EDGE_SHARE]
    if not cut:
        return None
    return Finding(
        "lungs_cut_off",
        Sentence(
            "The lungs reach beyond the film's {edges} edge, and what is not on it cannot be judged. Supply the whole film, "
            "uncropped, where there is one.",
            edges=reduce(lambda some, one: Sentence("{some} and {one}", some=some, one=one), cut),
        ),
    )


def mirrored_note(sidedness: float) -> Finding | None:
    """What the side of the heart means; it is told from the film alone, so that it may be the patient and not the picture."""
    if sidedness >= MIRRORED:
        return None
    return Finding(
        "mirrored",
        "The heart seems to lie on the right: the film is mirrored, or the organs are (situs inversus). It is judged as it is. "
        "Compare with the side marker.",
    )


def _turned(degrees: int) -> Finding:
    how, mend = _TURNS[degrees]
    sentence = Sentence("This chest film is {how}. Turn it {mend} and judge it again.", how=how, mend=mend)
    return Finding("turned", sentence, turned=degrees)


_INVERTED: Final = Finding(
    "inverted",
    "This chest film is inverted: air is white and bone black. Exchange black and white and judge it again.",
)
_NO_LUNGS: Final = Finding(
    "no_lungs",
    "No lungs are to be found in this picture. Supply one frontal chest film, uncovered and not a photograph of a screen.",
)
