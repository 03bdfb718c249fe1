"""Operating points: promises that new patients confirm, thresholds between scores, and a zone of doubt between them."""

import math

import numpy as np
import pytest
from scipy.stats import beta
from sklearn import metrics as reference

from models.prediction import POINT_NAMES
from training.heads.operating_points import choose_operating_points, lower_bound, operating_points
from training.metrics.bootstrap import patient_indices
from training.metrics.judged import Judged

LABELS = ("NORMAL", "PNEUMONIA")


def predictions(seed=0, n=400, decimals=2, films_each=1, apart=1.0):
    """Truth, overlapping scores and patients; rounding makes ties, and films of one patient are alike."""
    generator = np.random.default_rng(seed)
    people = -(-n // films_each)
    sick, own = generator.random(people) < 0.6, generator.normal(0, 1.2, people)
    person = np.repeat(np.arange(people), films_each)[:n]
    score = 1 / (1 + np.exp(-(np.where(sick[person], apart, -apart) + own[person] + generator.normal(0, 0.9, n))))
    return sick[person], score.round(decimals), [f"patient {number}" for number in person]


def thresholds(*arrays, **options):
    return {name: point.threshold for name, point in choose_operating_points(*arrays, **options).items()}


def alone(n):
    return [f"patient {number}" for number in range(n)]


def test_the_balanced_point_has_the_best_youden_and_is_no_score():
    positive, score, patients = predictions()
    threshold = thresholds(positive, score, patients)["balanced"]
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
    found = thresholds(np.array(positive), np.array(score), alone(len(score)))
    assert found["balanced"] == pytest.approx(balanced)


@pytest.mark.parametrize("decimals", [2, 12])
@pytest.mark.parametrize("films_each", [1, 4])
def test_a_promise_is_the_target_and_the_threshold_the_last_that_keeps_it(decimals, films_each):
    positive, score, patients = predictions(n=4000, decimals=decimals, films_each=films_each)
    points = choose_operating_points(positive, score, patients)
    people = patient_indices(patients)
    out, into = points["rule_out"], points["rule_in"]
    assert (out.promise, points["balanced"].promise, into.promise) == (
        0.95,
        None,
        0.95,
    )  # balanced does worse than 0.90
    assert lower_bound(score[positive] >= out.threshold, people[positive]) >= 0.95
    assert lower_bound(score[positive] > out.threshold, people[positive]) < 0.95
    assert lower_bound(score[~positive] < into.threshold, people[~positive]) >= 0.95
    lower = score[~positive & (score < into.threshold)].max()
    assert lower_bound(score[~positive] < lower, people[~positive]) < 0.95


def test_a_good_model_promises_more_and_still_doubts():
    positive, score, patients = predictions(n=20_000, decimals=12, apart=4.0)
    points = choose_operating_points(positive, score, patients)
    out, balanced, into = (points[name].threshold for name in ("rule_out", "balanced", "rule_in"))
    assert 0.98 < points["rule_out"].promise < 1
    wrong = (score >= balanced) != positive
    sure = (score < out) | (score >= into)
    assert 0 < (~sure).mean() < 0.1
    assert wrong[sure].mean() < 0.65 * wrong.mean()


def test_promises_hold_on_new_patients():
    """Of 40 promises at most one in ten is broken; the plain threshold, without a margin, misses half of the time."""
    truth, every, _ = predictions(seed=99, n=60_000, decimals=12)
    kept, plain = [], []
    for seed in range(20):
        positive, score, patients = predictions(seed, n=1200, decimals=12, films_each=3)
        points = choose_operating_points(positive, score, patients)
        kept.append((every[truth] >= points["rule_out"].threshold).mean() >= points["rule_out"].promise)
        kept.append((every[~truth] < points["rule_in"].threshold).mean() >= points["rule_in"].promise)
        plain.append((every[truth] >= np.quantile(score[positive], 0.05)).mean() >= 0.95)
    assert np.mean(kept) >= 0.9
    assert np.mean(plain) < 0.8


def test_few_patients_promise_no_more_than_they_show():
    score = np.linspace(0.01, 0.99, 40)
    positive = score > 0.6
    positive[[15, 30]] = True, False  # one error of each kind at any threshold between
    points = choose_operating_points(positive, score, alone(40))
    assert points["rule_out"].threshold == score[15]
    assert score[30] < points["rule_in"].threshold < score[31]
    assert points["rule_out"].promise == np.floor(1000 * 0.05 ** (1 / positive.sum())) / 1000  # no error in so many
    assert points["rule_in"].promise == np.floor(1000 * 0.05 ** (1 / (~positive).sum())) / 1000


def test_between_classes_far_apart_lies_doubt():
    positive, score = np.arange(20) >= 10, np.r_[np.linspace(0.05, 0.2, 10), np.linspace(0.8, 0.95, 10)]
    points = thresholds(positive, score, alone(20))
    assert 0.2 < points["rule_out"] <= points["balanced"] <= points["rule_in"] == 0.8


def test_the_points_are_in_order():
    for seed in range(20):
        found = thresholds(*predictions(seed, n=60, decimals=1))
        assert 0 < found["rule_out"] <= found["balanced"] <= found["rule_in"] < 1


def test_the_bound_is_that_of_clopper_and_pearson_for_patients_with_one_film():
    right = np.arange(100) >= 3
    assert lower_bound(right, np.arange(100)) == pytest.approx(beta.ppf(0.05, 97, 4), abs=2e-3)
    assert lower_bound(np.ones(50, dtype=bool), np.arange(50)) == pytest.approx(0.05 ** (1 / 50))
    assert lower_bound(np.zeros(50, dtype=bool), np.arange(50)) == 0


def test_films_of_one_patient_count_as_alike():
    right = np.repeat(np.arange(50) >= 3, 10)
    alone, together = lower_bound(right, np.arange(500)), lower_bound(right, np.repeat(np.arange(50), 10))
    assert together == pytest.approx(lower_bound(right[::10], np.arange(50)), abs=0.01)
    assert together < alone - 0.03


@pytest.mark.parametrize("score", [[1.0, math.nextafter(1, 0)], [0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
def test_operating_points_stay_inside(score):
    points = choose_operating_points(np.array([True, False]), np.array(score), alone(2))
    assert all(0 < point.threshold < 1 for point in points.values())


@pytest.mark.parametrize(
    ("positive", "target", "rule"),
    [
        ([False, False], 0.95, "both classes"),
        ([True, False], 0, "target must lie in"),
        ([True, False], 1, "target must lie in"),
        ([1, 0], 0.95, "bool array"),
    ],
)
def test_operating_points_name_the_rule_that_was_broken(positive, target, rule):
    with pytest.raises(ValueError, match=f"{rule}.*Received"):
        choose_operating_points(np.array(positive), np.array([0.5, 0.1]), alone(2), target=target)


def judged_by(probability: list[float], truth: list[int]) -> Judged:
    p = np.array(probability)
    return Judged(
        np.array(truth), np.stack([1 - p, p], axis=1), [f"p{n}" for n in range(len(p))], LABELS, positive="PNEUMONIA"
    )


def test_operating_points_carry_what_they_gave() -> None:
    judged = judged_by([0.1, 0.2, 0.3, 0.7, 0.25, 0.8, 0.9, 0.95], [0, 0, 0, 0, 1, 1, 1, 1])
    points = operating_points(judged, draws=100)
    rule_out, balanced, rule_in = points
    assert tuple(point.name for point in points) == POINT_NAMES
    assert balanced.sensitivity[0] == pytest.approx(0.75)
    assert balanced.specificity[0] == pytest.approx(1.0)
    assert rule_out.threshold == 0.25
    assert rule_out.sensitivity[0] == 1.0
    assert rule_out.specificity[0] == pytest.approx(0.5)
    assert rule_out.promise == pytest.approx(0.05 ** (1 / 4), abs=1e-3)  # what four patients without an error can show
    assert (balanced.promise, rule_in.specificity[0]) == (None, 1.0)
    np.testing.assert_array_equal(judged.confusion(balanced), [[4, 0], [1, 3]])
    np.testing.assert_array_equal(judged.confusion(rule_out), [[2, 2], [0, 4]])
    np.testing.assert_array_equal(judged.zone(points), [[2, 0, 2], [0, 3, 1]])


def test_one_patient_of_a_class_gives_its_value_and_the_widest_interval() -> None:
    judged = Judged(
        np.array([0, 0, 0, 1, 1]),
        np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8], [0.1, 0.9]]),
        ["a", "b", "c", "d", "d"],
        LABELS,
        "PNEUMONIA",
    )
    _, balanced, _ = operating_points(judged, draws=100)
    assert balanced.sensitivity == (1.0, 0.0, 1.0)


def test_three_classes_have_no_operating_point() -> None:
    judged = Judged(np.array([0, 1, 2]), np.eye(3), ["a", "b", "c"], ("A", "B", "C"), None)
    assert operating_points(judged) == ()
