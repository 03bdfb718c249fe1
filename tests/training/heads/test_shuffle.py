"""In which order views are learnt from."""

import numpy as np
import pytest

from training.heads.shuffle import MIXED, passes, shuffled


@pytest.mark.parametrize("count", [1, 191, 1000, MIXED, MIXED + 1, 3 * MIXED - 5])
def test_each_view_comes_once_in_a_pass(count: int) -> None:
    order = shuffled(count, [0, 0])
    assert np.bincount(order, minlength=count).tolist() == [1] * count
    assert count == 1 or not np.array_equal(order, shuffled(count, [0, 1]))


def test_a_folder_of_the_usual_size_is_mixed_as_a_whole() -> None:
    order = shuffled(MIXED, [3, 1])
    np.testing.assert_array_equal(order, np.random.default_rng([3, 1]).permutation(MIXED))


def test_a_large_folder_is_mixed_though_it_lies_in_the_order_of_its_classes() -> None:
    count = 4 * MIXED
    positive = shuffled(count, [0, 0]) >= 0.7 * count
    batches = positive.reshape(-1, 512).mean(axis=1)
    assert np.abs(batches - 0.3).max() < 0.15  # of 512 drawn at random: 0.02, seven times


def test_a_large_folder_is_learnt_in_as_many_steps_as_one_of_the_usual_size() -> None:
    assert passes(5000, 16) == passes(MIXED, 16) == 16
    assert passes(1_000_000, 16) == 4
    assert passes(30_000_000, 16) == 1
