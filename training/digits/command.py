"""The command `python -m training digits`."""

import argparse
from pathlib import Path
from typing import Final

from rich.console import Console

from models.system.progress import progress_bar
from models.system.quiet import import_keras_quietly
from training.digits.mnist import Pictures, read_mnist

_DIGITS: Final = """\
Train the small residual network on MNIST, as an exercise in seeing whether everything learns as it should.

    python -m training digits --data mnist.npz
    python -m training digits --data mnist.npz --loop custom fit --seeds 1     the same curve twice
    python -m training digits --data mnist.npz --augment                       small augmentation, falling rate

Adam, batches of 32, 10 epochs: about ten minutes of processor time a seed. The last epoch is what counts. The test part decides
nothing: to try something out, take --hold-out 10000, which judges by the last 10,000 training digits."""


def add_digits(parser: argparse.ArgumentParser) -> None:
    """The options of `digits`."""
    parser.description = _DIGITS
    parser.set_defaults(command=_digits)
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="mnist.npz; without it, Keras fetches the digits into its cache"
    )
    parser.add_argument(
        "--loop",
        nargs="+",
        choices=("custom", "fit"),
        default=["custom"],
        help="a loop of our own, Keras' fit, or both: they give the same curve (default: custom)",
    )
    parser.add_argument(
        "--augment", action="store_true", help="small augmentation, and a rate that falls along a half cosine"
    )
    parser.add_argument("--epochs", type=int, default=10, metavar="N", help="passes (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="N", help="of Adam (default: %(default)s)")
    parser.add_argument(
        "--seeds", type=int, default=3, metavar="N", help="runs, with seeds from 0 (default: %(default)s)"
    )
    parser.add_argument(
        "--hold-out", type=int, default=0, metavar="N", help="judge by the last N training digits instead"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/digits"),
        metavar="DIR",
        help="digits.json and digits.png are written there (default: %(default)s)",
    )


def _digits(options: argparse.Namespace) -> int:
    console = Console()
    with console.status("Loading TensorFlow …"):
        import_keras_quietly()
        from training.digits.report import train_and_report
        from training.digits.train_digits import DigitTraining, hold_out
    pictures = _read(options.data, console)
    if options.hold_out:
        pictures = hold_out(pictures, options.hold_out)
    trainings = [
        DigitTraining(options.epochs, options.batch_size, options.learning_rate, options.augment, loop, seed)
        for seed in range(options.seeds)
        for loop in options.loop
    ]
    judged_by = "held-out" if options.hold_out else "test"
    train_and_report(pictures, trainings, options.out, console, judged_by=judged_by)
    return 0


def _read(path: Path | None, console: Console) -> Pictures:
    if path is not None:
        return read_mnist(path)
    with progress_bar(console, "Fetching the digits") as advance:
        return read_mnist(progress=advance)
