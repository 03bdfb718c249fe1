"""Results check themselves, verdicts are taken at the operating point, and calibration has the forms it is named after."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.calibration import Calibration, softmax
from models.prediction import OperatingPoint, Prediction, take_verdict
from models.refusal import REFUSAL_CODES, Refusal, RefusedError

LABELS = ("NORMAL", "PNEUMONIA")
POINT = OperatingPoint("balanced", 0.6, (0.9, 0.8, 1.0), (0.9, 0.8, 1.0))
WHOLE = Prediction(LABELS, (0.3, 0.7), "PNEUMONIA", "two", positive="PNEUMONIA", operating_point=POINT)


@pytest.mark.parametrize(
    "changes",
    [
        {"probabilities": (0.3, 0.3, 0.4)},
        {"labels": ("NORMAL",), "probabilities": (1.0,), "verdict": "NORMAL"},
        {"probabilities": (0.3, 0.6)},
        {"probabilities": (-0.1, 1.1)},
        {"probabilities": (0.0, float("nan"))},
        {"verdict": "VIRUS"},
        {"positive": None},
        {"operating_point": None},
    ],
)
def test_an_impossible_prediction_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Received"):
        replace(WHOLE, **changes)


def test_a_probability_is_asked_for_by_its_label() -> None:
    assert (WHOLE.probability("NORMAL"), WHOLE.probability("PNEUMONIA")) == (0.3, 0.7)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_threshold_is_inside_zero_and_one(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be in"):
        replace(POINT, threshold=threshold)


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [(0.6, "PNEUMONIA"), (np.nextafter(0.6, 0), "NORMAL"), (0.7, "PNEUMONIA"), (0.59, "NORMAL"), (0.0, "NORMAL")],
)
@pytest.mark.parametrize("order", [LABELS, LABELS[::-1]])
def test_the_verdict_of_two_classes_is_taken_at_the_operating_point(
    order: tuple[str, ...], probability: float, verdict: str
) -> None:
    values = {"PNEUMONIA": probability, "NORMAL": 1 - probability}
    probabilities = np.array([values[label] for label in order])
    assert take_verdict(order, probabilities, positive="PNEUMONIA", operating_point=POINT) == verdict


def test_the_verdict_of_three_classes_is_the_likeliest() -> None:
    verdict = take_verdict(("A", "B", "C"), np.array([0.3, 0.3, 0.4]), positive=None, operating_point=None)
    assert verdict == "C"


def test_platt_scaling_is_a_logistic_of_the_difference_of_the_logits() -> None:
    logits = np.array([[0.0, 2.0], [1.0, -3.0], [40.0, -40.0], [-900.0, 900.0]], dtype=np.float32)
    found = Calibration("platt", 0.5, (0.0, -0.2)).probabilities(logits)
    difference = 0.5 * (logits[:, 1] - logits[:, 0]).astype(np.float64) - 0.2
    with np.errstate(over="ignore"):
        assert found[:, 1] == pytest.approx(1 / (1 + np.exp(-difference)), abs=1e-12)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-12)


def test_temperature_scaling_divides_the_logits() -> None:
    logits = np.array([[1.0, 2.0, 4.0]])
    found = Calibration("temperature", 0.5, (0.0, 0.0, 0.0)).probabilities(logits)
    assert found == pytest.approx(np.exp(logits / 2) / np.exp(logits / 2).sum(), abs=1e-12)
    assert found.argmax() == 2


def test_no_calibration_is_plain_softmax() -> None:
    logits = np.array([[1.0, 2.0, 4.0]])
    assert np.array_equal(Calibration.identity(3).probabilities(logits), softmax(logits))


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "isotonic"},
        {"slope": 0.0},
        {"slope": -1.0},
        {"slope": float("inf")},
        {"slope": float("nan")},
        {"bias": (0.0,)},
        {"bias": ()},
        {"bias": (0.0, float("nan"))},
    ],
)
def test_an_impossible_calibration_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Received"):
        replace(Calibration("platt", 1.0, (0.0, 0.0)), **changes)


def test_a_refusal_has_a_code_of_the_vocabulary() -> None:
    with pytest.raises(ValueError, match=r"must be one of not_found, .*Received: 'bad'"):
        Refusal("bad", "No.")
    error = RefusedError("too_small", "It is too small.")
    assert (error.refusal, str(error)) == (Refusal("too_small", "It is too small."), "It is too small.")
    assert "too_small" in REFUSAL_CODES
