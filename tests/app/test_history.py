"""What has served when, on the page that describes the model."""

from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

from models.bundle import HISTORY_FILE, BundleSpec, load_bundle
from models.registry.promotion import promote

OpenApp = Callable[[], AppTest]
MakeBundle = Callable[..., BundleSpec]


def test_a_promotion_shows_with_who_and_why(make_bundle: MakeBundle, open_app: OpenApp) -> None:
    make_bundle()
    app = open_app().switch_page("views/model.py").run()
    assert not app.exception
    assert list(app.dataframe[0].value["bundle"]) == ["three"]
    assert not app.info
    reason = "![a picture](http://127.0.0.1/x.png) better on ours"
    promote(load_bundle("default"), reason=reason, by="Ada")
    app.run()
    assert not app.exception
    table = app.dataframe[0].value
    assert list(table["bundle"]) == ["default", "three"]
    assert table["to (UTC)"][0] == "now"
    assert table["by"][0] == "Ada"
    assert table["reason"][0] == reason


def test_a_history_that_cannot_be_read_leaves_the_page_whole(
    make_bundle: MakeBundle, open_app: OpenApp, tmp_path: Path
) -> None:
    make_bundle()
    (tmp_path / HISTORY_FILE).mkdir()
    app = open_app().switch_page("views/model.py").run()
    assert not app.exception
    assert "cannot be read" in app.warning[0].value
    assert "Versions" in [header.value for header in app.header]


def test_a_line_cut_off_by_a_crash_is_said(make_bundle: MakeBundle, open_app: OpenApp, tmp_path: Path) -> None:
    make_bundle()
    (tmp_path / HISTORY_FILE).write_text('{"time": "20')
    app = open_app().switch_page("views/model.py").run()
    assert not app.exception
    assert any("cannot be read and is left aside" in text.value for text in app.text)
