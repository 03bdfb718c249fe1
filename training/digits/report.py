"""What a training on digits leaves: a table, `digits.json` and a plot."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from rich.console import Console
from rich.table import Table

from models.system.files import write_atomically
from models.system.progress import progress_bar
from training.digits.mnist import Pictures
from training.digits.train_digits import DigitTraining, Epoch, train_digits
from training.plots.canvas import COLOURS, DASHES, DOTS_PER_INCH, WIDTH, add_legend, save_png, style_axes

Run = tuple[DigitTraining, list[Epoch]]


def train_and_report(
    pictures: Pictures, trainings: Sequence[DigitTraining], folder: Path, console: Console, *, judged_by: str
) -> list[Run]:
    """Train one network after the other; after each, what is known so far is written anew."""
    runs: list[Run] = []
    for training in trainings:
        with progress_bar(console, f"Epochs, {training.loop}, seed {training.seed}") as advance:
            _, curve = train_digits(pictures, training, progress=advance)
        runs.append((training, curve))
        write_atomically(folder / "digits.json", json.dumps(as_json(runs, judged_by), indent=2) + "\n")
        _plot(runs, folder / "digits.png", judged_by=judged_by)
        console.print(_table(training, curve, judged_by))
    last = [curve[-1].test_accuracy for _, curve in runs]
    console.print(f"{judged_by.capitalize()} accuracy at the last epoch, median of {len(last)}: {median(last):.2%}")
    console.print(f"Written: {folder / 'digits.json'}, {folder / 'digits.png'}", markup=False, soft_wrap=True)
    return runs


def as_json(runs: Sequence[Run], judged_by: str) -> list[dict[str, Any]]:
    """Every run's configuration and its epochs."""
    return [
        {**asdict(training), "judged_by": judged_by, "curve": [epoch._asdict() for epoch in curve]}
        for training, curve in runs
    ]


def _table(training: DigitTraining, curve: Sequence[Epoch], judged_by: str) -> Table:
    columns = ("epoch", "training loss", "training accuracy", f"{judged_by} loss", f"{judged_by} accuracy")
    table = Table(*columns, title=f"{training.loop}, seed {training.seed}")
    for number, epoch in enumerate(curve, start=1):
        table.add_row(
            str(number),
            f"{epoch.train_loss:.4f}",
            f"{epoch.train_accuracy:.2%}",
            f"{epoch.test_loss:.4f}",
            f"{epoch.test_accuracy:.2%}",
        )
    return table


def _plot(runs: Sequence[Run], path: Path, *, judged_by: str) -> None:
    """Loss and error by epoch, one colour per run."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(WIDTH, 5.6), dpi=DOTS_PER_INCH, layout=layout)
    above, below = figure.subplots(2, 1, sharex=True)
    for index, (training, run) in enumerate(runs):
        colour, epochs = COLOURS[index % len(COLOURS)], np.arange(1, len(run) + 1)
        name = f"{training.loop}, seed {training.seed}"
        for axes, train, test in (
            (above, [epoch.train_loss for epoch in run], [epoch.test_loss for epoch in run]),
            (
                below,
                [100 - 100 * epoch.train_accuracy for epoch in run],
                [100 - 100 * epoch.test_accuracy for epoch in run],
            ),
        ):
            axes.plot(epochs, train, color=colour, linewidth=1.2, linestyle=DASHES[2])
            axes.plot(epochs, test, "o-", color=colour, linewidth=1.8, markersize=3.5, label=name)
    style_axes(above, title=f"Solid {judged_by}, dotted training", y="Loss")
    style_axes(below, x="Epoch", y="Error, %")
    for axes in (above, below):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    below.xaxis.set_major_locator(MaxNLocator(integer=True))
    add_legend(above, loc="best", ncols=2)
    save_png(figure, path)
