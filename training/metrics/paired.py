"""How much better one model is than another on the same images: paired differences with intervals over patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from training.metrics.bootstrap import CONFIDENCE, DRAWS, BoolArray, Estimate, FloatArray, Metrics, bootstrap
from training.metrics.classification import binary_arrays
from training.metrics.weighted import Ranking, area_under_roc, ratio

DIFFERENCES: Final = ("auroc", "sensitivity", "specificity", "brier")


@dataclass(frozen=True)
class Scores:
    """What a model says of images.

    Attributes:
        probability: `(n,)` in [0, 1], of being positive.
        threshold: from which it calls an image positive.
    """

    probability: ArrayLike
    threshold: float


def paired_metrics(
    positive: ArrayLike, later: Scores, earlier: Scores, patients: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Metrics]:
    """AUROC, sensitivity and specificity at each model's own threshold, and Brier score, of two models on the same images.

    Every bootstrap draw of patients is judged by both, so that what is hard for both does not widen the difference.

    Returns:
        "later", "earlier", and "difference", the first less the second: each by the names of `DIFFERENCES`. None where not
        assessable. A lower Brier score is the better one.
    """
    truth, first = binary_arrays(positive, later.probability)
    _, second = binary_arrays(positive, earlier.probability)
    one, other = _Statistics(truth, first, later.threshold), _Statistics(truth, second, earlier.threshold)

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        after, before = one.of(weights), other.of(weights)
        return {
            **{f"later {name}": value for name, value in after.items()},
            **{f"earlier {name}": value for name, value in before.items()},
            **{f"difference {name}": after[name] - before[name] for name in after},
        }

    shares = {"sensitivity": truth, "specificity": ~truth}
    proportions = {f"{kind} {name}": about for kind in ("later", "earlier") for name, about in shares.items()}
    found = bootstrap(statistics, patients, proportions=proportions, draws=draws, seed=seed)
    for name, about in shares.items():
        count = len({patient for patient, counts in zip(patients, about.tolist(), strict=True) if counts})
        found[f"difference {name}"] = _widened(found[f"difference {name}"], count)
    return {
        kind: {name: found[f"{kind} {name}"] for name in DIFFERENCES} for kind in ("later", "earlier", "difference")
    }


def _widened(difference: Estimate | None, patients: int) -> Estimate | None:
    """Where no draw differs, as the two agree on all patients, what that many patients leave open (Clopper & Pearson 1934)."""
    if difference is None or difference.low < difference.high:
        return difference
    open_ = 1 - ((1 - CONFIDENCE) / 2) ** (1 / patients)
    low, high = max(-1.0, difference.value - open_), min(1.0, difference.value + open_)
    return replace(difference, low=low, high=high)


class _Statistics:
    """One model's numbers for bootstrap weights `(draws, n)`."""

    def __init__(self, truth: BoolArray, scores: FloatArray, threshold: float) -> None:
        self._truth = truth
        self._positive = scores >= threshold
        self._error = np.square(scores - truth)
        self._ranking = Ranking.from_scores(scores)

    def of(self, weights: FloatArray) -> Mapping[str, FloatArray]:
        truth, called = self._truth, self._positive
        return {
            "auroc": area_under_roc(*self._ranking.cumulative(weights, truth)),
            "sensitivity": ratio(weights @ (truth & called), weights @ truth),
            "specificity": ratio(weights @ (~truth & ~called), weights @ ~truth),
            "brier": ratio(weights @ self._error, weights.sum(axis=1)),
        }
