"""How long a training takes, from the start of the process to its end, against the reference recipe.

    python -m benchmarks.training_speed --json training_speed.json

ResNet-50 with random weights (made here, nothing is downloaded). First with nothing kept from before, each film plain and in
one augmented view, the conversion of the backbone included; then again with another head; then with 2 and 4 views. About 20
minutes for 5,216 films on two cores. `--quick` leaves the further views out and takes half as long: fewer films would mislead, as
what is done for the first thousand alone costs as much again. `--precision int8` trains with a quantised backbone; quantising it
is part of the first run.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.films import film_folder, random_resnet50
from benchmarks.measuring import FILMS, Measured, run_benchmark, run_measured
from models.bundle import BUNDLES_VARIABLE
from models.system.files import CACHE_VARIABLE, cache_folder
from models.system.quiet import import_keras_quietly

OTHER_HEAD: Final = ("--width", "64", "--dropout", "0.2", "--l2", "0.002")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the recipe's sample and ours, print the table."""
    return run_benchmark("training_speed", __doc__, measure, arguments, with_precision=True)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """The ratios, and the seconds and megabytes that they are made of."""
    import_keras_quietly()
    weights = random_resnet50()  # before any clock runs
    result = recipe(options, console)
    folder = options.data or film_folder(FILMS)
    with Trainer(folder, weights, console, precision=options.precision) as trainer:
        result |= first_and_second(trainer)
        if not options.quick:
            result |= more_views(trainer, result["cold_seconds"] - result["warm_seconds"], result["warm_seconds"])
    result |= {
        "train_cold_ratio": result["recipe_seconds"] / result["cold_seconds"],
        "train_warm_ratio": result["recipe_seconds"] / result["warm_seconds"],
    }
    _show(console, result)
    return result


def recipe(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """What `benchmarks.recipe` finds, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, console.status("The recipe, a sample of its steps …"):
        target = Path(folder) / "recipe.json"
        arguments = ["--json", str(target)]
        arguments += ["--quick"] if options.quick else []
        arguments += ["--data", str(options.data.absolute())] if options.data else []
        measured = run_measured(["benchmarks.recipe", *arguments])
        found = json.loads(target.read_text(encoding="utf-8"))
    kept = ("recipe_seconds", "recipe_films_per_second", "seconds_a_training_step", "seconds_a_validation_step")
    return {"recipe_sample": found["sample"], **{key: found[key] for key in kept}, "recipe_peak_mb": measured.peak_mb}


def first_and_second(trainer: "Trainer") -> dict[str, Any]:
    """A first run on all films, and a second with another head."""
    cold = trainer.train("first run", views=1)
    warm = trainer.train("second run, another head", *OTHER_HEAD, views=1)
    return {
        "films_measured": "all of the folder",
        "cold_seconds": cold.seconds,
        "warm_seconds": warm.seconds,
        "train_rss_mb": cold.peak_mb,
        "warm_rss_mb": warm.peak_mb,
    }


def more_views(trainer: "Trainer", embedding: float, warm_seconds: float) -> dict[str, Any]:
    """More views, and the search; `embedding` is what a first run takes in seconds longer than a second."""
    more: dict[str, Any] = {}
    for views in (2, 4):
        # The views that are there already are not made again, so their cost is added: a first run less what every run costs.
        run = trainer.train(f"{views} views, those of before kept", views=views)
        again = trainer.train(f"{views} views, all kept", *OTHER_HEAD, views=views)
        embedding += run.seconds - again.seconds
        more[f"cold_seconds_{views}_views"] = embedding + again.seconds
        more[f"warm_seconds_{views}_views"] = again.seconds
    searched = trainer.train("head search on, all kept", views=1, search=True)
    return {**more, "search_seconds": searched.seconds - warm_seconds}


class Trainer:
    """Runs `python -m training train` on one folder, with a cache of its own that is empty at first."""

    def __init__(
        self,
        folder: Path,
        weights: Path | None,
        console: Console,
        *,
        backbone: str = "resnet50",
        precision: str = "float",
    ) -> None:
        self._folder = folder
        self._backbone = ["--backbone", backbone, "--precision", precision]
        self._backbone += ["--weights", str(weights)] if weights else []
        self._console = console
        cache_folder().mkdir(parents=True, exist_ok=True)
        self._scratch = Path(tempfile.mkdtemp(dir=cache_folder(), prefix="benchmark-"))
        self.bundles = self._scratch / "bundles"
        self.name = "benchmark"
        self.places = {CACHE_VARIABLE: str(self._scratch / "cache"), BUNDLES_VARIABLE: str(self.bundles)}

    def __enter__(self) -> "Trainer":
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._scratch)

    def train(self, what: str, *arguments: str, views: int, search: bool = False) -> Measured:
        """One run, from the start of its process to its end."""
        command = ["training", "train", str(self._folder.absolute()), "--name", self.name, "--overwrite", "--regroup"]
        command += [*self._backbone, "--views", str(views), "--runs", str(self._scratch / "runs"), *arguments]
        command += [] if search else ["--no-search"]
        with self._console.status(f"Training: {what} …"):
            measured = run_measured(command, environment=self.places)
        self._console.print(f"{what}: {measured.seconds:.1f} s, {measured.peak_mb:,.0f} MB at its peak")
        return measured


def _show(console: Console, result: dict[str, Any]) -> None:
    table = Table("what", "minutes", "the recipe takes", title=f"Training on {FILMS:,} films, ResNet-50")
    rows = {
        "the recipe, 20 epochs": "recipe_seconds",
        "first run, 1 view": "cold_seconds",
        "first run, 2 views": "cold_seconds_2_views",
        "first run, 4 views": "cold_seconds_4_views",
        "second run, other head": "warm_seconds",
        "the search for a head": "search_seconds",
    }
    for name, key in rows.items():
        if key in result:
            table.add_row(name, f"{result[key] / 60:.2f}", f"{result['recipe_seconds'] / result[key]:.1f} ×")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
