"""The page that retrains: joined while it runs, told how it ended, promoted and rolled back; and whose doing that may be."""

import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from app.jobs.folders import offered_folders, trainable_folder
from app.jobs.retraining import JOBS_VARIABLE, PROGRESS_FILE, TRAINING, job_store, progress
from app.server_folders import FOLDERS_VARIABLE, FolderError
from models.bundle import current_bundle, load_bundle
from models.jobs.store import DONE, FAILED, KILLED, Job, JobStore
from models.registry.served import read_history
from tests.app.conftest import MakeFilm
from tests.app.steps import upload, wait_until

OpenApp = Callable[[], AppTest]


@pytest.fixture
def store(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobStore]:
    """The jobs of an app that listens on this machine alone and serves `two`."""
    monkeypatch.setenv(JOBS_VARIABLE, str(tmp_path / ".jobs"))
    before = config.get_option("server.address")
    config.set_option("server.address", "127.0.0.1")
    yield job_store()
    config.set_option("server.address", before)


def open_page(open_app: OpenApp) -> AppTest:
    app = open_app().switch_page("views/retrain.py").run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> AppTest:
    [button] = [button for button in app.button if button.label == label]
    app = button.click().run()
    assert not app.exception
    return app


def ended(store: JobStore) -> Job:
    """The last job, when it has come to its end."""
    wait_until(lambda: (job := store.latest()) is not None and not job.is_open)
    job = store.latest()
    assert job is not None
    return job


def trained(store: JobStore, name: str, *, worse: bool) -> Job:
    """A job that has trained a bundle and compared it with the one that serves."""
    job = store.add(TRAINING, {"name": name}, by="Ada")
    half = {"value": 0.5, "low": 0.4, "high": 0.6}
    numbers = dict.fromkeys(("auroc", "sensitivity", "specificity", "brier"), half)
    report: dict[str, Any] = {
        "later": {"name": name, "sha256": load_bundle(name).sha256, "overlap": {"films": 0, "patients": 0}},
        "earlier": {"name": "two", "sha256": "", "overlap": {"films": 3, "patients": 2}},
        "images": 8, "patients": 4, "positives": 4, "reason": "", "worse": worse,
        "rows": {"films": {"later": numbers, "earlier": numbers, "difference": {**numbers, "brier": None}}},
    }  # fmt: skip
    (job.folder / "comparison.json").write_text(json.dumps(report))
    store.finish(job, DONE)
    return job


def test_who_may_be_anybody_trains_and_promotes_nothing(store: JobStore, open_app: OpenApp) -> None:
    config.set_option("server.address", "192.0.2.1")
    trained(store, "three", worse=False)
    app = open_page(open_app)
    assert "must have signed in" in app.info[0].value
    assert not [button for button in app.button if button.label != "Language"]


def test_whoever_opens_the_page_finds_the_job_and_how_it_was_killed(store: JobStore, open_app: OpenApp) -> None:
    job = store.add(TRAINING, {"name": "mine"}, by="Ada")
    (job.folder / "log.txt").write_text("Reading images\n")
    (job.folder / PROGRESS_FILE).write_text(
        '{"stage": "Finding the lungs", "done": 1, "total": 4, "seconds": 10.0}\n{"sta'
    )
    with store.locked():
        store.begin(job, os.getpid())
        app = open_page(open_app)
        assert [one.value for one in app.subheader] == ["Training mine"]
        assert app.code[0].value == "Reading images"
        assert [button.label for button in app.button if button.key] == ["Stop"]
    told = progress(job)
    assert told is not None
    assert (told.stage, told.share, told.seconds_left) == ("Finding the lungs", 0.25, 30.0)
    app = open_page(open_app)
    assert "broke off" in app.warning[0].value
    assert store.get(job.id).state == KILLED


def test_a_failed_job_says_why_and_goes_on_when_asked_to(store: JobStore, open_app: OpenApp, tmp_path: Path) -> None:
    job = store.add(TRAINING, {"name": "mine"}, by="Ada")
    store.set_steps(job, [["inspect", str(tmp_path / "absent"), "--out", str(job.folder)]])
    store.finish(job, FAILED, "The disk is full.")
    app = open_page(open_app)
    assert "The disk is full." in app.error[0].value
    press(app, "Go on with it")
    now = ended(store)
    assert now.state == FAILED
    assert "absent" in now.message


