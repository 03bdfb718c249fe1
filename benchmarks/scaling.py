"""Cost against the size of the folder: does time grow in proportion, and does memory stay?

    python -m benchmarks.scaling --json scaling.json

Trains on 1,000, 2,000 and 5,000 films with EfficientNet-Lite0, each plain, with nothing kept from before but the converted
backbone, and judges the same folders with the shipped bundle. About 6 minutes on two cores; draws
docs/scaling.png. `--quick` takes a tenth of the films and draws nothing.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.films import film_folder
from benchmarks.measuring import run_benchmark, run_measured
from benchmarks.training_speed import Trainer
from models.__main__ import OK, SOME_REFUSED

SIZES: Final = (1000, 2000, 5000)
PLOT: Final = Path("docs/scaling.png")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and draw."""
    return run_benchmark("scaling", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Seconds and peak megabytes for each size, and what a film adds to each."""
    sizes = tuple(size // 10 for size in SIZES) if options.quick else SIZES
    rows = []
    for size in sizes:
        folder = film_folder(size)
        with Trainer(folder, None, console, backbone="efficientnet_lite0") as trainer:
            trained = trainer.train(f"{size:,} films", views=0)
        judged = judge(folder)
        rows.append(
            {
                "films": size,
                "train_seconds": trained.seconds,
                "train_peak_mb": trained.peak_mb,
                "predict_seconds": judged.seconds,
                "predict_peak_mb": judged.peak_mb,
            }
        )
    table = Table("films", "training", "at its peak", "predict", "at its peak")
    for row in rows:
        values = (f"{row[key]:,.{digits}f} {unit}" for key, digits, unit in _COLUMNS)
        table.add_row(f"{row['films']:,}", *values)
    console.print(table)
    if not options.quick:
        draw(rows, PLOT)
    return {"sizes": rows, **{f"{key}_per_film": _slope(rows, key) for key, _, _ in _COLUMNS}}


_COLUMNS: Final = (
    ("train_seconds", 1, "s"),
    ("train_peak_mb", 0, "MB"),
    ("predict_seconds", 1, "s"),
    ("predict_peak_mb", 0, "MB"),
)


def judge(folder: Path) -> Any:
    """`python -m models predict` on a folder, as a process."""
    with tempfile.TemporaryDirectory() as scratch:
        command = ["models", "predict", str(folder), "--csv", str(Path(scratch) / "out.csv")]
        return run_measured(command, accepted=(OK, SOME_REFUSED))  # the gate may refuse synthetic films


def _slope(rows: Sequence[dict[str, Any]], key: str) -> float:
    return float(np.polyfit([row["films"] for row in rows], [row[key] for row in rows], 1)[0])


def draw(rows: Sequence[dict[str, Any]], target: Path) -> None:
    """Time and memory against the number of films, from zero, so that proportion can be seen."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    films = [row["films"] for row in rows]
    for axes, unit, keys in zip(
        figure.subplots(1, 2),
        ("seconds", "MB at the peak"),
        (("train_seconds", "predict_seconds"), ("train_peak_mb", "predict_peak_mb")),
        strict=True,
    ):
        for key, name, marker in zip(keys, ("train", "predict"), "os", strict=True):
            axes.plot(films, [row[key] for row in rows], marker=marker, label=name)
        axes.set(xlabel="films", ylabel=unit, xlim=(0, None), ylim=(0, None))
        axes.legend()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
