"""What an evaluation reports: numbers with patient-clustered intervals.

Everywhere the verdict is positive when `probability >= threshold`. A statistic that the images cannot give (such as a
specificity without negatives) is None, "not assessable": never 0, never NaN. The points of curves are in
`training.metrics.curves`; what verdicts are worth, and what declining some of them buys, is in `training.metrics.decisions`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from training.metrics.bootstrap import DRAWS, BoolArray, Estimate, FloatArray, bootstrap
from training.metrics.weighted import Ranking, area_under_roc, average_precision, logit, ratio, recalibrate

IntArray = NDArray[np.int64]
_SUM_TOLERANCE: Final = 1e-3  # half-precision softmax outputs sum to 1 this closely


def binary_metrics(
    positive: ArrayLike,
    probability: ArrayLike,
    patients: Sequence[str],
    *,
    threshold: float,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Estimate | None]:
    """Metrics of a yes/no verdict with 95 % patient-clustered bootstrap intervals.

    Args:
        positive: `(n,)` bool, the truth.
        probability: `(n,)` in [0, 1], of being positive.
        patients: `(n,)` the patient of each image.
        threshold: operating point in (0, 1).
        draws, seed: of the bootstrap.

    Returns:
        auroc; auprc (average precision); sensitivity, specificity, accuracy, balanced_accuracy, ppv and npv at the
        threshold; brier; calibration_slope and calibration_intercept, fitted together by logistic regression of the
        truth on the logit of the probability (1 and 0 when calibrated). None where not assessable.

    Raises:
        ValueError: an array of another shape, type or range.
    """
    truth, scores = binary_arrays(positive, probability)
    _check_patients(patients, len(truth))
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must lie in (0, 1). Received: {threshold!r}")
    verdict = scores >= threshold
    ranking = Ranking.from_scores(scores)
    logits = logit(scores)
    identity = np.array([0.0, 1.0])
    start = recalibrate(np.ones((1, len(truth))), logits, truth, start=identity)[0]
    start = start if np.isfinite(start).all() else identity

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        calibration = recalibrate(weights, logits, truth, start=start)
        below = ranking.cumulative(weights, truth)
        return {
            "auroc": area_under_roc(*below),
            "auprc": average_precision(*below),
            **_verdict_statistics(weights, truth, verdict),
            "brier": ratio(weights @ np.square(scores - truth), weights.sum(axis=1)),
            "calibration_slope": calibration[:, 1],
            "calibration_intercept": calibration[:, 0],
        }

    return bootstrap(statistics, patients, proportions=_denominators(truth, verdict), draws=draws, seed=seed)


def auroc_metric(
    positive: ArrayLike, probability: ArrayLike, patients: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> Estimate | None:
    """The AUROC of `binary_metrics` alone, at a quarter of the time."""
    truth, scores = binary_arrays(positive, probability)
    _check_patients(patients, len(truth))
    ranking = Ranking.from_scores(scores)
    return bootstrap(
        lambda weights: {"auroc": area_under_roc(*ranking.cumulative(weights, truth))}, patients, draws=draws, seed=seed
    )["auroc"]


def verdict_metrics(
    positive: ArrayLike, verdict: ArrayLike, patients: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Estimate | None]:
    """What verdicts `(n,)` bool alone decide of `binary_metrics`, with the same intervals."""
    truth, said = np.asarray(positive, dtype=bool), np.asarray(verdict, dtype=bool)
    _check_patients(patients, len(truth))
    return bootstrap(
        lambda weights: _verdict_statistics(weights, truth, said),
        patients,
        proportions=_denominators(truth, said),
        draws=draws,
        seed=seed,
    )


def share_metrics(
    members: Mapping[str, ArrayLike], patients: Sequence[str], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, Estimate | None]:
    """The share of all images that belongs to each of some sets, `(n,)` bool, with the same intervals."""
    masks = {name: np.asarray(mask, dtype=bool) for name, mask in members.items()}
    for mask in masks.values():
        _check_patients(patients, len(mask))
    return bootstrap(
        lambda weights: {name: ratio(weights @ mask, weights.sum(axis=1)) for name, mask in masks.items()},
        patients,
        proportions={name: np.ones_like(mask) for name, mask in masks.items()},
        draws=draws,
        seed=seed,
    )


def _denominators(truth: BoolArray, verdict: BoolArray) -> dict[str, BoolArray]:
    """The images that each share is a share of."""
    everything = np.ones_like(truth)
    return {"sensitivity": truth, "specificity": ~truth, "accuracy": everything, "ppv": verdict, "npv": ~verdict}


def multiclass_metrics(
    truth: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    patients: Sequence[str],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Estimate | None]:
    """Metrics of the most probable class with 95 % patient-clustered bootstrap intervals.

    Args:
        truth: `(n,)` index into `labels`.
        probabilities: `(n, classes)` in [0, 1]; each row sums to 1.
        labels: `(classes,)` names, all different.
        patients: `(n,)` the patient of each image.
        draws, seed: of the bootstrap.

    Returns:
        accuracy; balanced_accuracy (mean recall); macro_auroc (mean of one-vs-rest AUROCs); brier (summed over the
        classes, 0 to 2: Brier 1950); `recall_LABEL` of each class. A mean over classes is None where one has no images.

    Raises:
        ValueError: an array of another shape, type or range.
    """
    _check_labels(labels)
    classes = np.arange(len(labels))
    index, scores = _class_arrays(truth, probabilities, len(labels))
    _check_patients(patients, len(index))
    of_class = index[:, None] == classes
    right = (scores.argmax(axis=1) == index).astype(np.float64)
    squared_error = np.square(scores - of_class).sum(axis=1)
    rankings = [Ranking.from_scores(scores[:, one]) for one in classes]

    def statistics(weights: FloatArray) -> dict[str, FloatArray]:
        total = weights.sum(axis=1)
        recall = ratio(weights @ (of_class * right[:, None]), weights @ of_class)
        auroc = [area_under_roc(*rankings[one].cumulative(weights, of_class[:, one])) for one in classes]
        return {
            "accuracy": ratio(weights @ right, total),
            "balanced_accuracy": recall.mean(axis=1),
            "macro_auroc": np.mean(auroc, axis=0),
            "brier": ratio(weights @ squared_error, total),
            **{f"recall_{label}": recall[:, one] for one, label in enumerate(labels)},
        }

    proportions = {f"recall_{label}": of_class[:, one] for one, label in enumerate(labels)}
    proportions["accuracy"] = np.ones(len(index), dtype=bool)
    return bootstrap(statistics, patients, proportions=proportions, draws=draws, seed=seed)


def confusion(truth: ArrayLike, verdict: ArrayLike, labels: Sequence[str]) -> IntArray:
    """Images counted by truth (rows) and verdict (columns), `(classes, classes)`; both are indices into `labels`."""
    _check_labels(labels)
    rows, columns = (_indices(name, array, len(labels)) for name, array in (("truth", truth), ("verdict", verdict)))
    if len(rows) != len(columns):
        raise ValueError(f"truth and verdict must be equally long. Received: {len(rows)} and {len(columns)}")
    counts = np.bincount(rows * len(labels) + columns, minlength=len(labels) ** 2)
    return counts.reshape(len(labels), len(labels)).astype(np.int64)


def binary_arrays(positive: ArrayLike, probability: ArrayLike) -> tuple[BoolArray, FloatArray]:
    """The two arrays of a yes/no evaluation, checked: `(n,)` bool and `(n,)` float64 in [0, 1]."""
    truth, scores = np.asarray(positive), np.asarray(probability)
    if truth.dtype != np.bool_ or truth.ndim != 1 or not len(truth):
        raise ValueError(f"positive must be a bool array (n,), n >= 1. Received: {truth.dtype} {truth.shape}")
    if scores.shape != truth.shape:
        raise ValueError(f"probability must have the shape of positive, {truth.shape}. Received: {scores.shape}")
    return truth, _unit_interval("probability", scores)


def _verdict_statistics(weights: FloatArray, truth: BoolArray, verdict: BoolArray) -> dict[str, FloatArray]:
    """Statistics of the two-by-two table."""
    cells = np.stack([truth & verdict, truth & ~verdict, ~truth & verdict, ~truth & ~verdict], axis=1)
    true_positive, false_negative, false_positive, true_negative = (weights @ cells).T
    sensitivity = ratio(true_positive, true_positive + false_negative)
    specificity = ratio(true_negative, true_negative + false_positive)
    return {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "accuracy": ratio(true_positive + true_negative, weights.sum(axis=1)),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "ppv": ratio(true_positive, true_positive + false_positive),
        "npv": ratio(true_negative, true_negative + false_negative),
    }


def _unit_interval(name: str, array: NDArray[Any]) -> FloatArray:
    """The array as float64, all of it in [0, 1]."""
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{name} must be of a floating type. Received: {array.dtype}")
    wrong = ~((array >= 0) & (array <= 1))
    if wrong.any():
        raise ValueError(f"{name} must lie in [0, 1]. Received: {array[wrong][0]} and {wrong.sum() - 1} more outside")
    return array.astype(np.float64)


def _class_arrays(truth: ArrayLike, probabilities: ArrayLike, classes: int) -> tuple[IntArray, FloatArray]:
    index, scores = _indices("truth", truth, classes), np.asarray(probabilities)
    if scores.shape != (len(index), classes):
        raise ValueError(f"probabilities must be (n, classes) = {(len(index), classes)}. Received: {scores.shape}")
    scores = _unit_interval("probabilities", scores)
    off = np.abs(scores.sum(axis=1) - 1).max()
    if off > _SUM_TOLERANCE:
        raise ValueError(
            f"Each row of probabilities must sum to 1 (±{_SUM_TOLERANCE}). Received: a sum that is off by {off:.4g}"
        )
    return index, scores


def _indices(name: str, array: ArrayLike, classes: int) -> IntArray:
    index = np.asarray(array)
    if not np.issubdtype(index.dtype, np.integer) or index.ndim != 1 or not len(index):
        raise ValueError(f"{name} must be an integer array (n,), n >= 1. Received: {index.dtype} {index.shape}")
    if index.min() < 0 or index.max() >= classes:
        raise ValueError(f"{name} must be in 0 … {classes - 1}. Received: {index.min()} … {index.max()}")
    return index.astype(np.int64)


def _check_labels(labels: Sequence[str]) -> None:
    if len(labels) < 2 or len(set(labels)) != len(labels):
        raise ValueError(f"labels must be two or more different names. Received: {list(labels)}")


def _check_patients(patients: Sequence[str], n: int) -> None:
    if len(patients) != n:
        raise ValueError(f"patients must name one patient per image, {n}. Received: {len(patients)}")
