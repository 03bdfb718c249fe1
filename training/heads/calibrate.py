"""The calibration, fitted on out-of-fold logits."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from models.calibration import Calibration
from training.metrics.bootstrap import draw_weights, patient_indices
from training.metrics.judged import Judged
from training.metrics.weighted import recalibrate

_DRAWS: Final = 500


def fit_calibration(
    logits: NDArray[np.float32], labels: NDArray[np.int64], patients: Sequence[str] | None = None
) -> Calibration:
    """Platt scaling for two classes, temperature scaling for more, by maximum likelihood.

    Args:
        logits: `(n, classes)`, each by a head that has not seen the image's patient.
        labels: `(n,)`, indices of classes; every class present.
        patients: `(n,)`; with them, two classes get the covariance behind their intervals.
    """
    return _platt(logits, labels, patients) if logits.shape[1] == 2 else _temperature(logits, labels)


def _platt(logits: NDArray[np.float32], labels: NDArray[np.int64], patients: Sequence[str] | None) -> Calibration:
    difference = (logits[:, 1] - logits[:, 0]).astype(np.float64)[:, None]
    # A large C is maximum likelihood with a trace of shrinkage, which keeps perfectly separated folds finite.
    fitted = LogisticRegression(C=1e3, max_iter=1000).fit(difference, labels)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if slope <= 0:
        # Held-out logits that point the wrong way carry nothing to calibrate: the folds saw no signal.
        return replace(Calibration.identity(2), prevalence=float(labels.mean()))
    covariance = _covariance(difference[:, 0], labels == 1, patients, (intercept, slope)) if patients else None
    return Calibration("platt", slope, (0.0, intercept), float(labels.mean()), covariance)


def _covariance(
    difference: NDArray[np.float64], positive: NDArray[np.bool_], patients: Sequence[str], fitted: tuple[float, float]
) -> tuple[float, float, float] | None:
    """Of slope and bias, over draws of whole patients; None where too many draws have no fit, as with separated classes."""
    draws = [
        recalibrate(weights, difference, positive, start=np.array(fitted))
        for weights in draw_weights(patient_indices(patients), draws=_DRAWS, seed=0)
    ]
    found = np.concatenate(draws)
    found = found[np.isfinite(found).all(axis=1)]
    if 2 * len(found) < _DRAWS:
        return None
    of_bias, between, of_slope = np.cov(found.T)[np.triu_indices(2)].tolist()
    return of_slope, between, of_bias


def _temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Calibration:
    wide = logits.astype(np.float64)

    def loss(log_slope: float) -> float:
        calibration = Calibration("temperature", float(np.exp(log_slope)), (0.0,) * wide.shape[1])
        probabilities = calibration.probabilities(wide)[np.arange(len(labels)), labels]
        return -float(np.mean(np.log(np.maximum(probabilities, 1e-12))))

    best = minimize_scalar(loss, bounds=(-5, 3), method="bounded")
    return Calibration(method="temperature", slope=float(np.exp(best.x)), bias=(0.0,) * wide.shape[1])


def calibrate(
    logits: NDArray[np.float32],
    truth: NDArray[np.int64],
    patients: Sequence[str],
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    labels: tuple[str, ...],
    positive: str | None,
) -> tuple[Calibration, Judged]:
    """Calibrate out-of-fold logits `(n, classes)`.

    Returns:
        The calibration fitted on all of them, for the bundle, and the images as judged by calibrations fitted on the
        other folds alone, so that no number about calibration comes from the images it was fitted on.
    """
    held_out = [part for _, part in folds]
    probabilities = np.empty(logits.shape, dtype=np.float64)
    for part in held_out:
        others = np.setdiff1d(np.concatenate(held_out), part) if len(held_out) > 1 else part
        probabilities[part] = fit_calibration(logits[others], truth[others]).probabilities(logits[part])
    every = np.concatenate(held_out)
    uncalibrated = Calibration.identity(len(labels)).probabilities(logits[every])
    people = [patients[index] for index in every]
    judged = Judged(truth[every], probabilities[every], people, labels, positive, uncalibrated)
    return fit_calibration(logits[every], truth[every], people), judged


def judged_by_batch(
    by_batch: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]],
    calibration: Calibration,
    like: Judged,
    truth: NDArray[np.int64],
    patients: Sequence[str],
) -> Judged | None:
    """Films as judged by heads that have not seen their acquisition batch; None where there are no batches.

    Args:
        by_batch: of `FittedHeads`: indices of films, and their logits. A film that several choices hold out counts each time.
        calibration: the bundle's own: that is what a film of another batch will meet.
        like: has the labels.
        truth, patients: `(n,)`, of all films.
    """
    if not by_batch:
        return None
    places = np.concatenate([held_out for held_out, _ in by_batch])
    probabilities = calibration.probabilities(np.concatenate([logits for _, logits in by_batch]))
    people = [patients[place] for place in places]
    return Judged(truth[places], probabilities, people, like.labels, like.positive)
