"""Fixtures that more than one room uses."""

import gc
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
START_SECONDS = 60
LONGEST = (
    "tests/models/test_export.py",
    "tests/browser/test_retrain.py",
    "tests/browser/test_screen.py",
    "tests/browser/test_batch.py",
    "tests/models/engines/test_engine.py",
    "tests/training/backbone/test_devices.py",
    "tests/training/backbone/test_from_scratch.py",
    "tests/training/test_train.py",
    "tests/training/test_lung_field.py",
    "tests/training/stress/test_stress.py",
    "tests/browser/test_lungs.py",
    "tests/training/backbone/test_fine_tune.py",
)
"""The files that take longest, a quarter of a minute and more; `--durations=0` tells."""


def pytest_configure(config: pytest.Config) -> None:
    """Two processes that share the suite keep to a core each: networks of two threads in both would wait for one another."""
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})
    gc.disable()  # until all is imported, nothing is garbage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first: of two processes, none then waits long for the other at the end."""
    places = {str(ROOT / name): place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(str(item.path), len(places)))


def pytest_collection_finish() -> None:
    """What was imported stays to the end: to look through it for garbage, among a million functions, takes a second each time.

    Streamlit asks for that after every run of a page where Keras is loaded, and Python itself while networks are converted.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000)


@dataclass(frozen=True)
class Server:
    """A running `python -m app`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


StartServer = Callable[..., AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> StartServer:
    """Start `python -m app` from some other folder on a free port; it is ended with the `with` block."""

    @contextmanager
    def start(*arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
        folder = tmp_path_factory.mktemp("server")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "app", "--port", str(port), *arguments]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)
        server = Server(f"http://127.0.0.1:{port}", process, log)
        try:
            _wait_for(server)
            yield server
        finally:
            process.terminate()
            process.wait(30)

    return start


@pytest.fixture(scope="session")
def random_resnet50(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keras' own ResNet-50 at one and the same random start, as a file; made ready for OpenVINO, it is found in the cache."""
    import keras

    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("resnet50") / "mine.weights.h5"
    keras.applications.ResNet50(include_top=False, weights=None, input_shape=(224, 224, 3)).save_weights(str(path))
    return path


@pytest.fixture(scope="session")
def server(start_server: StartServer) -> Iterator[Server]:
    """One server for all browser tests."""
    with start_server() as running:
        yield running


def _wait_for(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            with urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    pytest.fail(f"The server did not answer:\n{server.log.read_text()}")
