"""Make a bundle from a folder of radiographs, and judge it on another.

    python -m training train FOLDER --name mine
    python -m training evaluate mine OTHER_FOLDER --out report
    python -m training stress mine FOLDER
    python -m training weights resnet50 --to carry
    python -m training lungs FILMS MASKS
    python -m training download kaggle --to chest_xray
    python -m training import --csv labels.csv --images DIR --to FOLDER
    python -m training prune

FOLDER holds a folder per class (NORMAL/, PNEUMONIA/, or any names), or train/, val/ and test/ with these in them. Images of
one patient never stand on both sides of a split. Research and education only: never a diagnosis.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from models.backbones.table import BACKBONES, get_backbone
from models.backbones.weights import WeightsError, fetch_weights, keras_cache
from models.bundle import BundleError
from models.devices.device import DeviceError
from models.system.files import disk_sentence
from models.system.process import run_command
from models.system.progress import progress_bar
from models.system.sentence import CodedError
from training.data.patients import DatasetError
from training.digits.command import add_digits
from training.inspect_command import add_inspect
from training.intake.download_command import add_download
from training.intake.import_command import add_import
from training.job_command import add_job
from training.judging_commands import add_compare, add_evaluate, add_stress
from training.lungs.command import add_lungs
from training.prune_command import add_prune
from training.train_command import add_train

OK, NO_DEVICE, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

_STOPPED = "stopped; what was embedded so far is kept, and the next run goes on from there"

_WEIGHTS = """\
Fetch a backbone's published ImageNet weights and check their digest, for this machine or for one without a network.

    python -m training weights resnet50 --to carry
    python -m training train radiographs --name mine --backbone resnet50 --weights carry/FILE"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0; 1 where a device does not compute; 2 where the input must be changed first; 3 where a film was set aside for an error
    that nobody foresaw; 130 after Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (DatasetError, BundleError, WeightsError, ValueError, OSError) as error:
        code = f" [{error.code}]" if isinstance(error, DatasetError | CodedError) else ""
        print(f"error{code}: {disk_sentence(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        if isinstance(error, DatasetError) and error.candidates:
            print(
                _commands(options, sys.argv[1:] if arguments is None else arguments, error.candidates), file=sys.stderr
            )
        return WRONG_USAGE
    except DeviceError as error:
        print(f"error: {error}", file=sys.stderr)
        return NO_DEVICE
    except KeyboardInterrupt:
        print(getattr(options, "stopped", _STOPPED), file=sys.stderr)
        return INTERRUPTED


def _commands(options: argparse.Namespace, arguments: Sequence[str], candidates: Sequence[Path]) -> str:
    """The command that was given, once for each folder that may have been meant, to copy."""
    interpreter = Path(sys.executable)
    here = interpreter.relative_to(Path.cwd()) if interpreter.is_relative_to(Path.cwd()) else interpreter
    given = [str(here), "-m", "training"]
    lines = [
        shlex.join([*given, *(str(candidate) if Path(one) == options.data else one for one in arguments)])
        for candidate in candidates
    ]
    return "\n".join(["Copy the command that you mean:", *(f"  {line}" for line in lines)])


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary, add in (
        ("train", "make a bundle from a folder of radiographs", add_train),
        ("evaluate", "judge a bundle on a folder that it was not trained on", add_evaluate),
        ("stress", "try a bundle on corrupted films, and for shortcuts", add_stress),
        ("compare", "two bundles on patients that the first has never learnt from", add_compare),
        ("inspect", "look at a folder before training on it", add_inspect),
        ("job", "do what a page has asked for", add_job),
        ("weights", "fetch and check a backbone's ImageNet weights", _add_weights),
        ("download", "fetch a published data set, and check what came", add_download),
        ("import", "make a folder to train on of a published label file, or of any table", add_import),
        ("lungs", "fit the lung finder on films whose lungs people have drawn", add_lungs),
        ("digits", "train the small residual network on handwritten digits", add_digits),
        ("prune", "remove from the cache what was computed of films that are gone", add_prune),
    ):
        add(commands.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter))
    return parser


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.description = _WEIGHTS
    parser.set_defaults(command=_weights)
    parser.add_argument("backbone", choices=list(BACKBONES))
    parser.add_argument(
        "--to",
        type=Path,
        metavar="DIR",
        help="where to put the file (default: Keras' cache, where every command looks)",
    )


def _weights(options: argparse.Namespace) -> int:
    backbone = get_backbone(options.backbone)
    with progress_bar(Console(stderr=True), f"Fetching the weights of {backbone.id}") as advance:
        path = fetch_weights(backbone, options.to or keras_cache(), progress=advance)
    print(f"{path}: the published file, checked")
    return OK


if __name__ == "__main__":
    run_command(main)
