"""Numbers on patients that a head has not seen, and thresholds from them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.prediction import POINT_NAMES, OperatingPoint
from training.data.folds import BatchFold
from training.heads.calibrate import fit_calibration
from training.heads.validation import Judged, batch_scores, calibrate, operating_points

LABELS = ("NORMAL", "PNEUMONIA")


def two_sided(difference: NDArray[np.float64]) -> NDArray[np.float32]:
    """Logits `(n, 2)` with these differences."""
    return np.stack([-difference / 2, difference / 2], axis=1).astype(np.float32)


def in_folds(n: int, folds: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    number = np.arange(n) % folds
    return [(np.flatnonzero(number != fold), np.flatnonzero(number == fold)) for fold in range(folds)]


def test_no_image_is_calibrated_by_its_own_fold() -> None:
    dice = np.random.default_rng(0)
    truth = dice.integers(0, 2, 300)
    logits = two_sided(dice.normal(2.0 * truth - 1, 1.5))
    patients, folds = [f"p{number}" for number in range(300)], in_folds(300, 3)
    _, before = calibrate(logits, truth, patients, folds, labels=LABELS, positive="PNEUMONIA")
    own = folds[1][1]
    turned = truth.copy()
    turned[own] = 1 - truth[own]
    _, after = calibrate(logits, turned, patients, folds, labels=LABELS, positive="PNEUMONIA")

    def of(judged: Judged, part: NDArray[np.int64]) -> NDArray[np.float64]:
        place = {patient: index for index, patient in enumerate(judged.patients)}
        return judged.probabilities[[place[f"p{index}"] for index in part]]

    np.testing.assert_array_equal(of(before, own), of(after, own))
    assert np.abs(of(before, folds[0][1]) - of(after, folds[0][1])).max() > 0.01, "the other folds do use it"


def test_every_image_is_judged_once_with_its_own_truth_and_patient() -> None:
    dice = np.random.default_rng(1)
    truth = dice.integers(0, 2, 60)
    logits = two_sided(dice.normal(4.0 * truth - 2, 1))
    patients = [f"p{number // 2}" for number in range(60)]
    calibration, judged = calibrate(logits, truth, patients, in_folds(60, 3), labels=LABELS, positive="PNEUMONIA")
    assert sorted(judged.patients) == sorted(patients)
    every = np.concatenate([part for _, part in in_folds(60, 3)])
    np.testing.assert_array_equal(judged.truth, truth[every])
    assert calibration == fit_calibration(logits[every], truth[every])


def test_with_one_split_only_the_held_out_images_are_judged() -> None:
    dice = np.random.default_rng(2)
    truth = np.arange(40) % 2
    logits = two_sided(dice.normal(2.0 * truth - 1, 1))
    held_out = np.arange(30, 40)
    logits[:30] = np.nan
    split = [(np.arange(30), held_out)]
    _, judged = calibrate(logits, truth, [f"p{n}" for n in range(40)], split, labels=LABELS, positive="PNEUMONIA")
    assert list(judged.patients) == [f"p{n}" for n in held_out]
    assert np.isfinite(judged.probabilities).all()


def judged_by(probability: list[float], truth: list[int], *, positive: str = "PNEUMONIA") -> Judged:
    p = np.array(probability)
    return Judged(
        np.array(truth), np.stack([1 - p, p], axis=1), [f"p{n}" for n in range(len(p))], LABELS, positive=positive
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


def test_the_positive_label_may_be_the_first() -> None:
    judged = judged_by([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], positive="NORMAL")
    point = OperatingPoint("balanced", 0.5, (1, 1, 1), (1, 1, 1))
    np.testing.assert_array_equal(judged.confusion(point), [[2, 0], [0, 2]])
    assert judged.is_positive.tolist() == [True, True, False, False]
    np.testing.assert_allclose(judged.positive_probability, [0.9, 0.8, 0.2, 0.1])


def test_three_classes_have_no_operating_point() -> None:
    judged = Judged(np.array([0, 1, 2]), np.eye(3), ["a", "b", "c"], ("A", "B", "C"), None)
    assert operating_points(judged) == ()
    np.testing.assert_array_equal(judged.confusion(None), np.eye(3, dtype=int))
    with pytest.raises(ValueError, match="two classes"):
        _ = judged.is_positive


def test_batches_are_scored_on_what_was_held_out() -> None:
    truth = np.array([0, 1, 0, 1])
    fold = BatchFold("IM+virus", np.array([0, 1]), np.array([2, 3]))
    logits = two_sided(np.array([-1.0, 1.0]))
    assert batch_scores([logits], truth, [fold]) == [{"fitted_on": "IM+virus", "n": 2, "auroc": 1.0}]
