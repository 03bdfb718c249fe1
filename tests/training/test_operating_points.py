"""Operating points: they do what they promise, and stay between scores."""

import math

import numpy as np
import pytest
from sklearn import metrics as reference

from training.operating_points import choose_operating_points


def predictions(seed=0, n=400, decimals=2):
    """Truth and overlapping scores; rounding makes ties."""
    generator = np.random.default_rng(seed)
    positive = generator.random(n) < 0.6
    score = 1 / (1 + np.exp(-(np.where(positive, 1.0, -1.0) + generator.normal(0, 1.5, n))))
    return positive, score.round(decimals)


def test_the_balanced_point_has_the_best_youden_and_is_no_score():
    positive, score = predictions()
    threshold = choose_operating_points(positive, score)["balanced"]
    false_positive, sensitivity, _ = reference.roc_curve(positive, score)
    verdict = score >= threshold
    youden = verdict[positive].mean() - verdict[~positive].mean()
    assert youden == pytest.approx((sensitivity - false_positive).max())
    assert threshold not in score


@pytest.mark.parametrize(
    ("positive", "score", "balanced"),
    [
        ([False, False, True, True], [0.1, 0.2, 0.6, 0.9], 0.4),
        ([False, True, False, True], [0.1, 0.2, 0.3, 0.9], 0.6),  # J = 0.5 in two gaps; the wider one
        ([False, True], [0.0, 1.0], 0.5),
        ([True, False], [0.2, 0.7], 0.85),  # worse than chance: one verdict for all is best
        ([True, False], [0.5, 0.5], 0.25),
    ],
)
def test_balanced_point_of_small_cases(positive, score, balanced):
    points = choose_operating_points(np.array(positive), np.array(score))
    assert points["balanced"] == pytest.approx(balanced)


@pytest.mark.parametrize("target", [0.5, 0.9, 0.95, 1.0])
@pytest.mark.parametrize("decimals", [1, 12])
def test_the_sensitive_point_is_the_highest_that_reaches_its_target(target, decimals):
    positive, score = predictions(n=300, decimals=decimals)
    score = score.clip(0.01)
    threshold = choose_operating_points(positive, score, sensitivity=target)["sensitive"]
    assert 0 < threshold < 1
    assert (score[positive] >= threshold).mean() >= target
    assert (score[positive] > threshold).mean() < target


def test_the_sensitive_point_counts_exactly():
    score = np.linspace(0.01, 0.99, 21)
    assert choose_operating_points(np.arange(21) > 0, score)["sensitive"] == score[2]  # 19 of 20 are 0.95


def test_operating_points_stay_below_one():
    points = choose_operating_points(np.array([True, False]), np.array([1.0, math.nextafter(1, 0)]))
    assert all(0 < threshold < 1 for threshold in points.values())


def test_a_sensitivity_out_of_reach_is_refused():
    with pytest.raises(ValueError, match=r"threshold above 0 must exist.*50\.0%"):
        choose_operating_points(np.array([True, True, False]), np.array([0.0, 0.9, 0.1]))


@pytest.mark.parametrize(
    ("positive", "sensitivity", "rule"),
    [
        ([False, False], 0.95, "both classes"),
        ([True, False], 0, "sensitivity must lie in"),
        ([1, 0], 0.95, "bool array"),
    ],
)
def test_operating_points_name_the_rule_that_was_broken(positive, sensitivity, rule):
    with pytest.raises(ValueError, match=f"{rule}.*Received"):
        choose_operating_points(np.array(positive), np.array([0.5, 0.1]), sensitivity=sensitivity)
