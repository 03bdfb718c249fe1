"""What a run works with once every image has been through the backbone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.head import select_pooling
from training.data.manifest import Entry


@dataclass(frozen=True)
class EmbeddedFilms:
    """Images that may be learnt from, with their embeddings.

    Attributes:
        entries: the images of the splits "train" and "val".
        truth: `(n,)`, their class indices.
        patients: `(n,)`.
        embeddings: `(n, 1 + views, 2, d)`, the plain film first; mean and maximum of each feature map. `(n, 1 + views, 1, d)`
            where only means are asked for.
    """

    entries: tuple[Entry, ...]
    truth: NDArray[np.int64]
    patients: tuple[str, ...]
    embeddings: NDArray[np.float32]

    def pooled(self, pooling: str) -> NDArray[np.float32]:
        """The embeddings by one of `models.head.POOLINGS`: `(n, 1 + views, d)`, or twice as long for "both"."""
        return select_pooling(self.embeddings, pooling)
