"""Corruptions: worse with each severity, and nothing else."""

import numpy as np
import pytest
from PIL import Image

from tests.training.films import film
from training.stress.corruptions import CORRUPTIONS, SEVERITIES, corrupt

IMAGE, OTHER = "a1" * 32, "b2" * 32
NOISY = {name for name in CORRUPTIONS if name.endswith("_noise")}


def test_there_are_thirteen() -> None:
    assert len(CORRUPTIONS) == 13
    assert SEVERITIES == (1, 2, 3, 4, 5)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_severity_changes_a_film_more_than_the_last(name: str) -> None:
    # A film at the size that the severities are meant for: on others the grid of "pixelate" falls well or badly.
    plain = np.asarray(Image.fromarray(film(1, opacity=0.5)).resize((224, 280)))
    before = plain.copy()
    changes = []
    for severity in SEVERITIES:
        corrupted = corrupt(plain, name, severity, image=IMAGE, seed=0)
        assert corrupted.dtype == np.uint8
        assert corrupted.shape == plain.shape == (280, 224)
        changes.append(float(np.abs(corrupted.astype(float) - plain).mean()))
    assert changes == sorted(changes)
    assert len(set(changes)) == len(changes)
    assert changes[0] > 0
    assert (plain == before).all(), "the film itself is left alone"


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_film_severity_and_seed_give_the_same_pixels(name: str) -> None:
    plain = film(2)
    once, again = (corrupt(plain, name, 3, image=IMAGE, seed=7) for _ in range(2))
    assert (once == again).all()
    noise_differs = (once != corrupt(plain, name, 3, image=OTHER, seed=7)).any()
    assert noise_differs == (name in NOISY)
    assert (once != corrupt(plain, name, 3, image=IMAGE, seed=8)).any() == (name in NOISY)


@pytest.mark.parametrize(
    ("name", "brighter"),
    [("brightness_up", True), ("brightness_down", False), ("gamma_up", False), ("gamma_down", True)],
)
def test_tone_moves_the_way_the_name_says(name: str, brighter: bool) -> None:
    plain = film(3)
    assert (corrupt(plain, name, 3, image=IMAGE, seed=0).mean() > plain.mean()) == brighter


@pytest.mark.parametrize(("name", "wider"), [("contrast_up", True), ("contrast_down", False)])
def test_contrast_spreads_or_draws_together(name: str, wider: bool) -> None:
    plain = film(3)
    assert (corrupt(plain, name, 5, image=IMAGE, seed=0).std() > plain.std()) == wider


@pytest.mark.parametrize("shade", [0, 255])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_black_and_white_do_not_wrap_around(name: str, shade: int) -> None:
    corrupted = corrupt(np.full((40, 60), shade, np.uint8), name, 5, image=IMAGE, seed=0)
    if name == "impulse_noise":
        assert set(np.unique(corrupted)) == {0, 255}
    elif name == "brightness_down":
        assert corrupted.max() == corrupted.min() == shade // 2
    else:
        assert abs(float(corrupted.mean()) - shade) < 60


@pytest.mark.parametrize(("name", "severity"), [("fog", 1), ("jpeg", 0), ("jpeg", 6)])
def test_what_is_not_in_the_table_is_refused(name: str, severity: int) -> None:
    with pytest.raises(ValueError, match=r"must be one of pixelate.*Received"):
        corrupt(film(1), name, severity, image=IMAGE, seed=0)
