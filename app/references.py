"""The synthetic samples as references: films of a known class beside a film in question; knows nothing of Streamlit."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.samples import read_sample, sample_label, sample_names, sample_thumbnail
from models.films.radiograph import read_radiograph
from models.prediction import Prediction
from models.predictor import Predictor
from models.similar import most_similar

SHOWN: Final = 3


@dataclass(frozen=True, eq=False)
class Reference:
    """A sample, as the served bundle sees it.

    Attributes:
        name: of the sample's file.
        label: the class that it was made from.
        sha256: of the file's bytes.
        jpeg: a small picture of it.
        embedding: `(d,)`.
    """

    name: str
    label: str
    sha256: str
    jpeg: bytes
    embedding: NDArray[np.float32]


def read_references(predictor: Predictor) -> list[Reference]:
    """Embed the samples that the bundle takes for radiographs; under a second, once for a server."""
    contents = {name: read_sample(name) for name in sample_names()}
    radiographs = {name: read_radiograph(content) for name, content in contents.items()}
    references = []
    for name, outcome in zip(radiographs, predictor.predict(list(radiographs.values())), strict=True):
        if isinstance(outcome, Prediction) and outcome.embedding is not None:
            digest = hashlib.sha256(contents[name]).hexdigest()
            references.append(Reference(name, sample_label(name), digest, sample_thumbnail(name), outcome.embedding))
    return references


def similar(prediction: Prediction, sha256: str, references: Sequence[Reference]) -> list[Reference]:
    """The references most like a film, nearest first, never the film itself."""
    others = [reference for reference in references if reference.sha256 != sha256]
    if prediction.embedding is None:
        return []
    nearest = most_similar(prediction.embedding, [other.embedding for other in others], count=SHOWN)
    return [others[place] for place, _ in nearest]
