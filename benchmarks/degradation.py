"""Does depth hurt where there are no shortcuts? Figures 1, 4, 6 and 7 of He et al. 2015 (doi:10.1109/CVPR.2016.90), small.

    python -m benchmarks.degradation --data mnist=mnist.npz --data fashion --out runs/degradation
    python -m benchmarks.degradation --data films=chest_xray/train --full-size --seeds 1 --out runs/films
    python -m benchmarks.degradation --data fashion --quick --json degradation.json     that it runs, and no result
    python -m benchmarks.degradation --data fashion --out runs/longer --depths 20 56 110 --steps 4000 --full-size

Trains the paper's CIFAR networks and their plain twins with its recipe (SGD, momentum 0.9, weight decay 1e-4, batches of 128,
rate 0.1 divided by 10 after half and three quarters of the steps), without augmentation, so that the training error is that of
one fixed set of pictures: so few that 400 steps are fifty epochs. Over the first quarter of the steps the rate rises from 0, as
the paper needs for its 110 layers; so few steps as these need it for 56. Pictures are halved to 14×14 (films: 32×32) unless
told otherwise, a quarter of the time; those still larger than 32×32 are halved by the first convolution. At depths 20 and 56, two
data sets and three seeds take 23 minutes of processor time, the films at all depths three quarters of an hour for one seed. Each
finished run is a file in the output folder and is not made again; the table, `summary.json` and the figures are of all runs in
it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.pictures import halve, read_fashion_mnist, read_films
from models.system.files import write_atomically
from models.system.progress import progress_bar
from models.system.quiet import import_keras_quietly
from training.digits.mnist import Pictures, read_mnist

KINDS: Final = {"plain": "none", "residual": "padding"}
DATA: Final[dict[str, Callable[[Path | None], Pictures]]] = {
    "mnist": read_mnist,
    "fashion": lambda path: read_fashion_mnist(*([path] if path else [])),
    "films": lambda path: read_films(path or Path("chest_xray/train")),
}


@dataclass(frozen=True)
class Setting:
    """One run: everything that shapes its numbers."""

    data: str
    kind: str
    depth: int
    seed: int
    steps: int
    pictures: int
    full_size: bool

    @property
    def file(self) -> str:
        size = "full" if self.full_size else "half"
        return f"{self.data}-{size}-{self.pictures}-{self.steps}-{self.kind}{self.depth}-{self.seed}.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the runs that are missing, then show all."""
    options = build_parser().parse_args(arguments)
    if options.quick:
        options.steps, options.seeds, options.depths, options.out = 24, 1, [8, 14], options.out / "quick"
    console = Console()
    import_keras_quietly()
    from benchmarks.degradation_run import Trainer

    paths = {name: Path(path) if path else None for name, _, path in (one.partition("=") for one in options.data)}
    trainer = Trainer()
    settings = [
        Setting(data, kind, depth, seed, options.steps, options.pictures, options.full_size)
        for seed in range(options.seeds)
        for data in paths
        for depth in options.depths
        for kind in KINDS
    ]
    loaded: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]] = {}
    for setting in settings:
        file = options.out / setting.file
        if file.exists():
            continue
        if setting.data not in loaded:
            loaded[setting.data] = training_part(DATA[setting.data](paths[setting.data]), options)
        started = time.monotonic()
        with progress_bar(console, f"{setting.data} {setting.kind}-{setting.depth}, seed {setting.seed}") as advance:
            found = trainer.run(*loaded[setting.data], setting, shortcut=KINDS[setting.kind], progress=advance)
        seconds = round(time.monotonic() - started)
        write_atomically(file, json.dumps({**asdict(setting), **found, "seconds": seconds}) + "\n")
    rows = show(options.out, console)
    if options.json:
        write_atomically(options.json, json.dumps(rows, indent=2) + "\n")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.degradation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        type=_data,
        metavar="NAME[=PATH]",
        help=f"{', '.join(DATA)}, with the place of its files; may be repeated",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/degradation"),
        metavar="DIR",
        help="of the runs and the figures (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there, too")
    parser.add_argument("--quick", action="store_true", help="24 steps at depths 8 and 14, one seed: it shows nothing")
    parser.add_argument("--depths", type=int, nargs="+", default=[20, 32, 56], metavar="N", help="6n + 2 each")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each network (default: 3)")
    parser.add_argument("--steps", type=int, default=400, metavar="N", help="batches of 128 (default: 400)")
    parser.add_argument("--pictures", type=int, default=1000, metavar="N", help="of the training part (default: 1000)")
    parser.add_argument("--full-size", action="store_true", help="do not halve the pictures")
    return parser


def _data(text: str) -> str:
    if text.partition("=")[0] not in DATA:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(DATA)}, then =PATH. Received: {text!r}")
    return text


def training_part(pictures: Pictures, options: argparse.Namespace) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The same pictures for every run, `(n, h, w, 1)` with mean 0 and deviation 1, and their labels."""
    chosen = np.random.default_rng(2015).permutation(len(pictures.train))[: options.pictures]
    pixels = pictures.train[chosen]
    scaled = pixels.astype(np.float32) if options.full_size else halve(pixels)
    return (scaled - scaled.mean()) / scaled.std(), pictures.train_labels[chosen]


def show(folder: Path, console: Console) -> list[dict[str, Any]]:
    """Print the table of all runs in a folder, and write their summary and figures into it; the table's rows."""
    from benchmarks.degradation_plots import draw

    runs = [json.loads(path.read_text()) for path in sorted(folder.glob("*-*.json"))]
    table = Table("data", "network", "seeds", "training error, median (each seed)", "loss, median")
    rows: list[dict[str, Any]] = []
    for data, kind, depth in sorted({(run["data"], run["kind"], run["depth"]) for run in runs}):
        own = [run for run in runs if (run["data"], run["kind"], run["depth"]) == (data, kind, depth)]
        errors, losses = [run["training_error"] for run in own], [run["training_loss"] for run in own]
        rows.append({"data": data, "kind": kind, "depth": depth, "training_error": errors, "training_loss": losses})
        each = ", ".join(f"{100 * error:.2f}" for error in errors)
        table.add_row(
            data,
            f"{kind}-{depth}",
            str(len(own)),
            f"{100 * np.median(errors):.2f} % ({each})",
            f"{np.median(losses):.4f}",
        )
    console.print(table)
    write_atomically(folder / "summary.json", json.dumps(rows, indent=2) + "\n")
    draw(runs, folder)
    return rows


if __name__ == "__main__":
    sys.exit(main())
