"""Where the lungs are in pictures of any size: the one door through which the rest of the product asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.engines.batching import BATCH_SIZE, SharedEngine
from models.engines.engine import Features
from models.films.network_input import network_input
from models.lungs.box import OUTLINE, Box, lung_box
from models.lungs.field import field_box, lung_weights, map_in
from models.lungs.finder import LungFinder
from models.lungs.findings import LIKELY, Finding, cut_off_finding, mirrored_note, pose_finding, poses
from models.lungs.frame import film_frame

_FILMS_AT_ONCE: Final = BATCH_SIZE

REFUSING: Final = ("no_lungs", "turned", "inverted")
"""Findings with which a film is not judged at all; with others its verdict is withheld."""


@dataclass(frozen=True, eq=False)
class FoundLungs:
    """What the finder says of one picture; everything in fractions of the picture as it was handed in.

    Attributes:
        frame: where the film lies in the picture, without bars, page or screen round it.
        map: `(28, 28)` in [0, 1]: the share of each place of the *film* that is lung.
        box: round both lungs; None where they are not found, or the picture must be turned or inverted first.
        embedding: `(1392,)`, the mean of the film's feature map: a description of the whole film.
        finding: what of the film itself is in the way, with what to do; None where nothing is.
        note: what is to be said although the film is judged (`mirrored`); of films unlike those fitted on it is not told.
    """

    frame: Box
    map: NDArray[np.float32]
    box: Box | None
    embedding: NDArray[np.float32]
    finding: Finding | None
    note: Finding | None

    @property
    def judged(self) -> Box:
        """The lungs that a field is cut to; the whole film where there are none."""
        return self.box or self.frame

    @property
    def weights(self) -> NDArray[np.float32]:
        """How much of each place of the field is lung, `(28, 28)` in [0, 1]: what a head pools over."""
        return lung_weights(self.map, self.frame, field_box(self.judged))

    def in_field(self, size: int) -> NDArray[np.bool_]:
        """Which places of the field, at `(size, size)`, are lung."""
        field = field_box(self.judged)
        shown = (field.top, field.left, field.bottom, field.right)
        return map_in(self.map, self.frame, shown, size) > OUTLINE


def find_lungs(engine: SharedEngine, finder: LungFinder, pictures: Sequence[NDArray[np.uint8]]) -> list[FoundLungs]:
    """Find the lungs of pictures `(H, W)` of any sizes, 0 black to 255 white, in order.

    Args:
        engine: runs `models.lungs.finder.finder_backbone`; one pass a picture, four more where it is no upright film.
        finder: the fitted numbers.
    """
    found: list[FoundLungs] = []
    for start in range(0, len(pictures), _FILMS_AT_ONCE):
        batch = pictures[start : start + _FILMS_AT_ONCE]
        frames = [film_frame(picture) for picture in batch]
        films = [frame.cut(picture) for frame, picture in zip(frames, batch, strict=True)]
        passes = engine.run([network_input(film, engine.engine.backbone.input_size) for film in films])
        for frame, film, features in zip(frames, films, passes, strict=True):
            found.append(_found(engine, finder, film, frame, features))
    return found


def _found(
    engine: SharedEngine, finder: LungFinder, film: NDArray[np.uint8], frame: Box, features: Features
) -> FoundLungs:
    embedding = features.pooled[0]
    lung_map = finder.maps(features.feature_map[None])[0]
    box = lung_box(lung_map)
    upright = float(finder.uprightness(embedding[None])[0])
    finding = pose_finding(
        upright, _other_poses(engine, finder, film) if upright < LIKELY else (), found=box is not None
    )
    if finding or box is None:
        return FoundLungs(frame, lung_map, None, embedding, finding, None)
    note = mirrored_note(float(finder.sidedness(features.feature_map[None])[0])) if upright >= LIKELY else None
    return FoundLungs(frame, lung_map, box.placed_in(frame), embedding, cut_off_finding(lung_map), note)


def _other_poses(engine: SharedEngine, finder: LungFinder, film: NDArray[np.uint8]) -> list[float]:
    """How upright the film would be, were it turned or inverted, in the order of `findings.POSES`."""
    size = engine.engine.backbone.input_size
    passes = engine.run([network_input(pose, size) for pose in poses(film)])
    return [float(score) for score in finder.uprightness(np.stack([features.pooled[0] for features in passes]))]
