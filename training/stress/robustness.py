"""Balanced errors on corrupted films, and the findings on shortcuts: from verdicts to numbers with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from training.metrics.bootstrap import BoolArray, Estimate, FloatArray, bootstrap, interval_text
from training.metrics.weighted import Ranking, area_under_roc, ratio

AUROC_LIMIT: Final = 0.7
"""Of films without lungs. Where their label can be told at all, 0.7 is where discrimination begins to be called acceptable
(Hosmer, Lemeshow & Sturdivant 2013, section 5.2.4): a border that reaches it even at the low end of the interval would do
as a classifier of its own. Not 0.5: ribs, pleura and posture at the edge of a film are a little evidence, not a shortcut."""

MARKER_LIMIT: Final = 0.05
"""Share of verdicts that one letter in a corner may move. Films that lie at the threshold turn at any touch; more than one in
twenty, at the low end of the interval, is more than lies there."""

SIMILARITY_LIMIT: Final = 0.5
"""Rank correlation with the heatmap of a network that has forgotten. Above it most of the order of places came from
elsewhere than from what was learnt."""


@dataclass(frozen=True)
class Finding:
    """What one test of shortcuts found.

    Attributes:
        test: its name.
        sentence: for a person.
        estimate: None where not assessable.
        likely: whether a shortcut is, by the limits above.
    """

    test: str
    sentence: str
    estimate: Estimate | None
    likely: bool

    def as_json(self) -> dict[str, Any]:
        """Plain numbers, null where not assessable."""
        numbers = self.estimate.as_json() if self.estimate else dict.fromkeys(("value", "low", "high", "n", "patients"))
        return {"test": self.test, "finding": self.sentence, **numbers, "likely": self.likely}


def balanced_errors(
    truth: NDArray[np.int64],
    verdicts: Mapping[str, NDArray[np.int64]],
    patients: Sequence[str],
    means: Mapping[str, Sequence[str]],
    *,
    draws: int = 2000,
) -> dict[str, Estimate | None]:
    """1 − the mean sensitivity of the classes, for each set of verdicts, with patient-clustered intervals.

    Args:
        truth: `(n,)`, class indices.
        verdicts: by name, `(n,)` class indices.
        patients: of the n films.
        means: further names, each for the mean over some sets, of which each draw takes the same patients.

    Returns:
        An estimate for each name; None where not assessable.
    """
    names = list(verdicts)
    right = np.stack([verdicts[name] == truth for name in names], axis=1)
    of_class = [truth == label for label in np.unique(truth)]

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        recalls = [ratio(weights @ (right & own[:, None]), (weights @ own)[:, None]) for own in of_class]
        errors = dict(zip(names, (1 - np.mean(recalls, axis=0)).T, strict=True))
        return errors | {mean: np.mean([errors[name] for name in over], axis=0) for mean, over in means.items()}

    return bootstrap(statistics, patients, draws=draws)


def mean_auroc(
    truth: NDArray[np.int64], logits: NDArray[np.float32], patients: Sequence[str], *, draws: int = 2000
) -> Estimate | None:
    """AUROC of two classes, or the mean of each class's against the rest, from logits `(n, classes)`.

    By the log-odds and not by the probabilities: films unlike any other drive these to 0 and 1, where they tie.
    """
    wide = logits.astype(np.float64)
    log_odds = {
        label: wide[:, label] - logsumexp(np.delete(wide, label, axis=1), axis=1) for label in np.unique(truth).tolist()
    }
    rankings = {label: Ranking.from_scores(odds) for label, odds in log_odds.items()}

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        areas = [area_under_roc(*ranking.cumulative(weights, truth == label)) for label, ranking in rankings.items()]
        return {"auroc": np.mean(areas, axis=0)}

    return bootstrap(statistics, patients, draws=draws)["auroc"]


def lungless_finding(test: str, what: str, auroc: Estimate | None) -> Finding:
    """What the AUROC on films of which only `what` is left says."""
    likely = auroc is not None and auroc.low > AUROC_LIMIT
    verdict = "the label can be read from what holds little or no lung" if likely else "no shortcut found there"
    return Finding(
        test, f"AUROC {interval_text(auroc)} on films of which only {what} is left: {verdict}.", auroc, likely
    )


def marker_finding(
    changed: Mapping[tuple[str, str], BoolArray], patients: Sequence[str], *, draws: int = 2000
) -> Finding:
    """What letters in corners moved: by letter and corner, whether the verdict on each film `(n,)` is another one.

    The marker that moves most decides; it alone is told.
    """
    shares = bootstrap(
        lambda weights: {
            f"{letter} {corner}": weights @ moved / weights.sum(axis=1) for (letter, corner), moved in changed.items()
        },
        patients,
        proportions={f"{letter} {corner}": np.ones_like(moved) for (letter, corner), moved in changed.items()},
        draws=draws,
    )
    (letter, corner), _ = max(changed.items(), key=lambda item: int(item[1].sum()))
    worst = shares[f"{letter} {corner}"]
    likely = worst is not None and worst.low > MARKER_LIMIT
    sentence = (
        f"Of {len(changed)} letters and corners, {letter} at the {corner} moves most verdicts: {interval_text(worst)} "
        f"of the films; {'a letter decides' if likely else 'few enough to be films at the threshold'}."
    )
    return Finding("corner marker", sentence, worst, likely)


def sanity_finding(
    what: str, correlations: FloatArray, similarities: FloatArray, patients: Sequence[str], *, draws: int = 2000
) -> Finding:
    """What became of heatmaps when `what` was randomised.

    Args:
        correlations, similarities: `(n,)`, of each film's heatmaps before and after; NaN where a heatmap is even.
    """
    usable = np.isfinite(correlations)
    people = [patient for patient, use in zip(patients, usable, strict=True) if use]
    test = f"heatmap, {what} randomised"
    if not people:
        return Finding(test, f"No heatmap to compare when the {what} is randomised.", None, likely=False)
    mean = bootstrap(
        lambda weights: {"mean": weights @ correlations[usable] / weights.sum(axis=1)}, people, draws=draws
    )["mean"]
    likely = mean is not None and mean.low > SIMILARITY_LIMIT
    verdict = "the heatmap does not show what was learnt" if likely else "the heatmap follows what was learnt"
    sentence = (
        f"Rank correlation {interval_text(mean)} (SSIM {similarities[usable].mean():.2f}) with the heatmap of a random "
        f"{what}: {verdict}."
    )
    return Finding(test, sentence, mean, likely)
