"""Calibration: known distortions are undone."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.calibration import Calibration, softmax
from training.heads.calibrate import calibrate, fit_calibration
from training.metrics.judged import Judged

LABELS = ("NORMAL", "PNEUMONIA")


def draw(probabilities: NDArray[np.float64], seed: int = 0) -> NDArray[np.int64]:
    """A class for each row, drawn with the row's probabilities."""
    thresholds = np.random.default_rng(seed).random((len(probabilities), 1))
    return (probabilities.cumsum(axis=1) < thresholds).sum(axis=1).astype(np.int64)


@pytest.mark.parametrize(("slope", "shift"), [(0.5, 0.0), (2.0, -1.0), (1.0, 1.5)])
def test_platt_scaling_finds_a_known_distortion(slope: float, shift: float) -> None:
    logits = np.random.default_rng(1).normal(0, 2, (20_000, 2)).astype(np.float32)
    truth = Calibration("platt", slope, (0.0, shift))
    found = fit_calibration(logits, draw(truth.probabilities(logits)))
    assert found.method == "platt"
    assert found.slope == pytest.approx(slope, rel=0.05)
    assert found.bias[1] - found.bias[0] == pytest.approx(shift, abs=0.06)


@pytest.mark.parametrize("slope", [0.25, 1.0, 4.0])
def test_temperature_scaling_finds_a_known_distortion(slope: float) -> None:
    honest = np.random.default_rng(2).normal(0, 1.5, (20_000, 3))
    labels = draw(softmax(honest))
    found = fit_calibration((honest / slope).astype(np.float32), labels)
    assert found.method == "temperature"
    assert found.slope == pytest.approx(slope, rel=0.05)
    assert found.bias == (0.0, 0.0, 0.0)


def test_overconfident_logits_are_called_right_as_often_as_they_say() -> None:
    honest = np.random.default_rng(3).normal(0, 1, (8_000, 2))
    labels = draw(softmax(honest))
    overconfident = (6 * honest).astype(np.float32)
    probability = fit_calibration(overconfident, labels).probabilities(overconfident)[:, 1]
    for low, high in ((0.1, 0.3), (0.4, 0.6), (0.7, 0.9)):
        chosen = (low <= probability) & (probability < high)
        assert labels[chosen].mean() == pytest.approx(probability[chosen].mean(), abs=0.05)


def test_calibration_changes_no_ranking() -> None:
    logits = np.random.default_rng(4).normal(0, 3, (500, 2)).astype(np.float32)
    probability = fit_calibration(logits, draw(softmax(logits.astype(np.float64)))).probabilities(logits)[:, 1]
    np.testing.assert_array_equal(np.argsort(logits[:, 1] - logits[:, 0]), np.argsort(probability))


def test_logits_that_point_the_wrong_way_are_left_alone() -> None:
    logits = np.random.default_rng(5).normal(0, 1, (400, 2)).astype(np.float32)
    labels = (logits[:, 1] < logits[:, 0]).astype(np.int64)
    found = fit_calibration(logits, labels)
    assert found == replace(Calibration.identity(2), prevalence=labels.mean())


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Over repeated draws of patients with two films each, 95 % of the intervals of a probability hold the true one."""
    truth, held = Calibration("platt", 0.8, (0.0, 0.5)), []
    asked = np.array([[0.0, -0.625]], dtype=np.float32)  # where the true probability is one half
    for seed in range(60):
        logits = np.repeat(np.random.default_rng(seed).normal(0, 2, (300, 2)).astype(np.float32), 2, axis=0)
        found = fit_calibration(
            logits, draw(truth.probabilities(logits), seed), [f"p{number // 2}" for number in range(600)]
        )
        low, high = found.interval(asked[0], 1) or (0.0, 0.0)
        assert low < found.probabilities(asked)[0, 1] < high
        assert found.interval(asked[0], 0) == pytest.approx((1 - high, 1 - low))
        held.append(low <= 0.5 <= high)
    assert np.mean(held) >= 0.88


def test_a_calibration_knows_the_prevalence_that_it_speaks_of() -> None:
    logits = np.random.default_rng(7).normal(0, 2, (500, 2)).astype(np.float32)
    labels = draw(Calibration("platt", 1.0, (0.0, -1.0)).probabilities(logits))
    found = fit_calibration(logits, labels)
    assert found.prevalence_of(1) == pytest.approx(labels.mean())
    assert found.prevalence_of(0) == pytest.approx(1 - labels.mean())
    assert found.probabilities(logits)[:, 1].mean() == pytest.approx(labels.mean(), abs=1e-3)
    assert found.interval(logits[0], 1) is None  # whose the films are was not said


def test_separated_classes_give_finite_numbers() -> None:
    logits = np.array([[5, -5], [4, -4], [-4, 4], [-5, 5]], dtype=np.float32)
    found = fit_calibration(logits, np.array([0, 0, 1, 1]))
    probabilities = found.probabilities(logits)
    assert np.isfinite([found.slope, *found.bias]).all()
    assert probabilities[:, 1].argsort().tolist()[-2:] == [2, 3]


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
