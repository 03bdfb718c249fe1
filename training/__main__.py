"""Make a bundle from a folder of radiographs, and judge it on another.

    python -m training train FOLDER --name mine
    python -m training evaluate mine OTHER_FOLDER --out report
    python -m training weights resnet50 --to carry

FOLDER holds a folder per class (NORMAL/, PNEUMONIA/, or any names), or train/, val/ and test/ with these in them. Images of
one patient never stand on both sides of a split. Research and education only: never a diagnosis.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from models.backbones import BACKBONES, get_backbone
from models.backbones.weights import WeightsError, fetch_weights, keras_cache
from models.bundle import BundleError
from models.head import HeadConfig
from models.progress import progress_bar
from models.quiet import import_keras_quietly
from training.cache import default_cache
from training.config import AugmentationConfig, HeadTraining, RunConfig
from training.folder import read_folder
from training.patients import DatasetError

OK, WRONG_USAGE = 0, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 2 where the input must be changed first."""
    options = build_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except (DatasetError, BundleError, WeightsError, ValueError, OSError) as error:
        code = f" [{error.code}]" if isinstance(error, DatasetError) else ""
        print(f"error{code}: {error}", file=sys.stderr)
        return WRONG_USAGE
    except KeyboardInterrupt:
        print("stopped; what was embedded so far is kept, and the next run goes on from there", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(
        commands.add_parser("train", help="make a bundle", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    )
    _add_evaluate(commands.add_parser("evaluate", help="judge a folder that the bundle was not trained on"))
    _add_weights(commands.add_parser("weights", help="fetch and check a backbone's ImageNet weights"))
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    head, training = HeadConfig(), HeadTraining()
    parser.set_defaults(command=_train)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder with a folder per class")
    parser.add_argument("--name", required=True, help="of the bundle, models/bundles/NAME")
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle of this name")

    data = parser.add_argument_group("the data")
    data.add_argument(
        "--patient-regex", metavar="REGEX", help="its first group, searched in the file name, is the patient"
    )
    data.add_argument("--patients", type=Path, metavar="CSV", help="a table with the columns file and patient")
    data.add_argument("--positive", metavar="LABEL", help="the label whose probability is shown (two classes)")
    data.add_argument("--population", default="not stated", help="whom the images show, for the card and the page")

    backbone = parser.add_argument_group("the backbone")
    backbone.add_argument(
        "--backbone",
        choices=["auto", *BACKBONES],
        default="auto",
        help="auto: resnet50 where its weights can be had, else efficientnet_lite0",
    )
    backbone.add_argument("--weights", type=Path, metavar="FILE", help="a local weight file for the backbone")
    backbone.add_argument("--views", type=int, default=2, metavar="N", help="augmented views besides the plain film")
    backbone.add_argument(
        "--flip", action="store_true", help="mirror half of the views (a mirrored chest is situs inversus)"
    )
    backbone.add_argument(
        "--fine-tune", type=int, default=0, metavar="BLOCKS", help="unfreeze the last blocks afterwards"
    )

    fitting = parser.add_argument_group("the head")
    fitting.add_argument("--width", type=int, default=head.width, help="units of the hidden layer; 0: none")
    fitting.add_argument("--dropout", type=float, default=head.dropout, help="share dropped while fitting")
    fitting.add_argument("--learning-rate", type=float, default=training.learning_rate, help="of Adam, at the start")
    fitting.add_argument("--l2", type=float, default=training.l2, help="weight decay")
    fitting.add_argument("--label-smoothing", type=float, default=training.label_smoothing, help="in [0, 1)")
    fitting.add_argument("--epochs", type=int, default=training.epochs, help="at most; early stopping ends sooner")
    fitting.add_argument("--folds", type=int, default=5, help="of the cross-validation, by patient")
    fitting.add_argument(
        "--seed", type=int, default=RunConfig.seed, help="the same seed gives the same views and folds"
    )

    output = parser.add_argument_group("what is written")
    output.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="contact sheet and manifest")
    output.add_argument(
        "--cache", type=Path, default=default_cache(), metavar="DIR", help="embeddings, kept for next time"
    )
    output.add_argument("--tensorboard", type=Path, metavar="DIR", help="logs for TensorBoard")
    output.add_argument("--notes", type=Path, metavar="FILE", help='Markdown for the card, under "What was tried"')


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_evaluate)
    parser.add_argument("name", metavar="NAME", help="the bundle")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="folder with a folder per class; its test split if it has one"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for evaluation.json and the plots")
    parser.add_argument(
        "--patient-regex", metavar="REGEX", help="its first group, searched in the file name, is the patient"
    )
    parser.add_argument("--patients", type=Path, metavar="CSV", help="a table with the columns file and patient")
    parser.add_argument(
        "--cache", type=Path, default=default_cache(), metavar="DIR", help="embeddings, kept for next time"
    )


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_weights)
    parser.add_argument("backbone", choices=list(BACKBONES))
    parser.add_argument("--to", type=Path, metavar="DIR", help="default: Keras' cache, where every command looks")


def _train(options: argparse.Namespace) -> int:
    config = RunConfig(
        data=options.data,
        name=options.name,
        cache=options.cache,
        backbone=options.backbone,
        weights=options.weights,
        views=options.views,
        positive=options.positive,
        folds=options.folds,
        seed=options.seed,
        fine_tune=options.fine_tune,
        overwrite=options.overwrite,
        patient_regex=options.patient_regex,
        patients_csv=options.patients,
        runs=options.runs,
        tensorboard=options.tensorboard,
        notes=options.notes,
        population=options.population,
        augmentation=AugmentationConfig(flip=options.flip),
        head=HeadConfig(options.width, options.dropout),
        head_training=HeadTraining(options.learning_rate, options.l2, options.label_smoothing, epochs=options.epochs),
    )
    console = Console()
    manifest = read_folder(config, console)
    with console.status("Loading TensorFlow …"):
        import_keras_quietly()
        from training.train import train
    train(config, manifest, console)
    return OK


def _evaluate(options: argparse.Namespace) -> int:
    import_keras_quietly()
    from training.evaluate import evaluate

    evaluate(
        options.name,
        options.data,
        options.out,
        Console(),
        cache=options.cache,
        patient_regex=options.patient_regex,
        patients_csv=options.patients,
    )
    return OK


def _weights(options: argparse.Namespace) -> int:
    backbone = get_backbone(options.backbone)
    with progress_bar(Console(stderr=True), f"Fetching the weights of {backbone.id}") as advance:
        path = fetch_weights(backbone, options.to or keras_cache(), progress=advance)
    print(f"{path}: the published file, checked")
    return OK


if __name__ == "__main__":
    sys.exit(main())
