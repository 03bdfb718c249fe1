"""What a run works with once every image has been through the backbone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.manifest import Entry


@dataclass(frozen=True)
class Material:
    """Images that may be learnt from, with their embeddings.

    Attributes:
        entries: the images of the splits "train" and "val".
        truth: `(n,)`, their class indices.
        patients: `(n,)`.
        embeddings: `(n, 1 + views, d)`, the plain film first.
    """

    entries: tuple[Entry, ...]
    truth: NDArray[np.int64]
    patients: tuple[str, ...]
    embeddings: NDArray[np.float32]
