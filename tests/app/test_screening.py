"""From uploaded bytes to a result."""

import csv
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from app.pictures import draw
from app.samples import read_sample, sample_names
from app.screening import FILM_SIDE, Readings, as_csv, count_outcomes, screen
from models.films.refusal import Refusal
from models.prediction import Prediction
from models.predictor import Predictor
from tests.models.films.unforeseen import FAILING, fail

MakeFilm = Callable[..., bytes]


def test_a_film_is_judged_and_kept_for_display(predictor: Predictor, make_film: MakeFilm) -> None:
    screened = screen(predictor, "film", make_film(width=2000))
    assert isinstance(screened.outcome, Prediction)
    assert screened.outcome.heatmap is not None
    assert screened.film is not None
    assert screened.film.size[0] == 2000
    assert max(screened.film.shown) == FILM_SIDE
    assert screened.film.format == "PNG"


@pytest.mark.parametrize(("content", "code"), [(b"", "empty_file"), (b"just words", "not_an_image")])
def test_what_is_no_film_is_refused(predictor: Predictor, content: bytes, code: str) -> None:
    screened = screen(predictor, "notes.txt", content)
    assert isinstance(screened.outcome, Refusal)
    assert screened.outcome.code == code
    assert screened.film is None


def test_an_error_that_nobody_foresaw_is_told_of_its_file_alone(
    predictor: Predictor, make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_film()
    monkeypatch.setitem(Image.DECODERS, "jpeg", fail)
    screened = screen(predictor, "film.jpeg", FAILING)
    assert isinstance(screened.outcome, Refusal)
    assert screened.outcome.code == "internal_error"
    assert isinstance(screen(predictor, "film.png", film).outcome, Prediction)


def test_without_opacity_the_film_is_drawn_as_it_is(predictor: Predictor, make_film: MakeFilm) -> None:
    content = make_film()
    screened = screen(predictor, "film", content)
    film = np.asarray(Image.open(io.BytesIO(content)), dtype=float)
    plain = pixels(draw(screened, opacity=0))
    assert np.abs(plain.mean(axis=-1) - film).mean() < 2  # JPEG
    assert np.ptp(plain, axis=-1).max() == 0
    covered = pixels(draw(screened, opacity=1.0))
    assert covered.shape == plain.shape
    assert np.ptp(covered, axis=-1).max() > 50  # the heatmap is in colour, the film is not


def pixels(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), dtype=float)


def test_a_refused_file_cannot_be_drawn(predictor: Predictor) -> None:
    with pytest.raises(ValueError, match="Only a film that was kept"):
        draw(screen(predictor, "notes.txt", b"words"), opacity=0.5)


def test_a_film_is_known_again_by_its_content_under_another_name(predictor: Predictor) -> None:
    readings = Readings()
    refused = screen(predictor, "a", b"content")
    readings.keep(refused)
    found = readings.find("b", b"content", predictor.bundle)
    assert found is not None
    assert found.name == "b"
    assert found.outcome is refused.outcome
    assert readings.find("a", b"other content", predictor.bundle) is None


def test_the_longest_unused_reading_is_forgotten_first(predictor: Predictor) -> None:
    readings = Readings(kept=2)
    readings.keep(screen(predictor, "first", b"1"))
    readings.keep(screen(predictor, "second", b"2"))
    readings.find("first", b"1", predictor.bundle)
    readings.keep(screen(predictor, "third", b"3"))
    assert readings.find("first", b"1", predictor.bundle) is not None
    assert readings.find("second", b"2", predictor.bundle) is None
    assert readings.find("third", b"3", predictor.bundle) is not None


def test_the_csv_disarms_a_name_that_a_spreadsheet_would_execute(predictor: Predictor) -> None:
    content = as_csv([screen(predictor, "=1+1", b"x")], ("NORMAL", "PNEUMONIA"), "default").decode()
    header, row = csv.reader(io.StringIO(content))
    assert header == ["file", "verdict", "refusal_code", "p_NORMAL", "p_PNEUMONIA", "bundle"]
    assert row == ["'=1+1", "", "not_an_image", "", "", "default"]


def test_outcomes_are_counted_in_the_order_of_the_bundle(predictor: Predictor) -> None:
    counts = count_outcomes([screen(predictor, "a", b"1")], ("NORMAL", "PNEUMONIA"))
    expected = {"NORMAL": 0, "PNEUMONIA": 0, "indeterminate": 0, "without verdict": 0, "refused": 1}
    assert list(counts.items()) == list(expected.items())


def test_there_is_a_sample_of_each_class_and_of_dicom() -> None:
    names = sample_names()
    assert {name.split("_")[0] for name in names} == {"normal", "pneumonia"}
    assert any(name.endswith(".dcm") for name in names)
    assert all(read_sample(name) for name in names)


@pytest.mark.parametrize("name", ["../README.md", "README.md", "absent.jpeg"])
def test_nothing_but_samples_is_read_as_a_sample(name: str) -> None:
    with pytest.raises(ValueError, match="A sample must be one of"):
        read_sample(name)
