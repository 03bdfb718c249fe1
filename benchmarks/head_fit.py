"""The heads of a cross-validation, fitted on a million simulated embeddings in half precision.

    python -m benchmarks.head_fit --json benchmarks/results/head_fit.json     some minutes on two cores, 5 GB of disk
    python -m benchmarks.head_fit --films 20000                               a try

As many numbers a film as the default recipe has (EfficientNet-Lite0), one view, five folds and the head that is kept: six heads,
by what `train` itself calls. The embeddings lie in a file, as those of a large folder do. Printed are seconds, and of the memory
what cannot be given back (anonymous pages, looked at 20 times a second), which the system holds to 3 GB (`RLIMIT_DATA`: where
more is asked for, the run fails); and beside it the most that was resident, with those pages of the file that the system keeps as
long as nobody else wants them.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.measuring import memory_mb, write_measured
from models.backbones.table import get_backbone
from models.head import HeadConfig
from models.system.mapped_array import mapped_array
from models.system.progress import progress_bar
from training.config import HeadTraining
from training.heads.fit import Part, fit_side_by_side, plain_logits
from training.heads.stack import Candidate
from training.metrics.weighted import auroc

MOST_MB: Final = 3000
_FOLDS: Final = 5
_ROWS: Final = 10_000
_SIGNAL: Final = 0.05
_POLL_SECONDS: Final = 0.05


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the numbers."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.head_fit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--width", type=int, default=0, metavar="N", help="hidden units (default: none, as the recipe)")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where the file lies (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    options = parser.parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MB * 1_000_000, resource.RLIM_INFINITY))
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="head-fit-", dir=options.work) as scratch:
        found = measure(options.films, options.width, Path(scratch), Console())
    Console().print_json(json.dumps(found))
    if options.json:
        write_measured(options.json, found, load_before=before)
    return 0


def measure(films: int, width: int, scratch: Path, console: Console) -> dict[str, Any]:
    """Simulate, fit, and judge each film by the head of the fold that holds it out."""
    truth = np.random.default_rng(0).integers(0, 2, films)
    embeddings = simulated(truth, scratch, console)
    every = np.arange(films)
    folds = [(every[every % _FOLDS != fold], every[every % _FOLDS == fold]) for fold in range(_FOLDS)]
    parts = [*(Part(*fold) for fold in folds), Part(every)]
    candidate = Candidate(HeadConfig(width), HeadTraining())
    started, processor = time.perf_counter(), time.process_time()
    with _peak_of_anonymous_mb() as peak, progress_bar(console, "Fitting the heads") as advance:
        rows = fit_side_by_side(embeddings, truth, parts, [candidate], classes=2, seed=0, progress=advance)
        seconds = time.perf_counter() - started
    scores = [
        float(auroc(np.ones((1, len(held_out))), truth[held_out], plain_logits(one.head, embeddings, held_out))[0])
        for (one,), (_, held_out) in zip(rows, folds, strict=False)
    ]
    return {
        "films": films, "numbers": embeddings.shape[-1], "width": width, "heads": len(parts), "epochs": rows[0][0].epochs,
        "seconds": round(seconds, 1), "processor_seconds": round(time.process_time() - processor, 1),
        "anonymous_mb": round(peak[0]), "resident_mb": round(memory_mb(os.getpid(), "VmHWM")),
        "file_mb": round(embeddings.nbytes / 1e6), "auroc": min(scores), "best_auroc": _best_auroc(embeddings.shape[-1]),
    }  # fmt: skip


def simulated(truth: NDArray[np.int64], folder: Path, console: Console) -> NDArray[Any]:
    """Noise about a mean that the class decides, `(films, 1, d)` float16, in a file; in the order of no class."""
    size = get_backbone("efficientnet_lite0").embedding_size
    dice, embeddings = np.random.default_rng(1), mapped_array(folder, (len(truth), 1, size), np.float16)
    signal = _signal(size)
    with progress_bar(console, "Simulating embeddings") as advance:
        for start in range(0, len(truth), _ROWS):
            part = truth[start : start + _ROWS]
            noise = dice.standard_normal((len(part), size), np.float32)
            embeddings[start : start + len(part), 0] = noise + np.outer(part, signal)
            advance(start + len(part), len(truth))
    return embeddings


def _signal(size: int) -> NDArray[np.float32]:
    return np.random.default_rng(2).normal(0, _SIGNAL, size).astype(np.float32)


def _best_auroc(size: int) -> float:
    """What no head could surpass: of two normal distributions as far apart as the signal is long."""
    from scipy.stats import norm

    return float(norm.cdf(np.linalg.norm(_signal(size)) / np.sqrt(2)))


@contextmanager
def _peak_of_anonymous_mb() -> Iterator[list[float]]:
    """The most anonymous memory while the block runs, in the list's one number."""
    peak, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_SECONDS):
            peak[0] = max(peak[0], memory_mb(os.getpid(), "RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


if __name__ == "__main__":
    sys.exit(main())
