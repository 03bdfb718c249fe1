"""Fitting the calibration on out-of-fold logits."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from models.calibration import Calibration


def fit_calibration(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Calibration:
    """Platt scaling for two classes, temperature scaling for more, by maximum likelihood.

    Args:
        logits: `(n, classes)`, each by a head that has not seen the image's patient.
        labels: `(n,)`, indices of classes; every class present.
    """
    return _platt(logits, labels) if logits.shape[1] == 2 else _temperature(logits, labels)


def _platt(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Calibration:
    difference = (logits[:, 1] - logits[:, 0]).astype(np.float64)[:, None]
    # A large C is maximum likelihood with a trace of shrinkage, which keeps perfectly separated folds finite.
    fitted = LogisticRegression(C=1e3, max_iter=1000).fit(difference, labels)
    slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    if slope <= 0:
        # Held-out logits that point the wrong way carry nothing to calibrate: the folds saw no signal.
        return Calibration.identity(2)
    return Calibration(method="platt", slope=slope, bias=(0.0, intercept))


def _temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> Calibration:
    wide = logits.astype(np.float64)

    def loss(log_slope: float) -> float:
        calibration = Calibration("temperature", float(np.exp(log_slope)), (0.0,) * wide.shape[1])
        probabilities = calibration.probabilities(wide)[np.arange(len(labels)), labels]
        return -float(np.mean(np.log(np.maximum(probabilities, 1e-12))))

    best = minimize_scalar(loss, bounds=(-5, 3), method="bounded")
    return Calibration(method="temperature", slope=float(np.exp(best.x)), bias=(0.0,) * wide.shape[1])
