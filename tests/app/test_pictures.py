"""Films as pictures: with the box of what was judged, mended, small."""

import io

import numpy as np
import pytest
from PIL import Image

from app.pictures import draw, draw_mended, thumbnail
from app.samples import sample_names, sample_thumbnail
from app.screening import Film, Screened, mend
from models.bundle import load_bundle
from models.films.refusal import Refusal
from models.lungs.box import Box
from models.lungs.findings import Finding
from models.prediction import Prediction
from models.predictor import Predictor

FIELD = Box(0.25, 0.2, 0.75, 0.8)


def screened(outcome: Prediction | Refusal, width: int = 1000, height: int = 800) -> Screened:
    """A plain grey film, its upper half darker."""
    pixels = np.full((height, width), 120, np.uint8)
    pixels[: height // 2] = 60
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    film = Film(stream.getvalue(), (width, height), (width, height), "PNG", {})
    return Screened("film", "0" * 64, outcome, load_bundle(), film, content=b"")


def judged(field: Box | None) -> Prediction:
    return Prediction(("A", "B", "C"), (0.2, 0.5, 0.3), "B", "three", field=field)


def colours(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)


@pytest.mark.parametrize(("width", "height"), [(1000, 800), (300, 500)])
def test_the_outline_is_thin_coloured_and_round_the_field(width: int, height: int) -> None:
    film = screened(judged(FIELD), width, height)
    drawn = colours(draw(film, opacity=0, outlined=True))
    assert drawn.shape[1] / drawn.shape[0] == pytest.approx(width / height, rel=0.01)
    coloured = np.ptp(drawn, axis=-1) > 60
    rows, columns = np.flatnonzero(coloured.any(axis=1)), np.flatnonzero(coloured.any(axis=0))
    found = rows[0] / len(drawn), columns[0] / drawn.shape[1], rows[-1] / len(drawn), columns[-1] / drawn.shape[1]
    assert found == pytest.approx((FIELD.top, FIELD.left, FIELD.bottom, FIELD.right), abs=0.01)
    across = coloured[len(drawn) // 2]
    assert 2 <= across.sum() <= 10, "two thin lines on the way from left to right"


def test_without_a_switch_or_a_field_nothing_is_drawn() -> None:
    assert np.ptp(colours(draw(screened(judged(FIELD)), opacity=0)), axis=-1).max() < 5
    assert np.ptp(colours(draw(screened(judged(None)), opacity=0, outlined=True)), axis=-1).max() < 5


def test_a_mended_film_is_drawn_as_it_will_be_judged() -> None:
    turned = colours(draw_mended(screened(Finding("turned", "It is turned.", turned=180))))
    assert turned[10].mean() == pytest.approx(120, abs=2)
    assert turned[-10].mean() == pytest.approx(60, abs=2)
    inverted = colours(draw_mended(screened(Finding("inverted", "It is inverted."))))
    assert inverted[10].mean() == pytest.approx(195, abs=2)


def test_what_has_no_finding_cannot_be_mended(predictor: Predictor) -> None:
    with pytest.raises(ValueError, match="Only a film with a finding"):
        draw_mended(screened(judged(None)))
    with pytest.raises(ValueError, match="Only a film that is turned or inverted"):
        mend(predictor, screened(judged(None)))


def test_a_thumbnail_is_small_and_keeps_its_proportions() -> None:
    picture = Image.open(io.BytesIO(thumbnail(np.zeros((400, 800), np.uint8), 100)))
    assert picture.size == (100, 50)


def test_each_sample_has_a_picture() -> None:
    for name in sample_names():
        assert Image.open(io.BytesIO(sample_thumbnail(name))).format == "JPEG"
        assert len(sample_thumbnail(name)) < 40_000
