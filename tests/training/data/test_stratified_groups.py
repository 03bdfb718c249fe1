"""The folds of bundles that were made are had again: groups are dealt as scikit-learn deals them."""

import warnings

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from training.data.stratified_groups import deal_groups


@pytest.mark.parametrize("seed", range(12))
def test_the_folds_are_those_of_scikit_learn(seed: int) -> None:
    dice = np.random.default_rng(seed)
    films, classes, folds = int(dice.integers(40, 400)), int(dice.integers(2, 6)), int(dice.integers(2, 7))
    groups = dice.integers(0, max(12, films // int(dice.integers(1, 8))), films)
    labels = dice.integers(0, classes, films)
    if seed % 2:  # classes of very different sizes, a patient's films alike
        labels = np.where(groups % 3 == 0, groups % classes, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where a class has fewer films than there are folds
        theirs = [*StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(labels, labels, groups)]
    ours = deal_groups(labels, groups, folds=folds, seed=seed)
    assert len(ours) == folds
    for (fit, held_out), (their_fit, their_held_out) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(fit, their_fit)
        np.testing.assert_array_equal(held_out, their_held_out)
