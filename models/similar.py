"""Which films a film looks like to the backbone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def most_similar(
    embedding: NDArray[np.float32], others: Sequence[NDArray[np.float32]], *, count: int
) -> list[tuple[int, float]]:
    """The `count` nearest of other embeddings `(d,)`, nearest first: place and cosine similarity in [-1, 1].

    Cosines are taken from the mean of the others, since all films share most of what an embedding says.
    """
    if not others:
        return []
    middle = np.mean(others, axis=0)
    rows = np.stack([other - middle for other in others])
    own = embedding - middle
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(own)
    cosine = np.divide(rows @ own, lengths, out=np.zeros(len(rows), dtype=np.float32), where=lengths > 0)
    order = np.argsort(-cosine, kind="stable")[:count]
    return [(int(place), float(cosine[place])) for place in order]
