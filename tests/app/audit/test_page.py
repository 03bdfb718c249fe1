"""The page: no result without its line in the log, and nothing in it that names a person."""

import json
from pathlib import Path

import pytest

from app.api.routes import read_settings
from app.audit.log import AUDIT_VARIABLE
from app.audit.verify import verify_log
from tests.app.conftest import MakeFilm, OpenApp
from tests.app.steps import upload


def entries(path: Path) -> list[dict]:
    assert verify_log(path).faults == ()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_page_writes_a_line_before_it_shows_a_film(
    open_app: OpenApp, make_film: MakeFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(AUDIT_VARIABLE, str(tmp_path / "audit.jsonl"))
    app = upload(open_app(), ("KIM_19700101.png", make_film()))
    assert not app.exception
    [result] = app.session_state["desk"].results.values()
    [line] = entries(tmp_path / "audit.jsonl")
    assert (line["door"], line["user"], line["picture"]) == ("page", "local", result.sha256)
    assert "KIM" not in (tmp_path / "audit.jsonl").read_text()

    (tmp_path / "audit.jsonl").write_bytes(b"")
    app = upload(app, ("KIM_19700101.png", make_film()), ("b.png", make_film(1)))
    assert not app.exception
    assert "audit_broken" in app.error[0].value
    assert len(app.session_state["desk"].results) == 0


def test_the_log_is_found_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().audit is None
    monkeypatch.setenv(AUDIT_VARIABLE, str(tmp_path / "audit.jsonl"))
    assert read_settings().audit.path == tmp_path / "audit.jsonl"
