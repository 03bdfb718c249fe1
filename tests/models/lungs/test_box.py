"""Boxes: fractions of a picture, and the one round the lungs of a map."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.lungs.box import WHOLE, Box, lung_box, lung_outline


def two_lungs(*, left: float = 0.3, right: float = 0.7, radius: float = 0.12) -> NDArray[np.float32]:
    """A map with two round lungs, each place's coverage counted on a finer grid."""
    y, x = (np.mgrid[0:280, 0:280] + 0.5) / 280
    inside = sum(np.hypot(x - middle, (y - 0.5) / 2) < radius for middle in (left, right)) > 0
    return inside.reshape(28, 10, 28, 10).mean(axis=(1, 3)).astype(np.float32)


def test_the_box_holds_both_lungs_to_half_a_place() -> None:
    box = lung_box(two_lungs())
    assert box is not None
    np.testing.assert_allclose((box.top, box.left, box.bottom, box.right), (0.26, 0.18, 0.74, 0.82), atol=0.5 / 28)


@pytest.mark.parametrize("shift", [0.0, 0.25 / 28, 0.5 / 28])
def test_the_box_moves_by_less_than_a_place(shift: float) -> None:
    moved, plain = lung_box(two_lungs(left=0.3 + shift, right=0.7 + shift)), lung_box(two_lungs())
    assert moved is not None
    assert plain is not None
    assert moved.left - plain.left == pytest.approx(shift, abs=0.01)


@pytest.mark.parametrize("level", [0.4, 0.7])
def test_a_crumb_far_away_hardly_widens_the_box(level: float) -> None:
    lungs = two_lungs()
    crumbs = lungs.copy()
    crumbs[1, 1] = level
    box, plain = lung_box(crumbs), lung_box(lungs)
    assert box is not None
    assert plain is not None
    assert plain.top - box.top < 0.05
    assert plain.left - box.left < 0.05
    assert (box.bottom, box.right) == (plain.bottom, plain.right)


@pytest.mark.parametrize("level", [0.0, 0.2])
def test_a_map_without_lungs_has_no_box(level: float) -> None:
    lung_map = np.full((28, 28), level, np.float32)
    assert lung_box(lung_map) is None
    assert not lung_outline(lung_map).any()


def test_lungs_over_the_whole_film_have_the_whole_film_as_box() -> None:
    assert lung_box(np.ones((28, 28), np.float32)) == WHOLE


@pytest.mark.parametrize("sides", [(0.5, 0.1, 0.5, 0.9), (0.1, 0.9, 0.5, 0.2), (-0.1, 0.1, 0.5, 0.9), (0, 0, 1, 1.01)])
def test_what_is_no_rectangle_of_the_picture_is_refused(sides: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="0 <= top < bottom <= 1"):
        Box(*sides)


def test_overlap_is_intersection_over_union() -> None:
    assert Box(0, 0, 1, 0.5).overlap(WHOLE) == pytest.approx(0.5)
    assert Box(0, 0, 0.5, 0.5).overlap(Box(0.5, 0.5, 1, 1)) == 0
    assert Box(0.2, 0.2, 0.6, 0.6).overlap(Box(0.2, 0.2, 0.6, 0.6)) == pytest.approx(1)


def test_a_margin_ends_at_the_picture() -> None:
    widened = Box(0.05, 0.3, 0.85, 0.7).widened(0.1)
    assert (widened.top, widened.left) == (0, pytest.approx(0.26))
    assert (widened.bottom, widened.right) == (pytest.approx(0.93), pytest.approx(0.74))


def test_a_box_of_a_film_is_placed_in_the_picture_round_it() -> None:
    placed = Box(0.5, 0.0, 1.0, 0.5).placed_in(Box(0.2, 0.4, 0.6, 0.8))
    np.testing.assert_allclose((placed.top, placed.left, placed.bottom, placed.right), (0.4, 0.4, 0.6, 0.6))
    assert Box(0.1, 0.2, 0.3, 0.4).placed_in(WHOLE) == Box(0.1, 0.2, 0.3, 0.4)


def test_cutting_takes_the_nearest_pixels_and_at_least_one() -> None:
    picture = np.arange(100, dtype=np.uint8).reshape(10, 10)
    np.testing.assert_array_equal(Box(0.2, 0.3, 0.4, 0.6).cut(picture), picture[2:4, 3:6])
    assert Box(0.999, 0.0, 1.0, 0.001).cut(picture).shape == (1, 1)
