"""What verdicts are worth: numbers that can be checked by hand, and intervals that never lose their width."""

import numpy as np
import pytest

from training.metrics.classification import binary_metrics, share_metrics
from training.metrics.decisions import (
    COVERAGES,
    PREVALENCES,
    decision_curve,
    indeterminate,
    predictive_values,
    risk_coverage,
)


def own_patients(n):
    return [f"patient {index}" for index in range(n)]


def verdicts(found=90, missed=10, cleared=160, alarms=40):
    """Truth and verdicts with these counts: sensitivity 0.9, specificity 0.8 by default."""
    truth = np.array([True] * (found + missed) + [False] * (cleared + alarms))
    said = np.array([True] * found + [False] * missed + [False] * cleared + [True] * alarms)
    return truth, said


def predictions(n=400, seed=0):
    generator = np.random.default_rng(seed)
    probability = generator.random(n)
    return generator.random(n) < probability, probability


@pytest.mark.parametrize(
    ("prevalence", "ppv", "npv"),
    [
        # 1,000 people, 10 ill: 9 found, 990 well of whom 198 alarmed; 792 cleared, 1 missed.
        (0.01, 9 / (9 + 198), 792 / (792 + 1)),
        (0.5, 450 / (450 + 100), 400 / (400 + 50)),
    ],
)
def test_predictive_values_follow_bayes(prevalence, ppv, npv):
    truth, said = verdicts()
    (found,) = predictive_values(truth, said, own_patients(300), prevalences=[prevalence], draws=200)
    assert found.ppv.value == pytest.approx(ppv)
    assert found.npv.value == pytest.approx(npv)
    assert found.ppv.low < ppv < found.ppv.high
    assert found.npv.low < npv < found.npv.high


def test_at_their_own_prevalence_predictive_values_are_those_observed():
    truth, said = verdicts()
    (found,) = predictive_values(truth, said, own_patients(300), prevalences=[truth.mean()], draws=100)
    observed = binary_metrics(truth, np.where(said, 0.9, 0.1), own_patients(300), threshold=0.5, draws=100)
    assert found.ppv.value == pytest.approx(observed["ppv"].value)
    assert found.npv.value == pytest.approx(observed["npv"].value)


def test_no_false_alarm_among_few_images_does_not_promise_a_perfect_ppv():
    truth, said = verdicts(alarms=0, cleared=20)
    rare, *_ = predictive_values(truth, said, own_patients(120), prevalences=PREVALENCES, draws=100)
    assert rare.ppv.value == rare.ppv.high == 1
    assert rare.ppv.low < 0.1, "with 20 negatives a specificity of 0.83 is possible, and at 1 % that is a poor PPV"


@pytest.mark.parametrize(
    ("truth", "said", "missing"), [([True] * 4, [True] * 4, "ppv"), ([True, False] * 2, [False] * 4, "ppv")]
)
def test_predictive_values_that_do_not_exist_are_not_assessable(truth, said, missing):
    (found,) = predictive_values(truth, said, own_patients(4), prevalences=[0.1], draws=100)
    assert getattr(found, missing) is None
    assert found.as_json()[missing] is None


