"""The app from its start to its first page, its memory, and eight threads that share one model.

    python -m benchmarks.serving --json serving.json

The shipped bundle, and synthetic films of 512 pixels as JPEG, 16-bit PNG and DICOM, whatever `--data` names. The app is
started as users start it and judges 200 films that a headless Chromium uploads (where there is none, its memory is not
measured). Eight threads then read and judge 200 files of each format, each file on its own as a page or a program would ask;
an answer is mixed up where another file's lone answer is nearer to it than its own. About a minute on two cores.
"""

import argparse
import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.films import mixed_folder
from benchmarks.measuring import ROOT, memory_mb, run_benchmark
from models.bundle import load_bundle
from models.command_line.screening import judge_files
from models.films.radiograph import read_radiograph
from models.films.refusal import Refusal
from models.prediction import Prediction
from models.predictor import Predictor

THREADS: Final = 8
UPLOADS: Final = 200
SIDE: Final = 512
_START_SECONDS: Final = 120
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE: Final = 300_000  # milliseconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("serving", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Start and memory of the app; throughput, waiting and mix-ups of threads."""
    files = sorted(mixed_folder(20 if options.quick else 200, SIDE).iterdir())
    predictor = Predictor(load_bundle())  # converts the backbone where that was never done, before any clock runs
    with console.status("The app …"):
        result = starts(2 if options.quick else 5)
        result |= memory(_uploads())
    with console.status(f"{THREADS} threads on one model …"):
        result |= threads(predictor, files)
    console.print(result)
    return result


def _uploads() -> list[Path]:
    return sorted(mixed_folder(-(-UPLOADS // 3), SIDE).iterdir())[:UPLOADS]


def starts(times: int) -> dict[str, Any]:
    """Seconds from the start of the process until its page and its health answer 200, the median of some starts."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        with running_app():
            seconds.append(time.perf_counter() - started)
    return {"serve_cold_start_s": statistics.median(seconds), "serve_first_start_s": seconds[0]}


@contextlib.contextmanager
def running_app(environment: Mapping[str, str] | None = None) -> Iterator[tuple[str, int]]:
    """`python -m app` on a free port, from when it answers: its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app", "--port", str(port)]
    variables = {**os.environ, **(environment or {})}
    process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for page in ("/_stcore/health", "/"):
            _await(address + page, process)
        yield address, process.pid
    finally:
        process.terminate()
        process.wait(30)


def _await(address: str, process: subprocess.Popen[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # 127.0.0.1 is never behind a proxy
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(address, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.02)
    raise RuntimeError(f"The app did not answer at {address}.")


def chromium_path() -> str | None:
    """Where Chromium is; None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def memory(uploads: Sequence[Path]) -> dict[str, Any]:
    """What is resident in the app before and after a visitor has had so many films judged, and when the page had its title."""
    browser = chromium_path()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        browser = None
    if browser is None:
        return {"serve_rss_mb": None, "serve_rss_reason": "no Chromium, or no Playwright, to upload films with"}
    started = time.perf_counter()
    with running_app() as (address, process), sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        opening = time.perf_counter()
        answered = opening - started
        page = chromium.new_page()
        page.set_default_timeout(_PATIENCE)
        page.goto(address)
        page.get_by_role("heading", name="Screen chest radiographs").wait_for()
        drawn = time.perf_counter() - opening
        page.get_by_text("Model ready").wait_for()
        ready = memory_mb(process)
        page.locator("input[type=file]").set_input_files([str(path) for path in uploads])
        page.get_by_text(f"to 6 of {len(uploads)}", exact=False).wait_for()
        found = {
            "serve_rss_mb": memory_mb(process),
            "serve_peak_mb": memory_mb(process, "VmHWM"),
            "serve_rss_ready_mb": ready,
            "page_drawn_s": drawn,
            "app_and_browser_start_s": answered,
            "uploads": len(uploads),
        }
        chromium.close()
    return found


def threads(predictor: Predictor, files: Sequence[Path]) -> dict[str, Any]:
    """Eight threads against the batch rate of the same files and against a lone caller."""

    def ask(file: Path) -> tuple[float, Prediction | Refusal]:
        started = time.perf_counter()
        outcome = predictor.predict([read_radiograph(file)], heatmaps=True)[0]
        return time.perf_counter() - started, outcome

    # Warm: each size of batch is laid out once.
    list(judge_files(predictor, files[:32], heatmaps=True))
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, files[:100]))
    started = time.perf_counter()
    list(judge_files(predictor, files, heatmaps=True))
    batch_rate = len(files) / (time.perf_counter() - started)
    alone = [ask(file) for file in files]
    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        together = list(pool.map(ask, files))
    rate = len(files) / (time.perf_counter() - started)
    lone_median = statistics.median(seconds for seconds, _ in alone)
    p95 = float(np.quantile([seconds for seconds, _ in together], 0.95))
    mixed = mixed_answers([outcome for _, outcome in alone], [outcome for _, outcome in together])
    return {
        "files": len(files),
        "threads": THREADS,
        "batch_files_per_second": batch_rate,
        "threads_files_per_second": rate,
        "serve_throughput_share": rate / batch_rate,
        "lone_median_ms": 1000 * lone_median,
        "threads_p95_ms": 1000 * p95,
        "serve_p95_ratio": p95 / lone_median,
        "serve_mixed_answers": mixed,
        "refused": sum(isinstance(outcome, Refusal) for _, outcome in alone),
    }


def mixed_answers(alone: Sequence[Prediction | Refusal], together: Sequence[Prediction | Refusal]) -> int:
    """How many answers lie nearer to another file's lone answer than to their own, or are of another kind."""
    own = np.stack([_as_numbers(outcome) for outcome in alone])
    found = np.stack([_as_numbers(outcome) for outcome in together])
    nearest = np.array([np.abs(own - one).sum(axis=1).argmin() for one in found])
    same = (own[nearest] == own).all(axis=1)  # refusals are all alike
    return int((~same).sum())


def _as_numbers(outcome: Prediction | Refusal) -> NDArray[np.float64]:
    """A film's heatmap and probabilities: no two films share them."""
    if isinstance(outcome, Refusal) or outcome.heatmap is None:
        return np.full(_MAP_PLACES, -1.0)
    numbers = np.concatenate([np.asarray(outcome.probabilities), outcome.heatmap.ravel()])
    return np.resize(numbers, _MAP_PLACES)


_MAP_PLACES: Final = 256


if __name__ == "__main__":
    sys.exit(main())
