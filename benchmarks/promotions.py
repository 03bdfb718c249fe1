"""Bundles promoted, and rolled back, under a server that is asked all the time.

    python -m benchmarks.promotions --json promotions.json

Fifty times another bundle is made the current one by `python -m models`, in a process of its own, while four programs send
films. An answer has failed where its status is not 200; it is mixed where the digest is not of a bundle that is there, or a
probability is not, to the last digit but two, what that bundle alone says of that film. Eight minutes on two cores.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any, Final

import requests
from rich.console import Console

from app.api.answers import judge
from app.api.rate import RATE_VARIABLE
from app.samples import read_sample, sample_names
from benchmarks.measuring import memory_mb, run_benchmark, run_measured
from benchmarks.serving import running_app
from models.bundle import BUNDLES_VARIABLE, SPEC_FILE, load_bundle, save_bundle
from models.prediction import Prediction
from models.predictor import Predictor
from models.system.progress import progress_bar

CLIENTS: Final = 4
PROMOTIONS: Final = 50
NAMES: Final = ("first", "second")
TOLERANCE: Final = 1e-6
_PATIENCE: Final = 120  # seconds until a promotion must have taken effect

Truth = dict[str, dict[str, dict[str, float]]]
"""By digest of the bundle and name of the film: the probabilities of the labels."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("promotions", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Promote under load; count answers, failed ones and mixed ones, and see what memory it took."""
    times = 3 if options.quick else PROMOTIONS
    with tempfile.TemporaryDirectory() as folder:
        os.environ[BUNDLES_VARIABLE] = folder
        write_bundles(Path(folder))
        films = {name: read_sample(name) for name in sample_names()[:6]}
        truth = lone_answers(films)
        environment = {BUNDLES_VARIABLE: folder, RATE_VARIABLE: "1000000"}
        with running_app(environment) as (address, process), progress_bar(console, "Promotions") as advance:
            ask_health(address)
            before = memory_mb(process)
            with ThreadPoolExecutor(CLIENTS) as clients:
                over = Event()
                asking = [clients.submit(ask, address, films, truth, over) for _ in range(CLIENTS)]
                try:
                    waits = [promote(address, number, lambda done: advance(done, times)) for number in range(times)]
                finally:
                    over.set()
            counts = [sum(column) for column in zip(*(one.result() for one in asking), strict=True)]
            after = memory_mb(process)
    found = dict(zip(("answers", "failed", "mixed"), counts, strict=True))
    return {"promotions": times, "clients": CLIENTS, **found, "longest_wait_s": max(waits), "rss_mb": [before, after]}


def write_bundles(root: Path) -> None:
    """The shipped bundle under two names, the second with another calibration; the first is the current one."""
    shipped = load_bundle("default")
    for name, factor in zip(NAMES, (1.0, 0.5), strict=True):
        calibration = replace(shipped.spec.calibration, slope=factor * shipped.spec.calibration.slope)

        def write(folder: Path) -> None:
            for file in shipped.folder.iterdir():
                if file.name != SPEC_FILE:
                    shutil.copy(file, folder)

        save_bundle(replace(shipped.spec, name=name, calibration=calibration), write)
    (root / "CURRENT").write_text(f"{NAMES[0]}\n", encoding="utf-8")


def lone_answers(films: dict[str, bytes]) -> Truth:
    """What each bundle says of each film when nobody else asks."""
    truth: Truth = {}
    for name in NAMES:
        predictor = Predictor(load_bundle(name))
        outcomes = {film: judge(predictor, content).outcome for film, content in films.items()}
        truth[predictor.bundle.sha256] = {
            film: dict(zip(outcome.labels, outcome.probabilities, strict=True))
            for film, outcome in outcomes.items()
            if isinstance(outcome, Prediction)
        }
    return truth


def ask_health(address: str) -> str:
    """The name of the bundle that answers."""
    return str(_session().get(f"{address}/api/v1/health", timeout=60).json()["bundle"]["name"])


def ask(address: str, films: dict[str, bytes], truth: Truth, over: Event) -> tuple[int, int, int]:
    """Send films until it is over; answers, failed ones and mixed ones."""
    answers = failed = mixed = 0
    with _session() as session:
        while not over.is_set():
            form = [("files", (name, content)) for name, content in films.items()]
            response = session.post(f"{address}/api/v1/predict", files=form, timeout=120)
            answers += 1
            failed += response.status_code != 200
            mixed += response.status_code == 200 and not _is_of_one_bundle(response.json(), truth)
    return answers, failed, mixed


def _is_of_one_bundle(answer: dict[str, Any], truth: Truth) -> bool:
    expected = truth.get(answer["bundle"]["sha256"])
    if expected is None:
        return False
    for one in answer["files"]:
        found = one["prediction"]["probabilities"] if one["prediction"] else {}
        alone = expected.get(one["file"], {})
        if set(found) != set(alone) or any(abs(found[label] - alone[label]) > TOLERANCE for label in found):
            return False
    return True


def promote(address: str, number: int, advance: Any) -> float:
    """Make the other bundle the current one, every third time by a roll-back; seconds until the server answers with it."""
    name = NAMES[(number + 1) % 2]
    command = ["rollback"] if number % 3 == 2 else ["promote", name]
    run_measured(["models", *command, "--reason", "a measurement"])
    started = time.perf_counter()
    while ask_health(address) != name:
        if time.perf_counter() - started > _PATIENCE:
            raise RuntimeError(f"{name} was promoted {_PATIENCE} seconds ago, and does not answer yet.")
        time.sleep(0.1)
    advance(number + 1)
    return time.perf_counter() - started


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # 127.0.0.1 is reached through no proxy
    return session


if __name__ == "__main__":
    sys.exit(main())