def test_a_worse_bundle_is_promoted_by_its_name_alone_and_rolled_back(store: JobStore, open_app: OpenApp) -> None:
    trained(store, "three", worse=True)
    app = open_page(open_app)
    assert "was trained on 3 of these films" in app.warning[0].value
    app.text_input[0].set_value("a try")
    app = press(app, "Promote three")
    assert "Type the name" in app.error[0].value
    assert current_bundle() == "two"
    app.text_input[1].set_value("three")
    app = press(app, "Promote three")
    assert any("three is the current bundle now" in one.value for one in app.success)
    assert current_bundle() == "three"
    change = read_history().periods[-1].change
    assert change is not None
    assert (change.by, change.reason) == ("local", "a try")
    app = press(app, "Roll back to two")
    assert "State a reason" in app.error[0].value
    next(one for one in app.text_input if one.key == "roll_back_reason").set_value("it was worse")
    press(app, "Roll back to two")
    assert current_bundle() == "two"


def test_a_better_one_needs_a_reason_and_no_name(store: JobStore, open_app: OpenApp) -> None:
    trained(store, "three", worse=False)
    app = open_page(open_app)
    app = press(app, "Promote three")
    assert "State a reason" in app.error[0].value
    app.text_input[0].set_value("better")
    press(app, "Promote three")
    assert current_bundle() == "three"


def test_only_folders_below_the_allowed_ones_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    (allowed / "films").mkdir(parents=True)
    outside.mkdir()
    (allowed / "out").symlink_to(outside)
    monkeypatch.setenv(FOLDERS_VARIABLE, f"{allowed}{os.pathsep}{tmp_path / 'absent'}")
    assert offered_folders() == [str(allowed), str(allowed / "films")]
    assert trainable_folder(str(allowed / "films")) == allowed / "films"
    for named in (outside, allowed / "out", allowed / "films/../../outside", tmp_path / "absent", "/"):
        with pytest.raises(FolderError):
            trainable_folder(str(named))
    (allowed / "films/film.png").symlink_to(outside / "secret.png")
    with pytest.raises(FolderError, match=r"leads out of what may be read here: film\.png"):
        trainable_folder(str(allowed / "films"))


def test_a_job_outlives_whoever_began_it(store: JobStore, tmp_path: Path) -> None:
    begin = (
        "import sys; from app.jobs.retraining import launch, job_store; store = job_store(); "
        "job = store.add('inspection', {}, by='Ada'); "
        "launch(store, store.set_steps(job, [['inspect', sys.argv[1], '--out', sys.argv[1]]]))"
    )
    subprocess.run([sys.executable, "-c", begin, str(tmp_path / "absent")], check=True, timeout=60)
    job = ended(store)
    assert job.state == FAILED
    assert "absent" in job.message


def look_at_archive(open_app: OpenApp, files: Mapping[str, bytes]) -> AppTest:
    """What the page shows when a ZIP archive of these files was uploaded and is looked at."""
    stream = io.BytesIO()
    with ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return press(upload(open_page(open_app), ("films.zip", stream.getvalue())), "Look at this archive")


def test_an_uploaded_archive_is_looked_at_and_goes_with_the_next(
    store: JobStore, open_app: OpenApp, make_film: MakeFilm
) -> None:
    names = [f"{label}/person{number}_1.png" for number in range(4) for label in ("NORMAL", "PNEUMONIA")]
    look_at_archive(open_app, {f"hospital/{name}": make_film(place) for place, name in enumerate(names)})
    first = ended(store)
    assert (first.state, first.message) == (DONE, "")
    app = open_page(open_app)
    assert list(app.table[0].value.iloc[0])[:2] == ["NORMAL", "4"]
    app = look_at_archive(open_app, {"../NORMAL/1.png": b""})
    assert "points out of it" in app.error[0].value
    assert not (first.folder / "films").exists()
    assert not list(store.folder.glob("*/.films*"))


def test_an_archive_for_which_the_disk_has_no_room_is_refused_with_a_sentence(
    store: JobStore, open_app: OpenApp, make_film: MakeFilm
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    films = {f"{label}/{number}.png": os.urandom(400_000) for number in range(2) for label in ("NORMAL", "PNEUMONIA")}
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        app = look_at_archive(open_app, films)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "does not fit on the disk of the server" in app.error[0].value
    assert not list(store.folder.glob("*/*films*"))