def test_error_by_coverage_by_hand():
    wrong = np.array([False, False, True, False, True])  # from the surest to the least sure
    curve = risk_coverage(wrong, np.array([5.0, 4.0, 3.0, 2.0, 1.0]), own_patients(5), draws=200)
    np.testing.assert_allclose(curve.coverage, [0.2, 0.4, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(curve.error, [0, 0, 1 / 3, 1 / 4, 2 / 5])
    assert curve.at[1.0].value == pytest.approx(0.4)
    assert curve.at[0.8].value == pytest.approx(0.25)
    assert curve.at[0.4].value == 0
    assert curve.ratio.value == pytest.approx(0.625)
    assert curve.area == pytest.approx(0.2 * (1 / 3 + 1 / 4 + 2 / 5))
    assert list(curve.at) == list(COVERAGES)
    assert curve.at[0.2] is None, "one patient shows no spread"
    assert all(found.low <= found.value <= found.high for found in curve.at.values() if found)


def test_equal_confidence_counts_as_in_any_order():
    curve = risk_coverage([True, False, False, False] * 20, np.ones(80), own_patients(80), draws=100)
    assert {round(curve.at[coverage].value, 12) for coverage in COVERAGES} == {0.25}


def test_an_ordering_that_knows_beats_one_that_does_not():
    positive, probability = predictions(2000)
    wrong = positive != (probability >= 0.5)
    knowing = risk_coverage(wrong, np.abs(probability - 0.5), own_patients(2000), draws=100)
    ignorant = risk_coverage(wrong, np.random.default_rng(1).random(2000), own_patients(2000), draws=100)
    assert knowing.ratio.high < 0.9
    assert ignorant.ratio.low < 1 < ignorant.ratio.high
    assert knowing.area < ignorant.area


def test_no_error_at_all_keeps_an_interval_and_has_no_ratio():
    curve = risk_coverage(np.zeros(50, bool), np.arange(50.0), own_patients(50), draws=100)
    assert curve.at[0.8].value == 0 < curve.at[0.8].high
    assert curve.ratio is None
    assert curve.as_json()["ratio_to_full"] is None


def test_a_ratio_of_nothing_keeps_an_interval():
    wrong = np.arange(50) >= 45
    curve = risk_coverage(wrong, -np.arange(50.0), own_patients(50), draws=500)
    assert curve.ratio.value == 0
    assert curve.ratio.high > 0


def test_net_benefit_by_hand():
    positive = np.array([True, True, False, False])
    curve = decision_curve(positive, np.array([0.9, 0.3, 0.6, 0.1]), own_patients(4), draws=200)
    at = {round(threshold, 2): value for threshold, value in zip(curve.threshold, curve.model, strict=True)}
    assert at[0.2] == pytest.approx(2 / 4 - 1 / 4 * 0.25)  # two found, one false alarm at odds of 1 to 4
    assert at[0.5] == pytest.approx(1 / 4 - 1 / 4)
    assert at[0.8] == pytest.approx(1 / 4)
    everyone = dict(zip(np.round(curve.threshold, 2), curve.everyone, strict=True))
    assert everyone[0.5] == pytest.approx(0)
    assert everyone[0.2] == pytest.approx(0.5 - 0.5 * 0.25)
    assert (curve.low <= curve.model).all()
    assert (curve.model <= curve.high).all()


def test_calibrated_probabilities_never_do_harm():
    positive, probability = predictions(3000)
    curve = decision_curve(positive, probability, own_patients(3000), draws=100)
    assert (curve.high >= np.maximum(curve.everyone, 0)).all()


def test_one_patient_gives_no_decision_curve():
    assert decision_curve(np.array([True, False]), np.array([0.9, 0.1]), ["one", "one"], draws=100) is None


def test_between_ruling_out_and_ruling_in_is_indeterminate():
    points = {"rule_out": 0.2, "balanced": 0.5, "rule_in": 0.8}
    assert indeterminate(np.array([0.1, 0.2, 0.5, 0.79, 0.8]), points).tolist() == [False, True, True, True, False]
    assert indeterminate(np.array([0.1]), {"balanced": 0.5, "rule_in": 0.8}) is None


def test_shares_have_intervals_by_patient():
    shares = share_metrics({"half": [True, False] * 10, "none": [False] * 20}, own_patients(20), draws=200)
    assert shares["half"].value == 0.5
    assert shares["half"].low < 0.5 < shares["half"].high
    assert shares["none"].value == 0 < shares["none"].high < 0.2


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: predictive_values([True], [True], ["a"], prevalences=[0.0]), r"A prevalence must lie in \(0, 1\)"),
        (
            lambda: predictive_values([True], [True], ["a"], prevalences=[0.5, 1.2]),
            r"A prevalence must lie in \(0, 1\)",
        ),
        (lambda: risk_coverage([True, False], [1.0], ["a", "b"]), "wrong and confidence must be"),
        (lambda: risk_coverage([True, False], [1.0, np.nan], ["a", "b"]), "wrong and confidence must be"),
        (lambda: decision_curve([1, 0], [0.1, 0.2], ["a", "b"]), "positive must be a bool array"),
        (lambda: share_metrics({"a": [True]}, ["a", "b"]), "one patient per image"),
    ],
)
def test_the_rule_that_was_broken_is_named(call, rule):
    with pytest.raises(ValueError, match=f"{rule}.*Received"):
        call()
