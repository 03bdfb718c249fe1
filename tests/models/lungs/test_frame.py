"""The film within a picture: bars, pages and screens go; a film alone stays whole."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.films.radiograph import read_radiograph
from models.lungs.box import WHOLE, Box
from models.lungs.frame import film_frame

ROOT = Path(__file__).parents[3]
SAMPLES = sorted((ROOT / "data_samples").glob("*.jpeg"))
CASES = ROOT.parent / "shared" / "cases"


def framed(film: NDArray[np.uint8], shade: int, margins: tuple[int, int, int, int]) -> tuple[NDArray[np.uint8], Box]:
    """A film with `margins` (top, left, bottom, right) of one shade, and where it lies."""
    top, left, bottom, right = margins
    picture = np.pad(film, ((top, bottom), (left, right)), constant_values=shade)
    height, width = picture.shape
    return picture, Box(top / height, left / width, (height - bottom) / height, (width - right) / width)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_film_alone_stays_whole(path: Path) -> None:
    assert film_frame(read_radiograph(path).pixels).overlap(WHOLE) > 0.9


@pytest.mark.parametrize(
    ("shade", "margins"),
    [
        pytest.param(0, (0, 80, 0, 80), id="black bars beside it"),
        pytest.param(0, (60, 0, 60, 0), id="black bars above and below"),
        pytest.param(255, (150, 200, 180, 210), id="white page"),
        pytest.param(87, (30, 10, 50, 40), id="grey screen"),
    ],
)
@pytest.mark.parametrize("quality", [None, 75], ids=["lossless", "JPEG"])
def test_what_is_round_a_film_is_taken_away(
    shade: int, margins: tuple[int, int, int, int], quality: int | None
) -> None:
    picture, place = framed(read_radiograph(SAMPLES[0]).pixels, shade, margins)
    if quality is not None:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=quality)
        picture = np.asarray(Image.open(file))
    assert film_frame(picture).overlap(place) > 0.9


def test_bars_of_two_shades_are_taken_away_one_after_the_other() -> None:
    film = read_radiograph(SAMPLES[0]).pixels
    page, within_page = framed(film, 255, (40, 60, 40, 60))
    screen, within_screen = framed(page, 30, (50, 0, 0, 0))
    assert film_frame(screen).overlap(within_page.placed_in(within_screen)) > 0.9


@pytest.mark.parametrize("shape", [(40, 40), (300, 4), (4, 300)])
def test_a_picture_of_one_shade_stays_whole(shape: tuple[int, int]) -> None:
    assert film_frame(np.full(shape, 17, np.uint8)) == WHOLE


@pytest.mark.skipif(not CASES.is_dir(), reason="needs the cases in ../shared, which are not shipped")
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("film_on_white_page", Box(0.25, 0.35, 0.623, 0.63)),
        ("letterbox", Box(0.037, 0.24, 0.963, 0.76)),
        ("clean", WHOLE),
    ],
)
def test_the_cases_that_went_wrong(name: str, place: Box) -> None:
    assert film_frame(read_radiograph(CASES / f"{name}.png").pixels).overlap(place) > 0.97
