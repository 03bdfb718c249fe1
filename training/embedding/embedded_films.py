"""What a run works with once every image has been through the backbone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.head import select_pooling, select_rows
from training.data.manifest import Entry


@dataclass(frozen=True)
class Probes:
    """Some of the films, put so that a head shows what it goes by.

    Attributes:
        places: `(m,)`, of these films among all.
        exchanged: `(m, 3, d)`, their lungs on the surroundings of a film of another class.
        surroundings: `(m, 3, d)`, their surroundings without lungs.
    """

    places: NDArray[np.int64]
    exchanged: NDArray[np.float32]
    surroundings: NDArray[np.float32]


@dataclass(frozen=True)
class EmbeddedFilms:
    """Images that may be learnt from, with their embeddings.

    Attributes:
        entries: the images of the splits "train" and "val".
        truth: `(n,)`, their class indices.
        patients: `(n,)`.
        embeddings: `(n, 1 + views, 3, d)`, the plain film first; of each feature map what is pooled of it. `(n, 1 + views, 1, d)`
            where only means are asked for. Of a large folder float16 and in a file, else float32.
        whole: `(n, c)`, the mean of what the lung finder's network sees of the whole film; None where lungs are not looked for.
        probes: None likewise.
    """

    entries: tuple[Entry, ...]
    truth: NDArray[np.int64]
    patients: tuple[str, ...]
    embeddings: NDArray[np.float32]
    whole: NDArray[np.float32] | None = None
    probes: Probes | None = None

    def pooled(self, pooling: str) -> NDArray[np.float32]:
        """The embeddings by one of `models.head.POOLINGS`: `(n, 1 + views, d)`, or longer where a pooling takes two."""
        return select_pooling(self.embeddings, pooling)

    def pooled_rows(self, pooling: str) -> NDArray[np.float32]:
        """The same to be fitted on, `(n, 1 + views, p, d)`, p poolings side by side: a view, of however many films."""
        return select_rows(self.embeddings, pooling)

    @property
    def gate_embeddings(self) -> NDArray[np.float32]:
        """What the gate is fitted on, `(n, d)`: the mean of the plain view, behind that of the whole film where there is one."""
        mean = np.ascontiguousarray(self.pooled("mean")[:, 0], np.float32)
        return mean if self.whole is None else np.concatenate([self.whole, mean], axis=1)
