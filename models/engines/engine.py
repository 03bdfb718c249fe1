"""What an engine is: it runs a frozen backbone. All give the same numbers; which one is a matter of speed."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile


class Features(NamedTuple):
    """What a backbone sees in n films.

    Attributes:
        feature_map: `(n, h, w, d)`.
        pooled: `(n, 2, d)`: its mean and its maximum over all places.
    """

    feature_map: NDArray[np.float32]
    pooled: NDArray[np.float32]


class Engine(Protocol):
    """A backbone, ready to run; one call at a time.

    Attributes:
        name: "keras" or "openvino".
        precision: "f32", "bf16", "f16" or "int8": how products are rounded.
        films_at_once: how many films take hardly longer than one.
        backbone, weights: what it runs.
    """

    @property
    def films_at_once(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def precision(self) -> str: ...

    backbone: Backbone
    weights: WeightsFile

    def run(self, pixels: NDArray[np.float32]) -> Features:
        """Pass films `(n, size, size, 1)`, 0 black to 255 white, through the backbone."""

    def release(self) -> None:
        """Give back what memory can be had again; the next run takes it."""
