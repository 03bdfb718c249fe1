"""Intervals: they cover the truth, know patients, and are not given where nothing can be said."""

import json
import math

import numpy as np
import pytest

from training.metrics.bootstrap import Estimate, bootstrap, interval_text
from training.metrics.classification import binary_metrics


def predictions(seed=0, n=400, decimals=2):
    """Truth and overlapping scores; rounding makes ties."""
    generator = np.random.default_rng(seed)
    positive = generator.random(n) < 0.6
    score = 1 / (1 + np.exp(-(np.where(positive, 1.0, -1.0) + generator.normal(0, 1.5, n))))
    return positive, score.round(decimals)


def own_patients(n):
    return [f"patient {index}" for index in range(n)]


def test_the_interval_covers_the_truth_in_about_95_of_100_repeats():
    generator = np.random.default_rng(11)
    covered = {"sensitivity": 0, "brier": 0}
    true = {"sensitivity": 0.75, "brier": 1 / 6}
    for repeat in range(100):
        # The patient's own probability is uniform; a positive one lies above 0.5 in three of four cases. Two films each.
        probability = np.repeat(generator.random(150), 2)
        positive = np.repeat(generator.random(150), 2) < probability
        patients = np.repeat(own_patients(150), 2).tolist()
        found = binary_metrics(positive, probability, patients, threshold=0.5, draws=200, seed=repeat)
        for name in covered:
            covered[name] += found[name].low <= true[name] <= found[name].high
    assert all(88 <= count <= 99 for count in covered.values()), covered


def test_images_of_one_patient_are_not_counted_as_independent():
    positive, score = predictions(n=40, decimals=12)
    positive, score = np.repeat(positive, 10), np.repeat(score, 10)
    clustered = binary_metrics(positive, score, np.repeat(own_patients(40), 10).tolist(), threshold=0.5, draws=300)
    naive = binary_metrics(positive, score, own_patients(400), threshold=0.5, draws=300)
    for name in ("auroc", "sensitivity", "specificity", "brier"):
        assert clustered[name].value == naive[name].value
        assert clustered[name].high - clustered[name].low > 2 * (naive[name].high - naive[name].low), name
    assert (clustered["auroc"].n, clustered["auroc"].patients, naive["auroc"].patients) == (400, 40, 400)


def test_an_estimate_counts_the_images_it_is_a_share_of():
    positive = np.array([True, True, True, False, False])
    score = np.array([0.9, 0.8, 0.1, 0.2, 0.7])
    found = binary_metrics(positive, score, ["a", "a", "b", "c", "d"], threshold=0.5, draws=200)
    assert {name: (found[name].n, found[name].patients) for name in ("sensitivity", "specificity", "ppv", "npv")} == {
        "sensitivity": (3, 2),
        "specificity": (2, 2),
        "ppv": (3, 2),
        "npv": (2, 2),
    }


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others():
    positive, score = predictions()
    first, again, other = (
        binary_metrics(positive, score, own_patients(400), threshold=0.5, draws=100, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert first["auroc"].value == other["auroc"].value
    assert first["auroc"] != other["auroc"]


def test_draws_without_a_class_are_left_out_and_counted():
    positive = np.array([True, True] + [False] * 10)
    score = np.concatenate([[0.9, 0.4], np.linspace(0.1, 0.6, 10)])
    found = binary_metrics(positive, score, own_patients(12), threshold=0.5, draws=1000)["auroc"]
    assert found.left_out == pytest.approx(1000 * (10 / 12) ** 12, rel=0.3)
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_one_patient_alone_has_no_interval():
    positive, score = predictions(n=20)
    found = binary_metrics(positive, score, ["the only one"] * 20, threshold=0.5, draws=40)
    assert set(found.values()) == {None}


def test_a_perfect_share_has_an_interval_that_ends_below_one():
    positive = np.array([True, False] * 20)
    found = binary_metrics(positive, np.where(positive, 0.9, 0.1), own_patients(40), threshold=0.5, draws=100)
    assert found["sensitivity"].high == found["sensitivity"].value == 1
    assert found["sensitivity"].low == pytest.approx(0.025 ** (1 / 20))  # Clopper-Pearson, 20 of 20


def test_a_statistic_that_is_undefined_in_most_draws_is_not_assessable():
    def mostly_undefined(weights):
        value = np.where(weights[:, 0] == 1, 0.5, np.nan)
        return {"often": value, "always": np.ones(len(weights))}

    found = bootstrap(mostly_undefined, own_patients(10), draws=400)
    assert found["often"] is None
    assert found["always"] == Estimate(1, 1, 1, n=10, patients=10)


def test_an_estimate_survives_json():
    estimate = Estimate(0.9512, 0.9, 0.97, n=40, patients=12, left_out=3)
    assert Estimate(**json.loads(json.dumps(estimate.as_json()))) == estimate
    assert interval_text(estimate) == "0.951 (0.900\N{EN DASH}0.970)"
    assert interval_text(Estimate(-0.1, -0.2, 0.1, n=2, patients=2), digits=1).startswith("\N{MINUS SIGN}0.1 (")


@pytest.mark.parametrize(
    "fields",
    [
        {"value": math.nan},
        {"high": math.inf},
        {"low": 0.8, "high": 0.7},
        {"patients": 0},
        {"patients": 11},
        {"left_out": -1},
    ],
)
def test_an_impossible_estimate_is_refused(fields):
    with pytest.raises(ValueError, match="Received"):
        Estimate(**{"value": 0.5, "low": 0.4, "high": 0.6, "n": 10, "patients": 5, **fields})
