"""The Batch page, run without a browser."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app.batch.job import Job, find_jobs
from app.batch.places import SPOOL_VARIABLE
from app.session import batch_runner
from tests.app.batch.conftest import PATIENCE
from tests.app.conftest import MakeFilm, OpenApp
from tests.app.steps import html, pictures, upload


def button(app: AppTest, label: str):
    return next(one for one in app.button if one.label == label)


@pytest.fixture
def page(spool: Path, server_folder: Path, open_app: OpenApp) -> AppTest:
    return open_app().switch_page("views/batch.py").run()


def await_end(job: Job) -> None:
    deadline = time.monotonic() + PATIENCE
    while (batch_runner().pending(job) or job.held()) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_files_are_judged_and_shown_and_deleted(page: AppTest, spool: Path, make_film: MakeFilm) -> None:
    app = upload(page, ("a.png", make_film(1)), ("notes.txt", b"words"))
    button(app, "Judge these files").click().run()
    assert not app.exception
    [job] = find_jobs(spool)
    await_end(job)
    app.run()
    assert "All 2 files are judged." in [one.value for one in app.markdown]
    table = app.dataframe[0].value
    assert list(table["File"]) == ["a.png", "notes.txt"]
    assert list(table["Code"]) == ["", "not_an_image"]
    assert table["Film"][0].startswith("data:image/jpeg;base64,")
    assert [one.label for one in app.get("download_button")] == ["Download CSV"]

    app.selectbox(key="batch_show").set_value(":refused").run()
    assert list(app.dataframe[0].value["File"]) == ["notes.txt"]
    app.selectbox(key="batch_show").set_value(None).run()
    app.selectbox(key=f"batch_film_{job.name}").set_value(1).run()
    assert not app.exception
    assert "probability of PNEUMONIA" in html(app)
    assert len(pictures(app)) == 1
    assert [one.label for one in app.get("download_button")][1:] == [
        "Report of this study as PDF",
        "Report of this study as HTML",
    ]

    button(app, "Delete this batch").click().run()
    assert not app.exception
    assert not app.dataframe
    assert list(spool.iterdir()) == []


def test_a_batch_whose_server_was_killed_says_so_and_goes_on(page: AppTest, spool: Path, server_folder: Path) -> None:
    (server_folder / "notes.txt").write_bytes(b"words")
    job = Job.create(spool, user="local")
    job.add([("notes.txt", server_folder / "notes.txt")])
    job.update(state="running", since=time.time())
    page.run()
    assert "The server ended while this batch was judged. 0 of 1 files are" in page.info[0].value
    button(page, "Go on").click().run()
    await_end(job)
    page.run()
    assert "All 1 files are judged." in [one.value for one in page.markdown]


def test_what_cannot_be_judged_or_kept_is_told_and_nobody_sees_the_batch_of_another(
    page: AppTest, spool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Job.create(spool, user="somebody else")
    page.text_input[0].set_value("..").run()
    button(page, "Judge this folder").click().run()
    assert not page.exception
    assert "folder_not_allowed" in page.error[0].value
    assert [one.label for one in page.selectbox] == ["Folder"]
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv(SPOOL_VARIABLE, str(tmp_path / "file" / "batches"))
    page.run()
    assert not page.exception
    assert "spool_unwritable" in page.error[0].value
