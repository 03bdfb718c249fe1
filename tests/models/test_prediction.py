"""Results check themselves, verdicts are taken at the operating point, and calibration has the forms it is named after."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.calibration import Calibration, softmax
from models.films.refusal import REFUSAL_CODES, Refusal, RefusedError
from models.prediction import INDETERMINATE, OperatingPoint, Prediction, deciding_points, take_verdict, verdict_values

LABELS = ("NORMAL", "PNEUMONIA")
POINT = OperatingPoint("balanced", 0.6, (0.9, 0.8, 1.0), (0.9, 0.8, 1.0))
OUT = OperatingPoint("rule_out", 0.4, (0.96, 0.95, 0.97), (0.7, 0.6, 0.8), promise=0.95)
IN = OperatingPoint("rule_in", 0.8, (0.6, 0.5, 0.7), (0.97, 0.96, 0.98), promise=0.95)
POINTS = (OUT, POINT, IN)
WHOLE = Prediction(
    LABELS,
    (0.3, 0.7),
    INDETERMINATE,
    "two",
    positive="PNEUMONIA",
    operating_points=POINTS,
    prevalence=0.75,
    interval=(0.65, 0.75),
)


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
        {"operating_points": ()},
        {"operating_point": "sensitive"},
        {"verdict": None},
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
    assert take_verdict(order, probabilities, positive="PNEUMONIA", points=(POINT,)) == verdict


def test_the_verdict_of_three_classes_is_the_likeliest() -> None:
    assert take_verdict(("A", "B", "C"), np.array([0.3, 0.3, 0.4]), positive=None, points=()) == "C"


@pytest.mark.parametrize(
    ("probability", "verdict"),
    [
        (0.0, "NORMAL"),
        (np.nextafter(0.4, 0), "NORMAL"),
        (0.4, INDETERMINATE),
        (np.nextafter(0.8, 0), INDETERMINATE),
        (0.8, "PNEUMONIA"),
        (1.0, "PNEUMONIA"),
    ],
)
@pytest.mark.parametrize("order", [LABELS, LABELS[::-1]])
def test_between_rule_out_and_rule_in_the_verdict_is_indeterminate(
    order: tuple[str, ...], probability: float, verdict: str
) -> None:
    values = {"PNEUMONIA": probability, "NORMAL": 1 - probability}
    points = deciding_points(POINTS)
    assert take_verdict(order, [values[label] for label in order], positive="PNEUMONIA", points=points) == verdict


@pytest.mark.parametrize(
    ("name", "verdict"), [("rule_out", "PNEUMONIA"), ("balanced", "PNEUMONIA"), ("rule_in", "NORMAL")]
)
def test_a_plain_verdict_is_taken_at_one_point(name: str, verdict: str) -> None:
    plain = WHOLE.at_operating_point(name)
    assert (plain.verdict, plain.probabilities) == (verdict, WHOLE.probabilities)
    assert [point.name for point in plain.deciding_points] == [name]
    assert plain.at_prevalence(0.1).verdict == verdict
    assert WHOLE.at_prevalence(0.1).at_operating_point(name).verdict == verdict


def test_a_withheld_verdict_stays_withheld_at_any_point() -> None:
    finding = Refusal("unlike_training_data", "Unlike.")
    withheld = replace(WHOLE, verdict=None, finding=finding)
    assert withheld.at_operating_point("balanced").verdict is None
    assert withheld.at_prevalence(0.5).verdict is None


def test_an_unknown_point_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"must be one of the bundle's: rule_out, balanced, rule_in. Received: 'best'"):
        WHOLE.at_operating_point("best")


def test_a_prevalence_moves_probability_interval_and_thresholds_by_the_prior_odds() -> None:
    moved = WHOLE.at_prevalence(0.1)
    factor = (0.1 / 0.9) / (0.75 / 0.25)  # Bayes: the likelihood ratio stays, the prior odds change
    for value, shifted in zip(
        (0.7, 0.65, 0.75, 0.4, 0.6, 0.8),
        (
            moved.probability("PNEUMONIA"),
            *(moved.interval or ()),
            *(point.threshold for point in moved.operating_points),
        ),
        strict=True,
    ):
        assert shifted / (1 - shifted) == pytest.approx(value / (1 - value) * factor)
    assert sum(moved.probabilities) == pytest.approx(1)
    assert (moved.verdict, moved.prevalence) == (WHOLE.verdict, 0.1)
    assert moved.at_prevalence(0.75).probabilities == pytest.approx(WHOLE.probabilities)


def test_the_first_label_may_be_the_positive_one() -> None:
    turned = replace(WHOLE, labels=LABELS[::-1], probabilities=(0.7, 0.3))
    assert turned.at_prevalence(0.1).probabilities == pytest.approx(WHOLE.at_prevalence(0.1).probabilities[::-1])


@pytest.mark.parametrize("probability", [0.0, 1e-300, 0.399999, 0.5, 1 - 1e-16, 1.0])
@pytest.mark.parametrize("prevalence", [1e-6, 0.1, 0.999999])
def test_no_verdict_changes_with_the_prevalence(probability: float, prevalence: float) -> None:
    values = (1 - probability, probability)
    verdict = take_verdict(LABELS, values, positive="PNEUMONIA", points=deciding_points(POINTS))
    moved = replace(WHOLE, probabilities=values, verdict=verdict).at_prevalence(prevalence)
    again = take_verdict(LABELS, moved.probabilities, positive="PNEUMONIA", points=moved.deciding_points)
    assert again == moved.verdict == verdict


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, 1.1, float("nan")])
def test_a_prevalence_is_a_share(prevalence: float) -> None:
    with pytest.raises(ValueError, match="prevalence must be a share between 0 and 1"):
        WHOLE.at_prevalence(prevalence)


def test_predictive_values_count_a_thousand_films() -> None:
    """Of 1,000 films 100 are positive: 60 of them and 3 % of the 900 reach rule-in; 4 and 630 stay below rule-out."""
    ppv, npv = verdict_values(deciding_points(POINTS), 0.1)
    assert ppv == pytest.approx(60 / (60 + 27))
    assert npv == pytest.approx(630 / (630 + 4))


def test_three_classes_have_no_prevalence() -> None:
    three = Prediction(("A", "B", "C"), (0.2, 0.5, 0.3), "B", "three")
    with pytest.raises(ValueError, match="two classes"):
        three.at_prevalence(0.1)
    with pytest.raises(ValueError, match="it has none"):
        three.at_operating_point("balanced")


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
        {"prevalence": 0.0},
        {"prevalence": 1.0},
        {"covariance": (-1.0, 0.0, 1.0)},
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
