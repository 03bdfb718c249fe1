"""Metrics: scikit-learn's numbers, honest intervals, and "not assessable" instead of nonsense."""

import math

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.linear_model import LogisticRegression

from training.metrics.bootstrap import bootstrap, interval_text
from training.metrics.classification import auroc_metric, binary_metrics, confusion, multiclass_metrics
from training.metrics.curves import precision_recall_points, reliability, roc_points, wilson_interval
from training.metrics.weighted import Ranking, area_under_roc, average_precision, logit, recalibrate

THRESHOLD = 0.4


def predictions(seed=0, n=400, decimals=2):
    """Truth and overlapping scores; rounding makes ties."""
    generator = np.random.default_rng(seed)
    positive = generator.random(n) < 0.6
    score = 1 / (1 + np.exp(-(np.where(positive, 1.0, -1.0) + generator.normal(0, 1.5, n))))
    return positive, score.round(decimals)


def own_patients(n):
    return [f"patient {index}" for index in range(n)]


def values(estimates):
    return {name: estimate.value for name, estimate in estimates.items()}


@pytest.mark.parametrize("decimals", [1, 2, 12])
def test_values_are_those_of_scikit_learn(decimals):
    positive, score = predictions(decimals=decimals)
    verdict = score >= THRESHOLD
    expected = {
        "auroc": reference.roc_auc_score(positive, score),
        "auprc": reference.average_precision_score(positive, score),
        "sensitivity": reference.recall_score(positive, verdict),
        "specificity": reference.recall_score(~positive, ~verdict),
        "accuracy": reference.accuracy_score(positive, verdict),
        "balanced_accuracy": reference.balanced_accuracy_score(positive, verdict),
        "ppv": reference.precision_score(positive, verdict),
        "npv": reference.precision_score(~positive, ~verdict),
        "brier": reference.brier_score_loss(positive, score),
    }
    found = values(binary_metrics(positive, score, own_patients(400), threshold=THRESHOLD, draws=40))
    assert set(found) == {*expected, "calibration_slope", "calibration_intercept"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_the_auroc_alone_is_that_of_all_metrics():
    positive, score = predictions()
    patients = [str(index // 3) for index in range(len(score))]
    alone = auroc_metric(positive, score, patients, draws=100)
    assert alone == binary_metrics(positive, score, patients, threshold=THRESHOLD, draws=100)["auroc"]


def test_weighted_ranking_statistics_are_those_of_scikit_learn():
    positive, score = predictions()
    weights = np.random.default_rng(1).integers(0, 4, (5, len(score))).astype(float)
    below = Ranking.from_scores(score).cumulative(weights, positive)
    for row, auroc, auprc in zip(weights, area_under_roc(*below), average_precision(*below), strict=True):
        assert auroc == pytest.approx(reference.roc_auc_score(positive, score, sample_weight=row), abs=1e-12)
        assert auprc == pytest.approx(reference.average_precision_score(positive, score, sample_weight=row), abs=1e-12)


@pytest.mark.parametrize("sharpening", [0.2, 1.0, 8.0, -1.0])
def test_weighted_recalibration_is_logistic_regression(sharpening):
    positive, score = predictions(decimals=12)
    logits = sharpening * logit(score)
    weights = np.random.default_rng(1).integers(0, 4, (3, len(score))).astype(float)
    found = recalibrate(weights, logits, positive, start=np.array([0.0, 1.0]))
    for row, (intercept, slope) in zip(weights, found, strict=True):
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logits[:, None], positive, sample_weight=row)
        assert slope == pytest.approx(model.coef_[0, 0], rel=1e-4)
        assert intercept == pytest.approx(model.intercept_[0], abs=1e-4)


def test_calibrated_probabilities_have_slope_one_and_intercept_zero_inside_their_intervals():
    generator = np.random.default_rng(3)
    probability = generator.random(1500)
    positive = generator.random(1500) < probability
    found = binary_metrics(positive, probability, own_patients(1500), threshold=0.5, draws=300)
    assert found["calibration_slope"].low < 1 < found["calibration_slope"].high
    assert found["calibration_intercept"].low < 0 < found["calibration_intercept"].high
    sharpened = 1 / (1 + np.exp(-3 * logit(probability)))
    found = binary_metrics(positive, sharpened, own_patients(1500), threshold=0.5, draws=300)
    assert found["calibration_slope"].high < 0.5


def test_multiclass_values_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 300)
    scores = generator.dirichlet([1, 1, 1], 300) * 0.6 + 0.4 * np.eye(3)[truth] * generator.random((300, 1))
    scores = scores / scores.sum(axis=1, keepdims=True)
    verdict = scores.argmax(axis=1)
    found = values(multiclass_metrics(truth, scores, ["a", "b", "c"], own_patients(300), draws=40))
    recall = reference.recall_score(truth, verdict, average=None)
    assert found == pytest.approx(
        {
            "accuracy": reference.accuracy_score(truth, verdict),
            "balanced_accuracy": recall.mean(),
            "macro_auroc": reference.roc_auc_score(truth, scores, multi_class="ovr"),
            "brier": np.mean(np.sum((scores - np.eye(3)[truth]) ** 2, axis=1)),
            "recall_a": recall[0],
            "recall_b": recall[1],
            "recall_c": recall[2],
        },
        abs=1e-12,
    )
    labels = ["a", "b", "c"]
    assert (confusion(truth, verdict, labels) == reference.confusion_matrix(truth, verdict)).all()


def test_confusion_keeps_a_class_that_nobody_has_and_truth_is_in_rows():
    assert confusion([0, 0, 1], [0, 1, 1], ["a", "b", "c"]).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_curves_are_those_of_scikit_learn():
    positive, score = predictions()
    false_positive, sensitivity, thresholds = reference.roc_curve(positive, score, drop_intermediate=False)
    roc = roc_points(positive, score)
    np.testing.assert_allclose(roc.x, false_positive)
    np.testing.assert_allclose(roc.y, sensitivity)
    np.testing.assert_allclose(roc.threshold, thresholds)
    precision, recall, _ = reference.precision_recall_curve(positive, score)
    found = precision_recall_points(positive, score)
    np.testing.assert_allclose(found.x, recall[::-1])
    np.testing.assert_allclose(found.y, precision[::-1])


@pytest.mark.parametrize(
    ("positive", "score", "missing"),
    [
        pytest.param(
            [True] * 4,
            [0.9, 0.8, 0.3, 0.2],
            {"auroc", "specificity", "balanced_accuracy", "calibration_slope", "calibration_intercept"},
            id="no negatives",
        ),
        pytest.param(
            [False] * 4,
            [0.9, 0.8, 0.3, 0.2],
            {"auroc", "auprc", "sensitivity", "balanced_accuracy", "calibration_slope", "calibration_intercept"},
            id="no positives",
        ),
        pytest.param(
            [True, True, True, False, False, False] * 3,
            [0.9, 0.8, 0.7, 0.3, 0.2, 0.1] * 3,
            {"calibration_slope", "calibration_intercept"},
            id="separated classes",
        ),
        pytest.param(
            [True, False] * 9, [0.3] * 18, {"ppv", "calibration_slope", "calibration_intercept"}, id="one score for all"
        ),
        pytest.param(
            [True, False] * 9, [1.0, 0.0] * 9, {"calibration_slope", "calibration_intercept"}, id="zeros and ones"
        ),
    ],
)
def test_what_the_images_cannot_give_is_not_assessable(positive, score, missing):
    found = binary_metrics(np.array(positive), np.array(score), own_patients(len(score)), threshold=0.5, draws=100)
    assert {name for name, estimate in found.items() if estimate is None} == missing
    assert interval_text(found["calibration_slope"]) == "not assessable"


def test_a_class_without_images_makes_the_means_over_classes_not_assessable():
    scores = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]] * 4)
    found = multiclass_metrics(np.array([0, 1, 1] * 4), scores, ["a", "b", "c"], own_patients(12), draws=100)
    assert {name for name, estimate in found.items() if estimate is None} == {
        "balanced_accuracy",
        "macro_auroc",
        "recall_c",
    }
    assert found["accuracy"].value == pytest.approx(2 / 3)


