"""Start a job, watch it, stop it, let it go on; knows nothing of Streamlit.

A job is `python -m training job`, a process of its own in a session of its own: it outlives tab and app. What it has found
is read from its folder.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Any, Final

from app.jobs.folders import trainable_folder
from models.bundle import Bundle, BundleError, load_bundle
from models.jobs.lock import JobError
from models.jobs.store import FAILED, LOG_FILE, PROGRESS_FILE, Job, JobStore
from models.system.archive import ArchiveError, unpack
from models.system.files import cache_folder, disk_sentence

JOBS_VARIABLE: Final = "PNEUMOLENS_JOBS"
"""Environment variable: the folder that jobs are kept in; unset, one in `$PNEUMOLENS_CACHE`."""

INSPECTION, TRAINING = "inspection", "training"
LOCKED_SHARE: Final = 0.2
BACKBONES: Final = ("efficientnet_lite0", "resnet50", "auto")

_ROOT: Final = Path(__file__).parents[2]
_TAIL: Final = 16_384  # bytes of a log or of a record of progress: the end is what is looked at
_FILMS: Final = "films"


@dataclass(frozen=True)
class Plan:
    """What is asked for, with usual values.

    Attributes:
        folder: of the films; it was allowed.
        name: of the bundle.
        backbone: a row of the table of backbones, or "auto".
        field: "lungs", or "film" for pictures that are no frontal chest films.
        views: augmented views of each film.
        search: try some ten heads, in place of the usual one.
        merge: put patients together who share a film, in place of refusing the folder.
        seed: of views, folds and fitting.
        population: whom the films show.
    """

    folder: str
    name: str
    backbone: str = BACKBONES[0]
    field: str = "lungs"
    views: int = 2
    search: bool = True
    merge: bool = False
    seed: int = 2015
    population: str = "not stated"


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        stage: what it does.
        share: of this stage, in [0, 1]; None where that is not known.
        seconds_left: of this stage, by its speed so far; None where that is not known.
    """

    stage: str
    share: float | None
    seconds_left: float | None


def job_store() -> JobStore:
    """The jobs of this server; raises JobError where their folder cannot be written."""
    named = os.environ.get(JOBS_VARIABLE)
    return JobStore(Path(named) if named else cache_folder() / "jobs")


def inspect_folder(store: JobStore, folder: str, *, by: str) -> Job:
    """Begin to look at a folder of the server; raises FolderError where it must not be read."""
    return _begin_inspection(store, store.add(INSPECTION, {"folder": str(trainable_folder(folder))}, by=by))


def inspect_archive(store: JobStore, archive: IO[bytes], *, by: str) -> Job:
    """Begin to look at what a ZIP archive holds; raises ArchiveError where it is refused, JobError where the disk is."""
    job = store.add(INSPECTION, {}, by=by)
    for older in job.folder.parent.glob(f"*/{_FILMS}"):  # uploads stay no longer than until the next one
        shutil.rmtree(older, ignore_errors=True)
    try:
        unpack(archive, job.folder / _FILMS)
    except ArchiveError as error:
        store.finish(job, FAILED, error.sentence)
        raise
    except OSError as error:
        store.finish(job, FAILED, disk_sentence(error))
        raise JobError(disk_sentence(error)) from error
    return _begin_inspection(store, store.set_settings(job, {"folder": str(job.folder / _FILMS), "uploaded": True}))


def train(store: JobStore, plan: Plan, *, by: str) -> Job:
    """Begin to train a bundle, and then to compare it with the current one on the locked patients."""
    job = store.add(TRAINING, asdict(plan), by=by)
    common = ["--lock", str(LOCKED_SHARE), "--progress-file", str(job.folder / PROGRESS_FILE)]
    training = ["train", plan.folder, "--name", plan.name, "--backbone", plan.backbone, "--field", plan.field]
    training += ["--views", str(plan.views), "--seed", str(plan.seed), f"--population={plan.population}"]
    training += ["--runs", str(job.folder / "run"), *(["--regroup"] if plan.merge else [])]
    training += [] if plan.search else ["--no-search"]
    comparing = ["compare", plan.name, plan.folder, "--out", str(job.folder)]
    return launch(store, store.set_steps(job, [[*training, *common], [*comparing, *common]]))


def launch(store: JobStore, job: Job) -> Job:
    """Give a job its process."""
    store.wait(job)
    command = [sys.executable, "-m", "training", "job", str(store.folder), str(job.id)]
    try:
        with (job.folder / LOG_FILE).open("ab") as log:
            process = subprocess.Popen(
                command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
    except OSError as error:
        store.finish(job, FAILED, disk_sentence(error))
        return store.get(job.id)
    store.set_waiting_pid(job, process.pid)
    Thread(target=process.wait, name="job", daemon=True).start()  # so that nothing of it stays when it has ended
    return store.get(job.id)


def go_on(store: JobStore, job: Job) -> Job:
    """Begin a job anew that has ended before its time: what it has embedded is in the cache."""
    # A bundle of its name can only be its own: it was refused where there had been one before.
    steps = [[*step, "--overwrite"] if step[0] == "train" else list(step) for step in job.steps]
    return launch(store, store.set_steps(job, steps))


def progress(job: Job) -> Progress | None:
    """How far a job is; None before its first step."""
    lines = _tail(job.folder / PROGRESS_FILE).splitlines()
    for line in reversed(lines):
        try:
            told = json.loads(line)
            done, total, seconds = told["done"], told["total"], float(told["seconds"])
            share = min(1.0, done / total) if done is not None and total else None
            left = seconds * (1 - share) / share if share else None
            return Progress(str(told["stage"]), share, left)
        except (ValueError, TypeError, KeyError):  # cut off, or being written
            continue
    return None


def log_tail(job: Job) -> str:
    """The end of what a job has printed."""
    return _tail(job.folder / LOG_FILE)


def found(job: Job, file: str) -> Any:
    """What a job has written into a file of JSON; None where it has not."""
    try:
        return json.loads((job.folder / file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def picture(job: Job, file: str) -> bytes | None:
    """A picture that a job has drawn; None where it has not."""
    try:
        return (job.folder / file).read_bytes()
    except OSError:
        return None


def trained_bundle(job: Job) -> Bundle | None:
    """The bundle that a job has made, verified; None where there is none, or another run has replaced it."""
    try:
        bundle = load_bundle(job.settings["name"])
    except (BundleError, OSError, KeyError):
        return None
    compared = found(job, "comparison.json")
    return bundle if compared and compared["later"]["sha256"] == bundle.sha256 else None


def _begin_inspection(store: JobStore, job: Job) -> Job:
    step = ["inspect", job.settings["folder"], "--out", str(job.folder), "--lock", str(LOCKED_SHARE)]
    return launch(store, store.set_steps(job, [[*step, "--progress-file", str(job.folder / PROGRESS_FILE)]]))


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
