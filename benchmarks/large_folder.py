"""A folder of 100,000 films, or a million: what it costs, and what a hundred more cost.

    python -m benchmarks.large_folder --json benchmarks/results/large_folder.json          a quarter of an hour, 15 GB of disk
    python -m benchmarks.large_folder --films 1000000 --views 0 --json million.json        an hour, 40 GB of disk
    python -m benchmarks.large_folder --films 1000000 --no-embedding --json million.json   half of that, 5 GB of disk
    python -m benchmarks.large_folder --quick                                              2,000 films

The pictures are tiny and noise, and a stand-in that copies pixels takes the backbone's place: what is measured is all else that
`python -m training train` does with a folder before it fits a head. It is listed, read and hashed, searched for leaks, viewed,
embedded, looked up and divided into folds, each time in a process of its own: empty-handed, again, and with a hundred films more.
What it costs to fit heads on so many: `python -m benchmarks.head_fit`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import ROOT, memory_mb, write_measured
from models.backbones.table import get_backbone
from models.backbones.weights import find_weights
from models.engines.engine import Features
from models.system.progress import progress_bar
from training.config import RunConfig
from training.data.folder import read_folder
from training.data.folds import grouped_folds
from training.embedding.cache import EmbeddingCache
from training.embedding.embed_folder import embed_folder, plain_embedder
from training.leaks.find import find_leaks

MORE: Final = 100
_SIDE: Final = 32
_ROWS: Final = 10_000
_PASSES: Final = (("first", 0), ("again", 0), ("with 100 more", MORE))


class StandIn:
    """In place of an engine: a film's first pixels, as numbers that only it has, at next to no cost."""

    name: Final = "openvino"
    precision: Final = "stand-in"
    films_at_once: Final = 2

    def __init__(self) -> None:
        self.backbone = get_backbone("efficientnet_lite0")
        self.weights = find_weights(self.backbone)

    def run(self, pixels: NDArray[np.float32]) -> Features:
        size = self.backbone.embedding_size
        rows = pixels.reshape(len(pixels), -1)[:, : 2 * size]
        return Features(np.zeros((len(pixels), 1, 1, 1), np.float32), rows.reshape(-1, 2, size))

    def release(self) -> None:
        """There is nothing to give back."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the numbers."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large_folder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--films", type=int, default=100_000, metavar="N")
    parser.add_argument("--views", type=int, default=2, metavar="N", help="augmented views (default: %(default)s)")
    parser.add_argument(
        "--no-embedding", action="store_true", help="only what comes before: reading, and the search for leaks"
    )
    parser.add_argument("--quick", action="store_true", help="2,000 films")
    parser.add_argument("--work", type=Path, metavar="DIR", help="for films and cache (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--pass", dest="one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.quick:
        options.films = 2000
    if options.one:
        print(json.dumps(_pass(options)))  # noqa: T201
        return 0
    console, before = Console(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="large-folder-") as scratch:
        options.work = options.work or Path(scratch)
        found = measure(options, console)
    console.print(_table(found))
    if options.json:
        write_measured(options.json, found, load_before=before)
    return 0


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Each pass by name: seconds of its steps, processor time and peak memory."""
    found: dict[str, Any] = {"films": options.films, "views": options.views, "passes": {}}
    for name, more in _PASSES:
        write_films(options.work / "films", options.films + more, console)
        with console.status(f"{options.films + more:,} films, {name} …"):
            found["passes"][name] = _apart(options)
    found["cache_gb"] = sum(file.stat().st_size for file in (options.work / "cache").rglob("*") if file.is_file()) / 1e9
    return found


def write_films(folder: Path, count: int, console: Console) -> None:
    """So many pictures of noise in two classes, each of a patient of its own; those that are there stay."""
    for label in ("NORMAL", "PNEUMONIA"):
        (folder / label).mkdir(parents=True, exist_ok=True)

    def write(number: int) -> None:
        path = folder / ("NORMAL", "PNEUMONIA")[number % 2] / f"{number:07}.png"
        if not path.exists():
            noise = np.random.default_rng(number).integers(0, 256, (_SIDE, _SIDE), np.uint8)
            path.write_bytes(cv2.imencode(".png", noise, (cv2.IMWRITE_PNG_COMPRESSION, 1))[1].tobytes())

    with progress_bar(console, "Writing films") as advance, ThreadPoolExecutor() as pool:
        for start in range(0, count, _ROWS):
            stop = min(start + _ROWS, count)
            list(pool.map(write, range(start, stop)))
            advance(stop, count)


def _apart(options: argparse.Namespace) -> Any:
    """A pass in a process of its own, whose peak memory is then its own."""
    numbers = [f"--{name}={getattr(options, name)}" for name in ("films", "views", "work")]
    flags = ["--pass", *(["--no-embedding"] if options.no_embedding else [])]
    command = [sys.executable, "-m", "benchmarks.large_folder", *flags, *numbers]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def _pass(options: argparse.Namespace) -> dict[str, float]:
    """What `train` does with a folder until a head can be fitted."""
    config = RunConfig(
        options.work / "films", "large", options.work / "cache", views=options.views, search=options.views > 0,
        runs=options.work / "runs", patient_regex=r"(\d+)",
    )  # fmt: skip
    console, engine, steps = Console(stderr=True), StandIn(), _Steps()
    cache = EmbeddingCache.of(engine, config.cache)
    manifest = read_folder(config, console)
    steps.end("listing, reading, hashing")
    find_leaks(manifest, plain_embedder(manifest.root, engine, cache, console), seed=config.seed)
    steps.end("leaks")
    if options.no_embedding:
        return steps.all()
    embedded = embed_folder(config, manifest, engine, cache, console)
    steps.end("embedding")
    grouped_folds(embedded.truth, embedded.patients, seed=config.seed)
    steps.end("dividing")
    return steps.all(embeddings_mb=embedded.embeddings.nbytes / 1e6)


class _Steps:
    """Seconds by step, and what the process took in all."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def end(self, name: str) -> None:
        now = time.perf_counter()
        self._seconds[name], self._last = round(now - self._last, 2), now

    def all(self, **others: float) -> dict[str, float]:
        processor = sum(os.times()[:2])
        return {**self._seconds, "seconds": round(sum(self._seconds.values()), 2), "processor_seconds": round(processor, 2),
                "peak_mb": round(memory_mb(os.getpid(), "VmHWM")), **others}  # fmt: skip


def _table(found: dict[str, Any]) -> Table:
    rows = {**{f"{found['films']:,} films, {name}": one for name, one in found["passes"].items()}}
    table = Table("what", "steps, seconds", "seconds", "of the processor", "MB at the peak")
    total = ("seconds", "processor_seconds", "peak_mb")
    for name, one in rows.items():
        steps = ", ".join(
            f"{step} {value:,.1f}" for step, value in one.items() if step not in (*total, "embeddings_mb")
        )
        table.add_row(name, steps, *(f"{one[key]:,.0f}" for key in total))
    return table


if __name__ == "__main__":
    sys.exit(main())
