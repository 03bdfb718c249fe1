"""What the pages show of the lungs: the box that was judged, findings of the film itself, and what the model rests on."""

import io
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.pictures import smaller
from app.samples import read_sample, sample_names
from app.words.wording import SHORTCUT_CAPTION, WHAT_WAS_SHOWN
from models.bundle import BundleSpec
from models.films.radiograph import read_radiograph
from models.lungs.findings import Finding
from models.prediction import Prediction
from tests.app.steps import html, pictures, upload

OpenApp = Callable[[], AppTest]
MakeFilm = Callable[..., bytes]
MakeBundle = Callable[..., BundleSpec]

TURN = "Turn it back and judge it"
EXCHANGE = "Exchange black and white and judge it"


def png(pixels: NDArray[np.uint8]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


@cache
def upright_film() -> NDArray[np.uint8]:
    """A film small enough to be packed and drawn quickly, and large enough that its lungs are found."""
    return smaller(read_radiograph(read_sample(sample_names()[0])).pixels, 480)


def only_result(app: AppTest) -> Any:
    [result] = app.session_state["desk"].results.values()
    return result


def test_a_bundle_of_whole_films_has_no_box_to_show(
    make_bundle: MakeBundle, open_app: OpenApp, make_film: MakeFilm
) -> None:
    make_bundle(field="film")
    app = upload(open_app(), ("film.png", make_film()))
    assert not app.exception
    assert not app.toggle
    assert WHAT_WAS_SHOWN not in html(app)
    assert "of the attention" not in html(app)


def test_the_box_is_drawn_by_a_switch_and_what_was_shown_stands_beside_it(
    make_bundle: MakeBundle, open_app: OpenApp, make_film: MakeFilm
) -> None:
    make_bundle(field="lungs")
    app = upload(open_app(), ("film.png", make_film()))
    assert not app.exception
    before = only_result(app).outcome
    assert f"{100 * before.attention:.0f} % of the attention lies within the lungs" in html(app)
    assert WHAT_WAS_SHOWN in html(app)
    [outlined] = pictures(app)
    app.toggle[0].set_value(False).run()
    [plain] = pictures(app)
    assert plain != outlined
    app.toggle[0].set_value(True).run()
    assert pictures(app) == [outlined]
    assert only_result(app).outcome is before


@pytest.mark.parametrize(
    ("spoil", "code", "offer", "told"),
    [
        (lambda film: np.rot90(film, -1), "turned", TURN, "Turned back by 90° anticlockwise before it was judged"),
        (lambda film: np.rot90(film, 2), "turned", TURN, "Turned back by 180° before it was judged"),
        (lambda film: np.rot90(film, 1), "turned", TURN, "Turned back by 90° clockwise before it was judged"),
        (lambda film: 255 - film, "inverted", EXCHANGE, "Black and white exchanged before it was judged"),
    ],
)
def test_a_film_that_can_be_mended_is_judged_with_one_click(
    make_bundle: MakeBundle,
    open_app: OpenApp,
    spoil: Callable[..., NDArray[np.uint8]],
    code: str,
    offer: str,
    told: str,
) -> None:
    make_bundle(field="lungs")
    app = upload(open_app(), ("upright.png", png(upright_film())))
    upright = only_result(app).outcome
    assert isinstance(upright, Prediction)

    app = upload(app, ("spoilt.png", png(spoil(upright_film()))))
    finding = only_result(app).outcome
    assert isinstance(finding, Finding)
    assert finding.code == code
    assert finding.sentence in html(app)
    assert f"<code>{code}</code>" in html(app)
    assert len(pictures(app)) == 1, "the film that is refused is shown"
    assert "Preview of the film" in html(app)
    [button] = [button for button in app.button if button.label == offer]

    button.click().run()
    assert not app.exception
    mended = only_result(app)
    assert mended.outcome.probabilities == pytest.approx(upright.probabilities, abs=1e-5)
    assert told in html(app)
    assert finding.sentence not in html(app)
    assert not [button for button in app.button if button.label in (TURN, EXCHANGE)]


def test_a_film_can_be_mended_after_a_look_at_another_page(make_bundle: MakeBundle, open_app: OpenApp) -> None:
    make_bundle(field="lungs")
    app = upload(open_app(), ("turned.png", png(np.rot90(upright_film(), 2))))
    app.switch_page("views/model.py").run()
    app.switch_page("views/screen.py").run()
    next(button for button in app.button if button.label == TURN).click().run()
    assert not app.exception
    assert isinstance(only_result(app).outcome, Prediction)


def test_a_mended_film_that_comes_again_is_refused_again(make_bundle: MakeBundle, open_app: OpenApp) -> None:
    make_bundle(field="lungs")
    turned = png(np.rot90(upright_film(), 2))
    app = upload(open_app(), ("turned.png", turned))
    next(button for button in app.button if button.label == TURN).click().run()
    app = upload(app, ("again.png", turned))
    assert only_result(app).outcome.code == "turned"


def test_a_picture_without_lungs_is_shown_with_its_refusal_and_offers_nothing(
    make_bundle: MakeBundle, open_app: OpenApp
) -> None:
    make_bundle(field="lungs")
    film = upright_film().copy()
    film[film.shape[0] // 8 : -film.shape[0] // 8, film.shape[1] // 8 : -film.shape[1] // 8] = 90
    app = upload(open_app(), ("border.png", png(film)))
    assert not app.exception
    assert only_result(app).outcome.code == "no_lungs"
    assert only_result(app).outcome.sentence in html(app)
    assert len(pictures(app)) == 1
    assert not [button for button in app.button if button.label in (TURN, EXCHANGE)]


def test_a_mirrored_film_is_judged_with_a_note(make_bundle: MakeBundle, open_app: OpenApp) -> None:
    make_bundle(field="lungs")
    app = upload(open_app(), ("mirrored.png", png(np.fliplr(upright_film()))))
    assert not app.exception
    prediction = only_result(app).outcome
    assert isinstance(prediction, Prediction)
    (note,) = prediction.notes
    assert note.sentence in html(app)
    assert "<code>mirrored</code>" in html(app)
    assert "Not judged" not in html(app)


def report(alone: float) -> dict[str, object]:
    def measured(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.02, "high": value + 0.02, "n": 1200, "patients": 700}

    return {"surroundings": {"exchanged": measured(0.97), "alone": measured(alone), "readable": measured(0.9)}}


@pytest.mark.parametrize(("alone", "red"), [(0.81, True), (0.55, False)])
def test_what_can_be_read_outside_the_lungs_is_told_and_in_red_where_it_is_much(
    make_bundle: MakeBundle, open_app: OpenApp, alone: float, red: bool
) -> None:
    make_bundle(field="lungs", report=report(alone))
    app = open_app()
    assert (SHORTCUT_CAPTION in [caption.value for caption in app.caption]) == red
    number = f"{alone:.3f} ({alone - 0.02:.3f} to {alone + 0.02:.3f})"
    app.switch_page("views/model.py").run()
    assert not app.exception
    assert [number in error.value for error in app.error] == ([True] if red else [])
    table = next(table.value for table in app.table if "Images" in table.value and len(table.value) == 3)
    assert list(table["AUROC (95 % interval)"])[1] == number
    assert "cut out by the lung finder" in "".join(markdown.value for markdown in app.markdown)
    app.switch_page("views/about.py").run()
    assert not app.exception
    assert number in "".join(markdown.value for markdown in app.markdown)
    assert len(app.error) == red


@pytest.mark.parametrize("told", [None, {"surroundings": None}, {"surroundings": {"alone": "much"}}])
def test_where_nothing_was_measured_the_field_is_told_all_the_same(
    make_bundle: MakeBundle, open_app: OpenApp, told: dict[str, object] | None
) -> None:
    make_bundle(field="film", report=told)
    for page in ("views/model.py", "views/about.py"):
        app = open_app().switch_page(page).run()
        assert not app.exception
        assert not app.error
        text = "".join(markdown.value for markdown in app.markdown)
        assert "the whole film, borders and all" in text
