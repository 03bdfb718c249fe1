"""Films moved, films without lungs, and what is no film."""

import numpy as np
import pytest

from models.lungs.frame import film_frame
from tests.training.films import film
from tests.training.lungs.drawn import drawn_lungs
from training.lungs.forms import moved, no_film, shifted, without_centre, without_lungs
from training.lungs.masked_films import coverage


def test_drawn_lungs_move_with_the_film() -> None:
    lungs = drawn_lungs(0)
    for seed in range(5):
        picture, drawn = moved(255 - lungs, lungs, np.random.default_rng(seed))
        assert picture.shape == drawn.shape
        assert picture[drawn > 0].mean() < 1
        assert coverage(drawn, 28).max() == 1


def test_sides_are_cut_and_added() -> None:
    picture = np.arange(100, dtype=np.uint8).reshape(10, 10)
    result = shifted(picture, np.array([0.1, -0.2, 0.0, 0.3]), 7)
    assert result.shape == (9, 9)
    np.testing.assert_array_equal(result[:, :2], 7)
    np.testing.assert_array_equal(result[:, 2:], picture[1:, :7])


@pytest.mark.parametrize("seed", range(6))
def test_hidden_lungs_are_hidden_and_the_border_stays(seed: int) -> None:
    picture, lungs = film(3), drawn_lungs(3)
    dice = np.random.default_rng(seed)
    for hidden in (without_centre(picture, dice), without_lungs(picture, lungs, dice)):
        np.testing.assert_array_equal(hidden[:5], picture[:5])
        assert (hidden != picture)[lungs > 0].mean() > 0.8


def test_no_two_strangers_are_alike() -> None:
    dice = np.random.default_rng(0)
    pictures = [no_film(dice) for _ in range(8)]
    assert len({picture.tobytes() for picture in pictures}) == 8
    assert all(picture.dtype == np.uint8 and film_frame(picture).area > 0 for picture in pictures)