def test_reliability_bins_are_equally_full_and_ties_stay_together():
    positive, score = predictions(n=1000, decimals=12)
    curve = reliability(positive, score)
    assert curve.count.tolist() == [100] * 10
    assert np.average(curve.observed, weights=curve.count) == pytest.approx(positive.mean())
    assert np.average(curve.predicted, weights=curve.count) == pytest.approx(score.mean())
    assert (np.diff(curve.predicted) > 0).all()
    assert ((curve.low <= curve.observed) & (curve.observed <= curve.high)).all()
    tied = reliability(np.array([True, False, True, True]), np.array([0.2, 0.2, 0.2, 0.8]))
    assert (tied.predicted.tolist(), tied.count.tolist()) == (pytest.approx([0.2, 0.8]), [3, 1])


def test_wilson_interval_of_a_published_example():
    low, high = wilson_interval([81, 0], [263, 20])  # Newcombe 1998, table I
    np.testing.assert_allclose(low, [0.2553, 0.0], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1611], atol=5e-5)


GOOD = {
    "positive": np.array([True, False, True]),
    "probability": np.array([0.9, 0.2, 0.6]),
    "patients": ["a", "b", "c"],
    "threshold": 0.5,
    "draws": 40,
}


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"positive": np.array([1, 0, 1])}, "positive must be a bool array"),
        ({"positive": np.array([[True, False, True]])}, "positive must be a bool array"),
        (
            {"positive": np.array([], bool), "probability": np.array([]), "patients": []},
            "positive must be a bool array",
        ),
        ({"probability": np.array([0.9, 0.2])}, "probability must have the shape"),
        ({"probability": np.array([0.9, np.nan, 0.6])}, r"probability must lie in \[0, 1\]"),
        ({"probability": np.array([0.9, 1.2, 0.6])}, r"probability must lie in \[0, 1\]"),
        ({"probability": np.array([1, 0, 1])}, "probability must be of a floating type"),
        ({"patients": ["a", "b"]}, "one patient per image"),
        ({"patients": ["a", "", "c"]}, "Each image must have a patient"),
        ({"patients": ["a", None, "c"]}, "Each image must have a patient"),
        ({"threshold": 0.0}, "threshold must lie in"),
        ({"threshold": math.nan}, "threshold must lie in"),
        ({"draws": 39}, "draws must be at least 40"),
    ],
)
def test_binary_metrics_name_the_rule_that_was_broken(wrong, rule):
    with pytest.raises(ValueError, match=f"{rule}.*Received"):
        binary_metrics(**{**GOOD, **wrong})


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: roc_points(np.array([True, True]), np.array([0.1, 0.2])), "both classes"),
        (lambda: precision_recall_points(np.array([False]), np.array([0.1])), "both classes"),
        (lambda: reliability(np.array([True]), np.array([0.1]), bins=0), "bins must be at least 1"),
        (lambda: confusion([0, 1], [0], ["a", "b"]), "equally long"),
        (lambda: confusion([0, 2], [0, 1], ["a", "b"]), "truth must be in 0 … 1"),
        (lambda: confusion([0, 1], [0.0, 1.0], ["a", "b"]), "verdict must be an integer array"),
        (lambda: confusion([0, 1], [0, 1], ["a", "a"]), "labels must be two or more different"),
        (lambda: multiclass_metrics([0, 1], np.eye(3), ["a", "b", "c"], ["x", "y"]), "probabilities must be"),
        (lambda: multiclass_metrics([0, 1], np.full((2, 2), 0.4), ["a", "b"], ["x", "y"]), "must sum to 1"),
        (lambda: bootstrap(lambda weights: {}, []), "At least one image"),
    ],
)
def test_other_functions_name_the_rule_that_was_broken(call, rule):
    with pytest.raises(ValueError, match=f"{rule}.*Received"):
        call()
