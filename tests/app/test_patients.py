"""Films of one patient on the page."""

from collections.abc import Callable

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app.screening import Screened, screen
from app.words.wording import percent
from models.films.radiograph import read_radiograph
from models.prediction import Prediction
from models.predictor import Predictor
from tests.app.steps import html, upload
from tests.models.films.dicom_files import dataset, encode

OpenApp = Callable[[], AppTest]
MakeFilm = Callable[..., bytes]


def of_study(picture: bytes, study: str) -> bytes:
    """A film as a DICOM file of a study."""
    pixels = read_radiograph(picture).pixels
    return encode(dataset(np.ascontiguousarray(pixels), StudyInstanceUID=study, PatientID="SECRET-4711"))


def probability(result: Screened) -> float:
    assert isinstance(result.outcome, Prediction)
    return result.outcome.probability("PNEUMONIA")


@pytest.mark.parametrize("studies", [("1.2.9", "1.2.9"), ("1.2.9", "1.2.8")])
def test_a_study_is_one_line_and_its_cards_follow_each_other(
    open_app: OpenApp, make_film: MakeFilm, studies: tuple[str, str]
) -> None:
    first, second = (of_study(make_film(n), study) for n, study in zip((0, 4), studies, strict=True))
    app = upload(open_app(), ("a.dcm", first), ("words.txt", b"words"), ("b.dcm", second))
    assert not app.exception
    if studies[0] != studies[1]:
        assert list(app.dataframe[0].value["File"]) == ["a.dcm", "words.txt", "b.dcm"]
        assert not app.selectbox
        return
    table = app.dataframe[0].value
    assert list(table["Patient"]) == ["1: a.dcm and 1 more", "2: words.txt"]
    assert list(table["Films judged"]) == ["2 of 2", "0 of 1 (1 not_an_image)"]
    both = [probability(one) for one in app.session_state["desk"].results.values() if one.name != "words.txt"]
    assert table["p(PNEUMONIA)"][0] == percent(max(both))
    assert html(app).index("a.dcm") < html(app).index("b.dcm") < html(app).index("words.txt")
    app.selectbox[0].set_value("mean").run()
    assert app.dataframe[0].value["p(PNEUMONIA)"][0] == percent(sum(both) / 2)
    app.selectbox[0].set_value("film").run()
    assert list(app.dataframe[0].value["File"]) == ["a.dcm", "words.txt", "b.dcm"]
    everything = html(app) + str(app.session_state["desk"].results)
    assert not any(secret in everything for secret in ("SECRET", "1.2.9"))


def test_published_names_are_grouped_and_the_promise_is_taken_back(open_app: OpenApp, make_film: MakeFilm) -> None:
    names = ("person7_virus_1.png", "person7_bacteria_2.png")
    app = upload(open_app(), *((name, make_film(n)) for n, name in enumerate(names)))
    assert list(app.dataframe[0].value["Films judged"]) == ["2 of 2"]
    assert any("2 films of 1 patient." in one.value and "does not hold" in one.value for one in app.caption)


def test_what_is_no_film_keeps_its_study(predictor: Predictor) -> None:
    broken = encode(dataset(np.zeros((8, 8), np.uint8), StudyInstanceUID="1.2.9"))
    assert screen(predictor, "a.dcm", broken).study is not None
    assert screen(predictor, "a.txt", b"words").study is None
