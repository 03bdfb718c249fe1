"""Pooling over the lungs: a mean with weights, on grids of any size."""

import numpy as np
import pytest

from models.backbones.pooling import lung_mean, place_weights, pooled_rows, shares


def test_a_place_counts_as_far_as_it_is_lung() -> None:
    lungs = np.zeros((1, 28, 28), np.float32)
    lungs[0, :4, :4] = 1  # one place of seven by seven
    lungs[0, :4, 4:8] = 0.5
    weights = place_weights(lungs, 7, 7)
    assert weights[0, 0, :3].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert weights.sum() == pytest.approx(1)
    feature_map = np.arange(49, dtype=np.float32).reshape(1, 7, 7, 1)
    assert lung_mean(feature_map, lungs)[0, 0] == pytest.approx(1 / 3)


@pytest.mark.parametrize("places", [1, 4, 7, 8, 14, 28, 56])
def test_every_grid_shares_out_the_whole_side(places: int) -> None:
    assert shares(places).sum(axis=1) == pytest.approx(np.ones(places), rel=1e-5)
    assert place_weights(np.ones((1, 28, 28), np.float32), places, 7) == pytest.approx(1 / (7 * places))


def test_without_lungs_it_is_the_mean_over_all_places() -> None:
    feature_map = np.random.default_rng(0).normal(size=(2, 7, 7, 3)).astype(np.float32)
    mean = feature_map.mean(axis=(1, 2))
    assert lung_mean(feature_map, np.zeros((2, 28, 28), np.float32)) == pytest.approx(mean, abs=1e-5)
    rows = pooled_rows(np.stack([mean, feature_map.max(axis=(1, 2))], axis=1), feature_map, None)
    assert rows[:, 1] == pytest.approx(mean, abs=1e-5)
