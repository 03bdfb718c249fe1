"""Jobs outlive whoever began them, and what became of them is known however they ended."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.jobs.lock import BusyError, held_lock
from models.jobs.store import DONE, FAILED, KILLED, RUNNING, STOPPED, WAITING, Job, JobError, JobStore

RUN = """
import os, sys, time
from pathlib import Path
from models.jobs.store import RUNNING, JobStore
store = JobStore(Path(sys.argv[1]))
job = store.get(int(sys.argv[2]))
with store.locked():
    store.begin(job, os.getpid())
    time.sleep(60)
"""


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs")


@contextmanager
def running(store: JobStore, job: Job) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs a job, and has said so."""
    process = subprocess.Popen([sys.executable, "-c", RUN, str(store.folder), str(job.id)])
    try:
        wait_until(lambda: store.get(job.id).state == RUNNING)
        yield process
    finally:
        process.kill()
        process.wait(10)


def wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_is_found_again_as_it_was_left(store: JobStore) -> None:
    job = store.add("training", {"name": "mine"}, by="Ada")
    store.set_steps(job, [["train", "films"]])
    found = JobStore(store.folder).latest()
    assert found is not None
    assert (found.kind, found.settings, found.by, found.state) == ("training", {"name": "mine"}, "Ada", WAITING)
    assert found.steps == (("train", "films"),)
    assert found.folder.is_dir()
    store.finish(job, FAILED, "It was too much.")
    assert [one and one.message for one in (store.latest("training"), store.latest("inspection"))] == [
        "It was too much.",
        None,
    ]


def test_two_never_run_at_once(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.jobs.lock._WAIT_SECONDS", 0.1)
    with running(store, store.add("training", {}, by="Ada")):
        assert store.is_busy
        with pytest.raises(BusyError, match="Another job is running"), store.locked():
            pytest.fail("the lock was given twice")
    assert not store.is_busy


def test_a_second_job_is_not_even_added(store: JobStore) -> None:
    first = store.add("training", {}, by="Ada")
    with pytest.raises(BusyError):
        store.add("training", {}, by="Bob")
    store.stop(first)
    second = store.add("training", {}, by="Bob")
    assert store.get(first.id).state == STOPPED
    with pytest.raises(BusyError):
        store.wait(first)
    store.wait(second)


def test_who_looks_at_the_lock_keeps_nobody_out(store: JobStore) -> None:
    job = store.add("training", {}, by="Ada")
    with multiprocessing.get_context("spawn").Pool(1) as looking:
        looked = looking.apply_async(look_often, (str(store.folder),))
        for _ in range(50):
            with held_lock(store.folder / "lock"):
                store.set_waiting_pid(job, 1)
        assert looked.get(30)


def look_often(folder: str) -> bool:
    store = JobStore(Path(folder))
    for _ in range(100):
        store.is_busy  # noqa: B018
    return True


def test_a_job_that_was_killed_is_told_so_and_only_then(store: JobStore) -> None:
    job = store.add("training", {}, by="Ada")
    with running(store, job) as process:
        found = store.latest()
        assert found is not None
        assert found.is_open
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        found = store.latest()
    assert found is not None
    assert found.state == KILLED
    assert "ended from outside" in found.message
    assert found.ended


def test_a_job_whose_process_went_before_it_began_is_told_so(store: JobStore) -> None:
    job = store.add("training", {}, by="Ada")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(10)
    store.set_waiting_pid(job, gone.pid)
    found = store.latest()
    assert found is not None
    assert found.state == KILLED


def test_only_the_process_that_holds_the_lock_is_stopped(store: JobStore) -> None:
    job = store.add("training", {}, by="Ada")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        store.begin(job, bystander.pid)  # its number was given to another process
        store.stop(store.get(job.id), at_once=True)
        time.sleep(0.1)
        assert bystander.poll() is None
        bystander.kill()
    store.finish(job, DONE)
    other = store.add("training", {}, by="Ada")
    with running(store, other) as process:
        store.stop(store.get(other.id))
        assert process.wait(10) == -signal.SIGTERM


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(JobError, match="cannot be written"):
        JobStore(tmp_path / "jobs")


def test_a_damaged_file_is_told(store: JobStore) -> None:
    (store.folder / "jobs.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(JobError, match="cannot be read or written"):
        JobStore(store.folder)
