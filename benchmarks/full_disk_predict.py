"""Predictions, the audit log and batches on a disk that fills up at random moments.

    sudo .venv/bin/python -m benchmarks.full_disk_predict --json benchmarks/results/full_disk_predict.json

Twenty times each, a disk in memory (tmpfs, which takes root) has room for a random part of what is written: `python -m models
predict` with its table and heatmaps; an audit log that several threads add to; a batch. Each must end with a sentence and nothing
half-written; every line of the log that was taken must be there; and with more room, log and batch must go on. Some three minutes
on two cores.
"""

import argparse
import csv
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from PIL import Image
from rich.console import Console

from app.audit.log import AuditError, AuditLog
from app.audit.verify import verify_log
from app.batch.intake import job_of_folder
from app.batch.job import Job
from app.batch.runner import BatchRunner
from app.samples import FOLDER, sample_names
from app.server_folders import FOLDERS_VARIABLE
from benchmarks.full_disk import mounted
from benchmarks.measuring import ROOT, run_benchmark
from models.predictor import Predictor
from models.system.progress import progress_bar

TIMES: Final = 20
LINES: Final = 120
_PLENTY: Final = 64 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("full_disk_predict", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Fill up disks and count what ended as it should."""
    times, dice = 2 if options.quick else TIMES, random.Random(2015)  # noqa: S311
    loaded: Future[Predictor] = Future()
    loaded.set_result(Predictor.load())
    runner = BatchRunner(lambda: loaded)
    os.environ[FOLDERS_VARIABLE] = str(FOLDER)
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, progress_bar(console, "Full disks") as advance:
        disk = Path(folder)
        for number in range(times):
            with mounted(disk, int(dice.uniform(0.02, 0.95) * (5 << 20))):
                seen.update(one_prediction(disk))
            with mounted(disk, dice.randrange(2, 18) << 12):
                seen.update(one_log(disk))
            with mounted(disk, int(dice.uniform(0.03, 0.75) * (1 << 20))):
                seen.update(one_batch(runner, disk))
            advance(number + 1, times)
    runner.end()
    result = {"times": times, **dict(seen)}
    console.print(result)
    return result


def enlarge(disk: Path) -> None:
    """Give the disk room for everything."""
    subprocess.run(["/bin/mount", "-o", f"remount,size={_PLENTY}", str(disk)], check=True)


def one_prediction(disk: Path) -> dict[str, int]:
    """Predict to a table and heatmaps where there may not be enough room."""
    command = ["-m", "models", "predict", *(str(FOLDER / name) for name in sample_names())]
    command += ["--csv", str(disk / "results.csv"), "--heatmaps", str(disk / "heatmaps")]
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1:]
    return {
        "predictions_out_of_room": done.returncode == 2,
        "predictions_with_room": done.returncode == 0,
        "predictions_without_traceback": "Traceback" not in done.stdout + done.stderr,
        "predictions_said_in_a_sentence": done.returncode == 0 or bool(last and last[0].startswith("error: ")),
        "predictions_without_half_files": all(map(_is_whole, (path for path in disk.rglob("*") if path.is_file()))),
    }


def _is_whole(path: Path) -> bool:
    if path.name.startswith("."):
        return False
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return len(list(csv.DictReader(file))) == len(sample_names())
    try:
        Image.open(path).load()
    except OSError:
        return False
    return True


def one_log(disk: Path) -> dict[str, int]:
    """Add lines by several threads where there is not room for all, then again with room."""
    log = AuditLog(disk / "audit.jsonl")

    def add(number: int) -> bool:
        try:
            log.append([{"picture": f"{number:064}", "user": "somebody"}])
        except AuditError as error:
            return error.code != "audit_unwritable" and _not_foreseen(error)
        return True

    with ThreadPoolExecutor(4) as pool:
        taken = sum(pool.map(add, range(LINES)))
    kept = verify_log(log.path) if log.path.exists() and log.path.stat().st_size else None
    lines, faults = (kept.lines, kept.faults) if kept else (0, ())
    enlarge(disk)
    log.append([{"picture": "a" * 64}])
    after = verify_log(log.path)
    return {
        "logs_out_of_room": taken < LINES,
        "logs_without_lost_line": lines == taken and not faults,
        "logs_that_go_on": after.lines == taken + 1 and not after.faults,
        "log_lines_taken": taken,
        "log_lines_lost": taken - lines,
    }


def _not_foreseen(error: AuditError) -> bool:
    raise RuntimeError("A full disk must be told as such.") from error


def one_batch(runner: BatchRunner, disk: Path) -> dict[str, int]:
    """Judge a batch where there may not be room for its results, then go on with room."""
    spool = disk / "batches"
    try:
        spool.mkdir()
        job = job_of_folder(spool, "local", FOLDER.resolve(), "")
    except (OSError, sqlite3.Error):
        return {"batches_not_begun": 1, "batches_without_half_files": not list(spool.glob("*"))}
    status = _run(runner, job)
    done, total = job.counts()
    enlarge(disk)
    again = _run(runner, job)
    return {
        "batches_out_of_room": done < total,
        "batches_said_in_a_sentence": status.state == "done" or status.code == "spool_unwritable",
        "batches_that_go_on": again.state == "done" and job.counts() == (total, total),
    }


def _run(runner: BatchRunner, job: Job) -> Any:
    runner.submit(job)
    while runner.pending(job):
        time.sleep(0.02)
    return job.status()


if __name__ == "__main__":
    sys.exit(main())
