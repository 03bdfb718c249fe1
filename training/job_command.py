"""The command `python -m training job`: what a page has asked for, done in a process that outlives the page."""

import argparse
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.backbones.weights import WeightsError
from models.bundle import BundleError, bundle_roots
from models.jobs.lock import BusyError, JobError
from models.jobs.store import DONE, FAILED, KILLED, STOPPED, Job, JobStore
from models.system.files import disk_sentence
from training.data.patients import DatasetError
from training.inspect_command import add_inspect
from training.judging_commands import add_compare
from training.train_command import add_train

_JOB: Final = """\
Do the steps of a job that another program has put into FOLDER, keep its state there, and keep every other job out as long as
this one runs. SIGTERM and Ctrl-C stop it; what was embedded so far is kept.

    python -m training job FOLDER NUMBER"""

_NICE: Final = 5  # whoever asks the app for an answer meanwhile comes first
_UNFORESEEN: Final = (
    "Something failed that nobody foresaw; the log says what. Try it again, and report what stands there."
)
_STEPS: Final = {"train": add_train, "inspect": add_inspect, "compare": add_compare}


def add_job(parser: argparse.ArgumentParser) -> None:
    """The options of `job`."""
    parser.description = _JOB
    parser.set_defaults(command=_job)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the folder of jobs")
    parser.add_argument("number", type=int, metavar="NUMBER", help="which of them")


def _job(options: argparse.Namespace) -> int:
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # a process begun in the background may have been told to ignore them
        signal.signal(number, signal.default_int_handler)
    os.nice(_NICE)
    store = JobStore(options.folder)
    job = store.get(options.number)
    try:
        with store.locked():
            return _run(store, job) if store.get(job.id).is_open else 1  # it may have been stopped before it began
    except BusyError as error:
        store.finish(job, FAILED, str(error))
        return 1


def _run(store: JobStore, job: Job) -> int:
    """Do the steps; the job's row says how it ended, however it ended."""
    store.begin(job, os.getpid())
    _remove_leftovers(job)
    state, message = KILLED, _UNFORESEEN
    try:
        state, message = _do(job.steps)
    finally:
        if message:
            print(message, flush=True)  # noqa: T201, into the log
        store.finish(job, state, message)
    return 0 if state == DONE else 1


def _do(steps: Sequence[Sequence[str]]) -> tuple[str, str]:
    """How it ended, and why."""
    parser = argparse.ArgumentParser(prog="python -m training")
    commands = parser.add_subparsers(required=True)
    for name, add in _STEPS.items():
        add(commands.add_parser(name))
    try:
        for step in steps:
            options = parser.parse_args(step)
            options.command(options)
    except OSError as error:
        return FAILED, disk_sentence(error)
    except (DatasetError, BundleError, WeightsError, JobError, ValueError) as error:
        return FAILED, str(error)
    except KeyboardInterrupt:
        return STOPPED, "It was stopped. What was embedded so far is kept."
    return DONE, ""


def _remove_leftovers(job: Job) -> None:
    """Take away what a run of the same bundle that was killed had begun to write: nobody else writes one of this name."""
    if name := job.settings.get("name"):
        for path in bundle_roots()[0].glob(f".{name}-*"):
            shutil.rmtree(path, ignore_errors=True)
