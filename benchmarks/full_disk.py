"""Trainings and promotions on a disk that fills up at random moments.

    sudo .venv/bin/python -m benchmarks.full_disk --json full_disk.json

Twenty times a disk in memory (tmpfs, which takes root) has room for a random part of what a training writes: embeddings, what
the run shows, the bundle. Each must end with one sentence, nothing half-written, and every bundle that was there as it was;
and with more room, the same training must end well. Then the disk is filled, and a bundle is promoted on it. A quarter of an
hour on two cores.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks.kills import write_films
from benchmarks.measuring import ROOT, run_benchmark
from benchmarks.promotions import NAMES, write_bundles
from models.bundle import BUNDLES_VARIABLE, BundleError, current_bundle, list_bundles, load_bundle
from models.system.progress import progress_bar

TIMES: Final = 20
_PLENTY: Final = 64 << 20
_BLOCK: Final = 1 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("full_disk", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Fill up disks and count what ended as it should."""
    times, dice = 3 if options.quick else TIMES, random.Random(2015)  # noqa: S311
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, progress_bar(console, "Full disks") as advance:
        films, disk = Path(folder) / "films", Path(folder) / "disk"
        write_films(films)
        os.environ[BUNDLES_VARIABLE] = str(disk / "bundles")
        with with_bundles(disk, _PLENTY):
            before = _used(disk)
            status, said = train(films, disk)
            needed = _used(disk) - before
        if status:
            raise RuntimeError(f"The training fails with room for everything: {said}")
        for number in range(times):
            with with_bundles(disk, before + int(dice.uniform(0.0, 0.98) * needed)):
                seen.update(one_training(films, disk))
                seen.update(one_promotion(disk))
            advance(number + 1, times)
    return {"times": times, "needed_mb": needed / 1e6, **dict(seen)}


@contextmanager
def mounted(disk: Path, size: int) -> Iterator[None]:
    """A disk with so many bytes."""
    disk.mkdir(exist_ok=True)
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["/bin/umount", str(disk)], check=True)


@contextmanager
def with_bundles(disk: Path, size: int) -> Iterator[None]:
    """A disk with so many bytes, two bundles on it, the first of them the current one."""
    with mounted(disk, size):
        (disk / "bundles").mkdir()
        write_bundles(disk / "bundles")
        yield


def train(films: Path, disk: Path) -> tuple[int, str]:
    """The exit status of a training, and what it said to who watches errors."""
    command = ["training", "train", str(films), "--name", "mine", "--backbone", "efficientnet_lite0", "--views", "1"]
    command += ["--no-search", "--lock", "0.2", "--runs", str(disk / "runs"), "--cache", str(disk / "cache")]
    return _run([*command, "--progress-file", str(disk / "progress.jsonl")])


def one_training(films: Path, disk: Path) -> dict[str, int]:
    """Train where there is not enough room."""
    status, said = train(films, disk)
    names = sorted(path.name for path in (disk / "bundles").iterdir())
    half = [path for path in disk.rglob(".*") if not path.name.startswith(".nfs")]
    return {
        "trainings_refused": status == 2,
        "trainings_said_in_a_sentence": _is_sentence(said) and "full" in said,
        "trainings_without_half_files": not half and names == sorted([*NAMES, "CURRENT"]) and _all_whole(),
    }


def one_promotion(disk: Path) -> dict[str, int]:
    """Promote where there is no room at all."""
    with (disk / "filling").open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(_BLOCK))
            except OSError:
                break
    status, said = _run(["models", "promote", NAMES[1], "--reason", "a measurement"])
    history = disk / "bundles" / "history.jsonl"
    unchanged = current_bundle() == NAMES[0] and (not history.exists() or not history.read_bytes()) and _all_whole()
    return {"promotions_said_in_a_sentence": bool(status) and _is_sentence(said), "promotions_left_nothing": unchanged}


def _run(command: Sequence[str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr


def _is_sentence(said: str) -> bool:
    lines = said.strip().splitlines()
    if "Traceback" in said or len(lines) != 1 or not lines[0].startswith("error"):
        print(said)  # noqa: T201, for whoever has to mend it
        return False
    return True


def _all_whole() -> bool:
    try:
        return all(load_bundle(name) for name in list_bundles())
    except (BundleError, OSError):
        return False


def _used(disk: Path) -> int:
    return shutil.disk_usage(disk).used


if __name__ == "__main__":
    sys.exit(main())
