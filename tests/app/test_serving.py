"""A server follows the registry: what is promoted serves, and what cannot judge does not."""

import gc
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.samples import sample_names
from app.serving.serving import BUNDLE_VARIABLE, Serving
from app.session import serving
from models.bundle import BUNDLES_VARIABLE, HEAD_FILE
from tests.app.conftest import MakeFilm
from tests.app.steps import html, serves, take, upload, wait_until
from tests.models.registry.conftest import retrain

SAMPLES = sample_names()
OpenApp = Callable[[], AppTest]


def test_work_in_hand_ends_with_its_model_and_then_lets_it_go(live: Serving) -> None:
    mine = live.now
    model = weakref.ref(mine.loading.result())
    take("three")
    wait_until(serves(live, "three"))
    assert mine.loading.result().bundle.spec.name == "two"
    del mine
    gc.collect()
    assert model() is None


def test_a_current_bundle_that_is_damaged_is_not_taken(live: Serving, root: Path) -> None:
    whole = (root / "three" / HEAD_FILE).read_bytes()
    (root / "three" / HEAD_FILE).write_bytes(whole[:-1])
    (root / "CURRENT").write_text("three\n")  # by hand: the registry would have verified it
    wait_until(lambda: HEAD_FILE in live.now.warning)  # it may have looked while the name was being written
    assert "two goes on serving" in live.now.warning
    assert serves(live, "two")()
    (root / "three" / HEAD_FILE).write_bytes(whole)
    wait_until(serves(live, "three"))
    assert not live.now.warning


def test_a_server_that_was_given_a_name_keeps_to_its_files(root: Path) -> None:
    named = Serving("two")
    named.now.loading.result()
    take("three")
    named.look()
    assert serves(named, "two")()
    assert not named.now.warning
    retrain(root / "two")
    named.look()
    named.close()
    assert "start the app again" in named.now.warning


def test_films_on_a_page_keep_the_bundle_that_judged_them(root: Path, open_app: OpenApp, make_film: MakeFilm) -> None:
    app = upload(open_app(), ("first.png", make_film()))
    take("three")
    wait_until(serves(serving(), "three"))
    app = upload(app, ("first.png", make_film()), ("second.png", make_film(1)))
    assert not app.exception
    assert [result.bundle.spec.name for result in app.session_state["desk"].results.values()] == ["three", "three"]
    take("two")
    wait_until(serves(serving(), "two"))
    app.button(key="sample_" + next(name for name in SAMPLES if name.endswith(".dcm"))).click().run()
    assert not app.exception
    assert [header.value for header in app.header][:2] == ["Results", "Results of three, which served before"]
    table = app.dataframe[-1].value
    assert list(table["File"]) == ["first.png", "second.png"]
    assert "p(VIRUS)" in table
    assert "Model ready: bundle two" in html(app)


def test_the_page_says_what_it_keeps_to(root: Path, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUNDLE_VARIABLE, "three")
    app = open_app().switch_page("views/model.py").run()
    assert not app.exception
    assert "started with the name three" in app.info[0].value


def test_without_a_bundle_a_sentence_stands_in_place_of_the_page(
    open_app: OpenApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path))
    (tmp_path / "CURRENT").write_text("absent\n")
    app = open_app()
    assert not app.exception
    assert "There is no bundle named 'absent'" in app.error[0].value
