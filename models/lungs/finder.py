"""The linear lung finder: how much of each place of a film is lung, read from the frozen maps of EfficientNet-Lite0.

A ridge regression on what the network's middle sees at each place, and where that place lies, gives a first map; a second
one, on the first map's slowest waves (discrete cosine transform), knows what shape lungs have. Two further regressions on
means of the same maps say whether a picture is an upright film at all, and on which side the heart lies. All are fitted in
closed form by `python -m training lungs` on lungs drawn by people (NOTICE.md).
"""

import zipfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backbones.table import Backbone, get_backbone

FINDER_FILE: Final = Path(__file__).with_name("finder.npz")

PLACES: Final = 28
"""Places of the map along each side."""

TAPS: Final = ("block4a_expand_relu", "block5a_expand_relu", "block6a_expand_relu")
"""The layers whose maps the finder reads: 28×28×240, 14×14×480, 14×14×672."""

CHANNELS: Final = 240 + 480 + 672
WEIGHTS: Final = CHANNELS + 6
WAVES: Final = 14
"""Waves along each side that the second regression knows of."""

COLUMNS: Final = 4
"""Upright strips of the map whose means tell left from right, the outer two and the inner two against each other."""


def finder_backbone() -> Backbone:
    """The vendored EfficientNet-Lite0 with the finder's taps: its feature map is `(n, 28, 28, 1392)`.

    Films reach it squeezed to 224×224 by `models.films.network_input`, whatever backbone judges them.
    """
    return replace(get_backbone("efficientnet_lite0"), taps=TAPS, embedding_size=CHANNELS)


@dataclass(frozen=True, eq=False)
class LungFinder:
    """The numbers of the regressions.

    Attributes:
        weights: `(1398,)`, of the channels and of x, y, x², y², |x| and 1, x and y from −1 (left, top) to 1.
        shape: `(197, 196)`, from the first map's waves and 1 to those of the second.
        detail: what share of the first map's faster waves is kept.
        upright: `(1393,)`, of the mean embedding and 1; see `uprightness`.
        side: `(2784,)`, of the differences between strips; see `sidedness`.
    """

    weights: NDArray[np.float32]
    shape: NDArray[np.float32]
    detail: float
    upright: NDArray[np.float32]
    side: NDArray[np.float32]

    def __post_init__(self) -> None:
        numbers = self.weights, self.shape, self.upright, self.side
        shapes = tuple(each.shape for each in numbers)
        if shapes != (expected := ((WEIGHTS,), (WAVES**2 + 1, WAVES**2), (CHANNELS + 1,), (COLUMNS // 2 * CHANNELS,))):
            raise ValueError(f"A lung finder must have numbers of the shapes {expected}. Received: {shapes}")
        if not all(np.isfinite(each).all() for each in (*numbers, self.detail)):
            raise ValueError("A lung finder must consist of finite numbers. Received: some that are not")

    def maps(self, feature_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of feature maps `(n, 28, 28, 1392)`: the share of each place that is lung, `(n, 28, 28)` in [0, 1]."""
        return self.shaped(first_maps(feature_map, self.weights))

    def shaped(self, first: NDArray[np.float32]) -> NDArray[np.float32]:
        """First maps `(n, 28, 28)` bent to what lungs look like, in [0, 1]."""
        slow = waves_of(first)
        shape = slow @ self.shape[:-1] + self.shape[-1]
        lungs: NDArray[np.float32] = np.clip(from_waves(shape - self.detail * slow) + self.detail * first, 0, 1)
        return lungs.astype(np.float32)

    def uprightness(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of mean embeddings `(n, 1392)`: about 1 for an upright chest film, −1 for any other picture; `(n,)`."""
        return embeddings @ self.upright[:-1] + self.upright[-1]

    def sidedness(self, feature_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of feature maps `(n, 28, 28, 1392)`: about 1 for the heart on the usual side, −1 for a mirrored film; `(n,)`."""
        return strip_differences(feature_map) @ self.side

    def save(self, path: Path) -> None:
        """Write the numbers, some kilobytes."""
        np.savez_compressed(
            path,
            weights=self.weights,
            shape=self.shape.astype(np.float16),
            detail=np.float32(self.detail),
            upright=self.upright,
            side=self.side.astype(np.float16),
        )

    @classmethod
    def load(cls, path: Path = FINDER_FILE) -> "LungFinder":
        """Read what `save` wrote; a ValueError where the file holds something else."""
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                names = ("weights", "shape", "upright", "side")
                weights, shape, upright, side = (arrays[name].astype(np.float32) for name in names)
                return cls(weights, shape, float(arrays["detail"]), upright, side)
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path.name} holds no lung finder: {error}. Restore the shipped file, or make it anew: "
                "python -m training lungs FILMS MASKS"
            ) from error


def first_maps(feature_map: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the first regression's weights `(1398,)` give for feature maps `(n, 28, 28, 1392)`: `(n, 28, 28)` in [0, 1]."""
    if feature_map.shape[1:] != (PLACES, PLACES, CHANNELS):
        raise ValueError(f"Feature maps must be (n, {PLACES}, {PLACES}, {CHANNELS}). Received: {feature_map.shape}")
    first: NDArray[np.float32] = feature_map @ weights[:CHANNELS] + place_terms() @ weights[CHANNELS:]
    return np.clip(first, 0, 1)


@cache
def place_terms() -> NDArray[np.float32]:
    """x, y, x², y², |x| and 1 of each place, `(28, 28, 6)`."""
    steps = (np.arange(PLACES) + 0.5) / PLACES * 2 - 1
    y, x = np.meshgrid(steps, steps, indexing="ij")
    return np.stack([x, y, x * x, y * y, abs(x), np.ones_like(x)], axis=-1).astype(np.float32)


def strip_differences(feature_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of feature maps `(n, 28, 28, 1392)`: what each left strip has more than its counterpart on the right, `(n, 2784)`."""
    n = len(feature_map)
    strips = feature_map.reshape(n, PLACES, COLUMNS, PLACES // COLUMNS, CHANNELS).mean(axis=(1, 3))
    differences: NDArray[np.float32] = strips[:, : COLUMNS // 2] - strips[:, : COLUMNS // 2 - 1 : -1]
    return differences.reshape(n, COLUMNS // 2 * CHANNELS)


@cache
def wave_terms() -> NDArray[np.float32]:
    """The slowest waves of the discrete cosine transform along one side, orthonormal: `(14, 28)`."""
    wave, place = np.mgrid[0:WAVES, 0:PLACES]
    terms: NDArray[np.float64] = np.cos(np.pi / PLACES * (place + 0.5) * wave) * np.sqrt(2 / PLACES)
    terms[0] /= np.sqrt(2)
    return np.asarray(terms, np.float32)


def waves_of(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of each of the slowest waves maps `(n, 28, 28)` have: `(n, 196)`."""
    waves = wave_terms() @ maps @ wave_terms().T
    return np.asarray(waves, np.float32).reshape(len(maps), WAVES**2)


def from_waves(waves: NDArray[np.float32]) -> NDArray[np.float32]:
    """The maps `(n, 28, 28)` that have these slowest waves `(n, 196)` and no others."""
    maps = wave_terms().T @ waves.reshape(-1, WAVES, WAVES) @ wave_terms()
    return np.asarray(maps, np.float32)
