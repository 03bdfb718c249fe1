"""What the heads of a cross-validation go by: the lungs, or what lies round them?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from models.head import DenseHead, select_pooling
from training.data.folds import Split
from training.embedding.embedded_films import EmbeddedFilms
from training.metrics.bootstrap import DRAWS, Estimate
from training.metrics.classification import auroc_metric

_DECAY: Final = 1e-3


@dataclass(frozen=True)
class Surroundings:
    """AUROC on films that are put to the test, each by a head that has not seen its patient; None where it is undefined.

    Attributes:
        exchanged: the lungs on the surroundings of a film of the other class: near the plain AUROC for a head that reads lungs,
            below 0.5 for one that reads surroundings.
        alone: the surroundings without lungs: 0.5 for a head that reads lungs.
        readable: of the surroundings alone, by a logistic regression that was fitted on nothing else: how much of the label is
            there for a head to take.
    """

    exchanged: Estimate | None
    alone: Estimate | None
    readable: Estimate | None

    def as_json(self) -> dict[str, Any]:
        return {
            name: value.as_json() if (value := getattr(self, name)) else None
            for name in ("exchanged", "alone", "readable")
        }


def examine_surroundings(
    embedded: EmbeddedFilms, folds: Sequence[Split], heads: Sequence[DenseHead], pooling: str, *, draws: int = DRAWS
) -> Surroundings | None:
    """Put the heads of a cross-validation to the test; None where lungs were not looked for, or for more than two classes."""
    probes = embedded.probes
    if probes is None or len(np.unique(embedded.truth)) != 2:
        return None
    truth = embedded.truth[probes.places]
    patients = [embedded.patients[place] for place in probes.places]
    alone = select_pooling(probes.surroundings, pooling)
    scores = {
        "exchanged": _by_fold(probes.places, folds, heads, select_pooling(probes.exchanged, pooling)),
        "alone": _by_fold(probes.places, folds, heads, alone),
        "readable": _readable(probes.places, folds, alone, truth),
    }
    return Surroundings(
        **{name: auroc_metric(truth == 1, score, patients, draws=draws) for name, score in scores.items()}
    )


def _by_fold(
    places: NDArray[np.int64], folds: Sequence[Split], heads: Sequence[DenseHead], views: NDArray[np.float32]
) -> NDArray[np.float64]:
    """The probability of the second class, `(m,)`, by the head of the fold that holds the film out."""
    logits = np.zeros((len(places), 2), np.float64)
    for (_, held_out), head in zip(folds, heads, strict=True):
        own = np.isin(places, held_out)
        logits[own] = head.logits(views[own])
    return _sigmoid(logits[:, 1] - logits[:, 0])


def _readable(
    places: NDArray[np.int64], folds: Sequence[Split], views: NDArray[np.float32], truth: NDArray[np.int64]
) -> NDArray[np.float64]:
    logits = np.zeros(len(places))
    for _, held_out in folds:
        own = np.isin(places, held_out)
        if own.all() or not own.any() or len(np.unique(truth[~own])) < 2:
            continue
        regression = make_pipeline(
            StandardScaler(), LogisticRegression(C=_DECAY, max_iter=200, class_weight="balanced")
        )
        logits[own] = regression.fit(views[~own], truth[~own]).decision_function(views[own])
    return _sigmoid(logits)


def _sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1 + np.tanh(logits / 2)))
