"""What a training on digits leaves: a table, `digits.json` and a plot."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from models.files import write_atomically
from models.progress import progress_bar
from training.digits import DigitTraining, Epoch, train_digits
from training.mnist import Pictures
from training.plots import plot_training_and_test

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
        plot_training_and_test([curve for _, curve in runs], folder / "digits.png", judged_by=judged_by)
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
