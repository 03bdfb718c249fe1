"""Places for batches, and a thread that judges them with the shipped bundle."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from app.batch.job import Job, Status
from app.batch.places import SPOOL_VARIABLE, spool_folder
from app.batch.runner import BatchRunner
from app.server_folders import FOLDERS_VARIABLE
from models.predictor import Predictor

PATIENCE = 60  # seconds

Judge = Callable[..., Status]


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(SPOOL_VARIABLE, str(tmp_path / "batches"))
    return spool_folder()


@pytest.fixture
def server_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the server that may be judged."""
    folder = tmp_path / "server" / "films"
    folder.mkdir(parents=True)
    monkeypatch.setenv(FOLDERS_VARIABLE, str(folder))
    return folder.resolve()


@pytest.fixture
def judge(predictor: Predictor, spool: Path) -> Iterator[Judge]:
    """Judge a batch as a server does; `first` is done when the model is asked for."""
    runners = []

    def run(job: Job, *, first: Callable[[], object] = lambda: None) -> Status:
        def load() -> "Future[Predictor]":
            first()
            loaded: Future[Predictor] = Future()
            loaded.set_result(predictor)
            return loaded

        runner = BatchRunner(load)
        runners.append(runner)
        runner.submit(job)
        deadline = time.monotonic() + PATIENCE
        while runner.pending(job) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not runner.pending(job)
        return job.status()

    yield run
    for runner in runners:
        runner.end()
