"""Films without lungs and with markers, and what is concluded from them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from tests.training.films import film
from training.metrics.bootstrap import Estimate
from training.stress.heatmap_sanity import compare_heatmaps, rank_correlations, structural_similarities
from training.stress.robustness import balanced_errors, lungless_finding, marker_finding
from training.stress.shortcuts import MARKERS, border_only, centre_masked, with_marker

PATIENTS = [f"p{number}" for number in range(40)]
TRUTH = np.repeat([0, 1], 20)


@pytest.mark.parametrize(("mask", "kept"), [(border_only, 0.36), (centre_masked, 0.51)])
def test_nothing_of_the_lungs_is_left(mask, kept) -> None:
    clear = film(1)
    cloudy = clear.copy()
    cloudy[40:110, 40:100] = 255  # the whole of both lungs, far from any border
    assert (mask(clear) == mask(cloudy)).all(), "not even the grey of the fill tells them apart"
    assert np.mean(mask(clear) == clear) == pytest.approx(kept, abs=0.03)
    assert (mask(clear)[:10] == clear[:10]).all()


@pytest.mark.parametrize(("letter", "corner"), MARKERS)
def test_a_marker_is_in_its_corner_and_nowhere_else(letter: str, corner: str) -> None:
    plain = np.full((200, 160), 90, np.uint8)
    rows, columns = np.nonzero(with_marker(plain, letter, corner) != plain)
    assert 20 < len(rows) < 200
    assert (rows < 40).all() if "top" in corner else (rows >= 160).all()
    assert (columns < 32).all() if "left" in corner else (columns >= 128).all()
    assert with_marker(plain, letter, corner).max() == 255


def test_balanced_errors_are_means_over_the_classes() -> None:
    half_of_the_first = np.where(np.arange(40) < 10, 1, TRUTH)
    verdicts = {"right": TRUTH, "half": half_of_the_first, "wrong": 1 - TRUTH, "always 1": np.ones(40, dtype=np.int64)}
    errors = balanced_errors(TRUTH, verdicts, PATIENTS, {"mean": ["right", "half"]}, draws=200)
    assert {name: estimate.value for name, estimate in errors.items() if estimate} == {
        "right": 0, "half": 0.25, "wrong": 1, "always 1": 0.5, "mean": 0.125
    }  # fmt: skip
    half, mean = errors["half"], errors["mean"]
    assert half is not None
    assert half.low < 0.25 < half.high
    assert half.n == half.patients == 40
    assert mean is not None
    assert mean.high - mean.low == pytest.approx((half.high - half.low) / 2)


@pytest.mark.parametrize(("low", "likely"), [(0.62, False), (0.75, True)])
def test_a_label_that_can_be_read_from_the_border_is_a_shortcut(low: float, likely: bool) -> None:
    finding = lungless_finding("border only", "the border", Estimate(0.8, low, 0.9, n=40, patients=40))
    assert finding.likely == likely
    assert "0.800" in finding.sentence
    assert finding.as_json()["likely"] == likely
    assert finding.as_json()["low"] == low


def test_what_cannot_be_assessed_is_no_finding() -> None:
    finding = lungless_finding("border only", "the border", None)
    assert not finding.likely
    assert "not assessable" in finding.sentence
    assert finding.as_json()["value"] is None


@pytest.mark.parametrize(("moved", "likely"), [(0, False), (2, False), (15, True)])
def test_the_marker_that_moves_most_verdicts_decides(moved: int, likely: bool) -> None:
    changed = {marker: np.zeros(40, dtype=bool) for marker in MARKERS}
    changed["R", "bottom left"] = np.arange(40) < moved
    finding = marker_finding(changed, PATIENTS, draws=400)
    assert finding.likely == likely
    assert finding.estimate is not None
    assert finding.estimate.value == moved / 40
    assert finding.estimate.high > 0
    if moved:
        assert "R at the bottom left" in finding.sentence


def heatmaps(seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((40, 14, 14), dtype=np.float32)


def test_a_heatmap_that_ignores_what_was_learnt_is_found() -> None:
    edges = heatmaps(0)
    same = compare_heatmaps("head", edges, [edges, (edges + 0.1 * heatmaps(1)) / 1.1], PATIENTS)
    other = compare_heatmaps("head", edges, [heatmaps(2), heatmaps(3)], PATIENTS)
    assert same.likely
    assert not other.likely
    assert other.estimate is not None
    assert abs(other.estimate.value) < 0.1


def test_even_heatmaps_are_left_out() -> None:
    some_even = heatmaps(0)
    some_even[:10] = 0
    finding = compare_heatmaps("backbone", some_even, [heatmaps(1)], PATIENTS)
    assert finding.estimate is not None
    assert finding.estimate.n == 30
    none_left = compare_heatmaps("backbone", np.zeros_like(some_even), [heatmaps(1)], PATIENTS)
    assert none_left.estimate is None
    assert not none_left.likely


def test_likenesses_are_those_of_the_field() -> None:
    one, other = heatmaps(0), heatmaps(1)
    one[one < 0.5] = 0  # ties, as in real heatmaps
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, other, strict=True)]
    assert rank_correlations(one, other) == pytest.approx(np.array(expected))
    assert structural_similarities(one, one) == pytest.approx(np.ones(40))
    assert (structural_similarities(one, other) < 0.5).all()
    slightly = structural_similarities(one, one + 0.05 * other)
    assert ((slightly > 0.5) & (slightly < 1)).all()
