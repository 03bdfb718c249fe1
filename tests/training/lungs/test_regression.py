"""Sums that give the same answer as all rows at once."""

import numpy as np

from training.lungs.regression import NormalEquations


def test_sums_give_the_least_squares_of_all_rows() -> None:
    dice = np.random.default_rng(0)
    rows = np.c_[dice.normal(size=(40_000, 5)), np.ones(40_000)].astype(np.float32)
    targets = dice.normal(size=(40_000, 2)).astype(np.float32)
    sums = NormalEquations(6, 2)
    for start in range(0, 40_000, 17_000):
        sums.add(rows[start : start + 17_000], targets[start : start + 17_000])
    expected = np.linalg.lstsq(rows, targets, rcond=None)[0]
    np.testing.assert_allclose(sums.solve(1e-6), expected, atol=1e-4)


def test_a_penalty_leaves_the_constant_alone() -> None:
    rows = np.c_[np.linspace(-1, 1, 101), np.ones(101)].astype(np.float32)
    sums = NormalEquations(2)
    sums.add(rows, (3 * rows[:, :1] + 7).astype(np.float32))
    slope, constant = sums.solve(1e9)[:, 0]
    assert abs(slope) < 1e-3
    assert abs(constant - 7) < 1e-4
