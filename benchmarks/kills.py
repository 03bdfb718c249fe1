"""A training on the page, ended by kill -9 at random moments: the app, the job, or both.

    python -m benchmarks.kills --json kills.json

Thirty times the app starts a training, and something is killed. Then it is looked at: does the bundle that served before still
answer, from memory or in an app that is started anew; does the job go on, or say why it did not and go on when it is asked to;
is every bundle that is there whole? Half an hour on two cores.
"""

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import requests
from rich.console import Console

from app.jobs.retraining import JOBS_VARIABLE, Plan, go_on, job_store, train
from benchmarks.films import picture
from benchmarks.measuring import ROOT, run_benchmark
from benchmarks.promotions import NAMES, write_bundles
from data_samples.writing import write_sample
from models.bundle import BUNDLES_VARIABLE, BundleError, current_bundle, list_bundles, load_bundle
from models.jobs.store import DONE, KILLED, Job
from models.system.progress import progress_bar

TIMES: Final = 30
PATIENTS: Final = 10  # of each class
KILLED_OF: Final = ("app", "job", "both")
_PATIENCE: Final = 600  # seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("kills", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Kill at random moments and count what was left as it should be."""
    times, dice = 3 if options.quick else TIMES, random.Random(2015)  # noqa: S311
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, progress_bar(console, "Kills") as advance:
        root = Path(folder)
        os.environ |= {BUNDLES_VARIABLE: f"{root}/bundles", JOBS_VARIABLE: f"{root}/jobs"}
        (root / "bundles").mkdir()
        write_bundles(root / "bundles")
        write_films(root / "films")
        seconds = whole_training(root)
        for number in range(times):
            seen.update(one_kill(root, number, KILLED_OF[number % 3], dice.uniform(0, seconds)))
            advance(number + 1, times)
    return {"kills": times, "training_s": seconds, **dict(seen)}


def write_films(root: Path) -> None:
    """A film of each of some patients."""
    for number in range(PATIENTS):
        for label, name, shown in (
            ("NORMAL", f"IM-{number:04}-0001.jpeg", 4 * number),
            ("PNEUMONIA", f"person{number}_virus_1.jpeg", 4 * number + 3),
        ):
            (root / label).mkdir(parents=True, exist_ok=True)
            write_sample(root / label / name, picture(shown))


def whole_training(root: Path) -> float:
    """Seconds that a training takes which nobody ends, with the start of its process."""
    started = time.monotonic()
    end_of(start(root, "whole"))
    return time.monotonic() - started


def start(root: Path, name: str) -> Job:
    """Start a training as the page does."""
    seed = int.from_bytes(name.encode()[-3:], "big")  # other views each time, so that there is something to embed
    plan = Plan(f"{root}/films", name, views=1, search=False, seed=seed)
    return train(job_store(), plan, by="a measurement")


def one_kill(root: Path, number: int, what: str, after: float) -> dict[str, int]:
    """Start the app and a training in it, kill after so many seconds, and see what is left."""
    served = load_bundle().sha256
    with app(root, f"bundle{number}") as (address, process):
        healthy(address)
        store = job_store()
        job = store.latest()
        if job is None:
            raise RuntimeError("The app has started no job.")
        time.sleep(after)
        job = store.get(job.id)
        if what in ("job", "both") and job.pid and job.is_open:
            kill(job.pid)
        if what in ("app", "both"):
            kill(process.pid)
        else:
            intact = healthy(address) == served
    if what in ("app", "both"):
        with app(root, None) as (address, _process):
            intact = healthy(address) == served
    return {
        "served_intact": intact,
        **what_became_of(job),
        "no_half_bundle": whole_bundles() and current_bundle() == NAMES[0],
    }


def what_became_of(job: Job) -> dict[str, int]:
    """Whether it has ended by itself, or has said why it broke off and goes on when it is asked to."""
    store = job_store()
    time.sleep(0.5)
    now = store.latest() or job
    if now.state == KILLED and now.message:
        return {"said_why": 1, "went_on_when_asked": end_of(go_on(store, now)) == DONE}
    return {"went_on_by_itself": end_of(now) == DONE}


def end_of(job: Job) -> str:
    """The state in which a job ends."""
    store, deadline = job_store(), time.monotonic() + _PATIENCE
    while (now := store.latest() or job).is_open:
        if time.monotonic() > deadline:
            raise RuntimeError(f"The job {job.id} does not end.")
        time.sleep(0.2)
    return now.state


def whole_bundles() -> bool:
    """Whether each bundle that is listed can be loaded."""
    try:
        return all(load_bundle(name) for name in list_bundles())
    except (BundleError, OSError):
        return False


def kill(pid: int) -> None:
    """End a process so that it cannot do anything about it."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it was quicker


@contextmanager
def app(root: Path, name: str | None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The app in a process of its own; with a name, one that has just started a training of a bundle of this name."""
    port = free_port()
    code = "import sys; from app.__main__ import main; sys.exit(main(sys.argv[1:]))"
    if name:
        code = f"from pathlib import Path; from benchmarks.kills import start; start(Path({str(root)!r}), {name!r}); {code}"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait(30)


def free_port() -> int:
    """A port that nobody listens on."""

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def healthy(address: str) -> str:
    """The digest of the bundle that answers, once it does."""
    deadline = time.monotonic() + _PATIENCE
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() < deadline:
            try:
                return str(session.get(f"{address}/api/v1/health", timeout=60).json()["bundle"]["sha256"])
            except (requests.RequestException, KeyError, ValueError):
                time.sleep(0.2)
    raise RuntimeError(f"The app does not answer at {address}.")


if __name__ == "__main__":
    sys.exit(main())
