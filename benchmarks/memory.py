"""Whether the app's memory grows: 2,000 predictions by its API, and a batch of 1,000 films by its page.

    python -m benchmarks.memory --json benchmarks/results/memory.json

Synthetic films of 512 pixels as JPEG, 16-bit PNG and DICOM, whatever `--data` names. Each of the two has an app of its own, with
an audit log, started as users start it. Resident memory is read after 200 films and after all; of the predictions after each 200,
of the batch, which a headless Chromium begins, after each 100. About ten minutes on two cores.
"""

import argparse
import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import requests
from rich.console import Console

from app.audit.log import AUDIT_VARIABLE
from app.audit.verify import verify_log
from app.batch.job import find_jobs
from app.batch.places import SPOOL_VARIABLE
from app.server_folders import FOLDERS_VARIABLE
from benchmarks.films import mixed_folder
from benchmarks.measuring import memory_mb, run_benchmark
from benchmarks.serving import BROWSERS, running_app

SIDE: Final = 512
WARM: Final = 200
TOGETHER: Final = 8  # files of a request
_PATIENCE: Final = 120_000  # milliseconds
_POLL_SECONDS: Final = 0.2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("memory", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Resident MB at each step, and the growth from the first to the last."""
    predictions, films = (400, 300) if options.quick else (2000, 1000)
    folder = mixed_folder(-(-films // 3), SIDE)
    with console.status(f"{predictions} predictions …"):
        result = api_memory(sorted(folder.iterdir()), predictions)
    with console.status(f"A batch of {films} films …"):
        result |= batch_memory(folder)
    console.print(result)
    return result


@contextmanager
def _app(films: Path) -> Iterator[tuple[str, int, Path]]:
    """An app that keeps what it keeps in a folder of its own: its address, its process, and that folder."""
    with tempfile.TemporaryDirectory() as name:
        places = {
            AUDIT_VARIABLE: f"{name}/audit.jsonl",
            SPOOL_VARIABLE: f"{name}/batches",
            FOLDERS_VARIABLE: str(films),
        }
        with running_app(places) as (address, process):
            yield address, process, Path(name)


def api_memory(films: Sequence[Path], predictions: int) -> dict[str, Any]:
    """Films through the API, some at a time, after a warm-up."""
    coming, resident = itertools.cycle(films), []
    with _app(films[0].parent) as (address, process, kept), requests.Session() as session:
        session.trust_env = False  # 127.0.0.1 is reached through no proxy
        for done in range(TOGETHER, WARM + predictions + 1, TOGETHER):
            form = [("files", (path.name, path.read_bytes())) for path in itertools.islice(coming, TOGETHER)]
            session.post(f"{address}/api/v1/predict", files=form, timeout=120).raise_for_status()
            if done % WARM == 0:
                resident.append(memory_mb(process))
        audit = verify_log(kept / "audit.jsonl")
    return {
        "api_predictions": predictions,
        "api_rss_mb": resident,
        "api_growth_percent": 100 * (resident[-1] / resident[0] - 1),
        "api_audit_lines": audit.lines,
        "api_audit_faults": len(audit.faults),
    }


def batch_memory(films: Path) -> dict[str, Any]:
    """A folder as a batch of the page, whose tab is closed as soon as it has begun."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return {"batch_rss_mb": None, "batch_rss_reason": "no Chromium to begin a batch with"}
    with _app(films) as (address, process, kept):
        _begin_batch(browser, address)
        [job] = find_jobs(kept / "batches")
        resident, started = {}, time.monotonic()
        while job.status().state in ("waiting", "running"):
            done, _ = job.counts()
            resident.setdefault(done // 100 * 100, memory_mb(process))
            time.sleep(_POLL_SECONDS)
        done, total = job.counts()
        seconds, last = time.monotonic() - started, memory_mb(process)
        audit = verify_log(kept / "audit.jsonl")
    return {
        "batch_films": total,
        "batch_judged": done,
        "batch_seconds": seconds,
        "batch_rss_mb": {**resident, done: last},
        "batch_growth_percent": 100 * (last / resident[WARM] - 1),
        "batch_audit_lines": audit.lines,
        "batch_audit_faults": len(audit.faults),
    }


def _begin_batch(browser: str, address: str) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page()
        page.set_default_timeout(_PATIENCE)
        page.goto(f"{address}/batch")
        page.get_by_role("tab", name="A folder on the server").click()
        page.get_by_role("button", name="Judge this folder").click()
        page.get_by_role("button", name="Cancel").wait_for()
        chromium.close()


if __name__ == "__main__":
    sys.exit(main())
