"""Films are resized alike everywhere: by Pillow before the engines, by a layer in exported networks."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from models.films.network_input import network_input
from models.films.radiograph import Radiograph
from models.films.resize import AntialiasedResize
from models.predictor import Predictor


def _resize(pixels: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(AntialiasedResize(size)(pixels[None, :, :, None]))[0, :, :, 0]


@pytest.mark.parametrize("size", [64, 224])
@pytest.mark.parametrize(
    ("height", "width"),
    [(2000, 1500), (1, 1), (33, 700), (700, 33), (225, 223), (100, 100), (448, 112), (1841, 1955)],
)
def test_the_exported_layer_equals_what_the_engines_are_shown(height: int, width: int, size: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    assert np.abs(_resize(pixels, size) - network_input(pixels, size)[..., 0]).max() <= 0.01


def test_the_right_size_is_left_as_it_is() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224), dtype=np.uint8)
    assert np.array_equal(_resize(pixels, 224), pixels)


@pytest.mark.parametrize(("shape", "side", "grain"), [((2000, 2000), 224, 20), ((1600, 2000), 448, 5)])
def test_a_large_film_and_its_small_copy_are_judged_alike(
    shape: tuple[int, int], side: int, grain: float, predictor: Predictor, make_film: Callable[..., Radiograph]
) -> None:
    film = make_film(3, *shape)
    noise = np.random.default_rng(0).normal(0, grain, shape)  # what aliasing would turn into a pattern
    film = Radiograph((film.pixels + noise).clip(0, 255).astype(np.uint8), "", "PNG", {})
    copy = np.array(Image.fromarray(film.pixels).resize((side, side), Image.Resampling.BILINEAR))
    large, small = predictor.predict([film, Radiograph(copy, "", "PNG", {})])
    assert large.probabilities == pytest.approx(small.probabilities, abs=0.02)
