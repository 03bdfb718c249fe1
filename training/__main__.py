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
from typing import Any

from rich.console import Console

from models.backbones import BACKBONES, get_backbone
from models.backbones.weights import WeightsError, fetch_weights, keras_cache
from models.bundle import BUNDLES_VARIABLE, BundleError, load_bundle
from models.engines import ENGINES
from models.files import CACHE_VARIABLE, cache_folder
from models.head import POOLINGS, HeadConfig
from models.progress import progress_bar
from models.quiet import import_keras_quietly
from training.config import AugmentationConfig, HeadTraining, RunConfig
from training.folder import read_folder, read_folder_for
from training.patients import DatasetError

OK, WRONG_USAGE, INTERRUPTED = 0, 2, 130

_TRAIN = """\
Make a bundle: every image passes once through a frozen backbone, and a small head learns from what comes out. How good
it is, its calibration and its thresholds come from patients that the head has not seen.

    python -m training train radiographs --name mine
    python -m training train radiographs --name mine2 --width 0       seconds: the embeddings are kept
    python -m training train mine/dicom --name adults --patient-regex '^(\\d+)_' --population "adults, one hospital"

About 9 minutes for 5,000 images with efficientnet_lite0 and two views on two cores. Stop it when you like: what was
embedded is kept. Files that cannot be read are set aside and listed. MODEL_CARD.md in the bundle says what came out."""

_EVALUATE = """\
Judge a bundle on a folder that it was not trained on: AUROC, sensitivity, specificity, accuracy and Brier score with
95 % intervals by patient, at the bundle's own operating point.

    python -m training evaluate mine other_hospital --out report

Writes evaluation.json, roc.png, reliability.png, histogram.png and confusion.png."""

_WEIGHTS = """\
Fetch a backbone's published ImageNet weights and check their digest, for this machine or for one without a network.

    python -m training weights resnet50 --to carry
    python -m training train radiographs --name mine --backbone resnet50 --weights carry/FILE"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, 2 where the input must be changed first, 130 after Ctrl-C."""
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
        return INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary, add in (
        ("train", "make a bundle from a folder of radiographs", _add_train),
        ("evaluate", "judge a bundle on a folder that it was not trained on", _add_evaluate),
        ("weights", "fetch and check a backbone's ImageNet weights", _add_weights),
    ):
        add(commands.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter))
    return parser


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.description = _TRAIN
    parser.set_defaults(command=_train)
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="the folder: DATA/CLASS/* or DATA/{train,val,test}/CLASS/*"
    )
    parser.add_argument(
        "--name",
        required=True,
        help=f"of the bundle; it is written to models/bundles/NAME, or to ${BUNDLES_VARIABLE}/NAME",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a bundle of this name")
    _add_data(parser)
    _add_backbone(parser)
    _add_head(parser)
    output = parser.add_argument_group("what is written beside the bundle")
    output.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="contact sheet and manifest go to DIR/NAME; they show and name patients (default: %(default)s)",
    )
    _add_cache(output)
    output.add_argument("--tensorboard", type=Path, metavar="DIR", help="write the losses there, for TensorBoard")
    output.add_argument("--notes", type=Path, metavar="FILE", help='Markdown for the card, under "What was tried"')


def _add_data(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("the data")
    _add_patients(data)
    data.add_argument(
        "--regroup",
        action="store_true",
        help="where one film or patient would stand on both sides of a split, merge the patients and take out of the "
        "training part whom the test split shows; without it such a folder is refused",
    )
    data.add_argument(
        "--positive",
        metavar="LABEL",
        help="of two classes, the one whose probability is shown (default: PNEUMONIA, or else the last by name)",
    )
    data.add_argument(
        "--population",
        default="not stated",
        metavar="TEXT",
        help='whom the images show, for the card and the page, such as "adults, one hospital, 2019"',
    )


def _add_backbone(parser: argparse.ArgumentParser) -> None:
    backbone = parser.add_argument_group("the backbone and what it is shown")
    backbone.add_argument(
        "--backbone",
        choices=["auto", *BACKBONES],
        default="auto",
        help="auto (the default): resnet50 where its weights can be had, else efficientnet_lite0, which needs no network",
    )
    _add_engine(backbone)
    backbone.add_argument("--weights", type=Path, metavar="FILE", help="a local weight file for the backbone")
    backbone.add_argument(
        "--views",
        type=int,
        default=RunConfig.views,
        metavar="N",
        help="augmented views of each film besides the plain one; each costs as much time as the plain one "
        "(default: %(default)s)",
    )
    backbone.add_argument(
        "--flip", action="store_true", help="mirror half of the views; off, since a mirrored chest is situs inversus"
    )
    backbone.add_argument(
        "--fine-tune",
        type=int,
        default=0,
        metavar="BLOCKS",
        help="let the last BLOCKS of the backbone learn too, on four fifths of the patients: slow, and on radiographs "
        "from elsewhere often worse (default: %(default)s)",
    )


def _add_head(parser: argparse.ArgumentParser) -> None:
    head, training = HeadConfig(), HeadTraining()
    settings: tuple[tuple[str, type, float, str], ...] = (
        ("--width", int, head.width, "units of the hidden layer; 0: none"),
        ("--dropout", float, head.dropout, "share of units dropped while fitting, in [0, 1)"),
        ("--learning-rate", float, training.learning_rate, "of Adam, at the start"),
        ("--l2", float, training.l2, "weight decay"),
        ("--label-smoothing", float, training.label_smoothing, "share of each label given to all classes, in [0, 1)"),
        ("--epochs", int, training.epochs, "passes at most; early stopping ends sooner"),
    )
    numbers = (
        ("--folds", RunConfig.folds, "of the cross-validation; a patient is in one of them"),
        ("--seed", RunConfig.seed, "of views, folds and fitting; the same seed gives the same bundle"),
    )
    fitting = parser.add_argument_group(
        "the head",
        "Without any of its settings, a dozen heads are tried by patient and by acquisition batch, in under a minute, "
        "and the best is taken; the card shows them all. A setting ends the search: what is not given is as said here.",
    )
    fitting.add_argument("--no-search", action="store_true", help="take the usual head, and try no others")
    fitting.add_argument(
        "--pooling",
        choices=POOLINGS,
        help=f"how a feature map becomes an embedding: its mean, its maximum, or both ({head.pooling})",
    )
    for option, kind, usual, meaning in settings:
        fitting.add_argument(option, type=kind, metavar="N", help=f"{meaning} ({usual:g})")
    for option, usual, meaning in numbers:
        fitting.add_argument(option, type=int, default=usual, metavar="N", help=f"{meaning} (default: %(default)s)")


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.description = _EVALUATE
    parser.set_defaults(command=_evaluate)
    parser.add_argument("name", metavar="NAME", help="the bundle")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="a folder per class; where it has a test split, that alone"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="evaluation.json and the plots are written there"
    )
    _add_patients(parser)
    _add_engine(parser)
    _add_cache(parser)


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


def _add_patients(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--patient-regex",
        metavar="REGEX",
        help=r"its first group, searched in the file name, is the patient, as in '^(\d+)_' (default: the published names "
        "of the paediatric pneumonia data; where they do not fit, each file counts as a patient)",
    )
    parser.add_argument(
        "--patients", type=Path, metavar="CSV", help="instead, a table with the columns file and patient"
    )


def _add_engine(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what runs the backbone: keras (a GPU, where there is one) or openvino (faster on a processor; in bfloat16 where "
        "that changes nothing, unless openvino-f32); auto (the default) takes keras with a GPU and openvino without",
    )


def _add_cache(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        default=cache_folder(),
        metavar="DIR",
        help=f"embeddings, kept for next time; ${CACHE_VARIABLE} names another (default: %(default)s)",
    )


def _train(options: argparse.Namespace) -> int:
    head = _given(options, "width", "dropout", "pooling")
    training = _given(options, "learning_rate", "l2", "label_smoothing", "epochs")
    config = RunConfig(
        data=options.data,
        name=options.name,
        cache=options.cache,
        backbone=options.backbone,
        engine=options.engine,
        weights=options.weights,
        views=options.views,
        positive=options.positive,
        folds=options.folds,
        seed=options.seed,
        fine_tune=options.fine_tune,
        overwrite=options.overwrite,
        regroup=options.regroup,
        patient_regex=options.patient_regex,
        patients_csv=options.patients,
        runs=options.runs,
        tensorboard=options.tensorboard,
        notes=options.notes,
        population=options.population,
        augmentation=AugmentationConfig(flip=options.flip),
        search=not (options.no_search or options.fine_tune or head or training),
        head=HeadConfig(**head),
        head_training=HeadTraining(**training),
    )
    console = Console()
    manifest = read_folder(config, console)
    with console.status("Loading TensorFlow …"):
        import_keras_quietly()
        from training.train import train
    train(config, manifest, console)
    return OK


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options that the user gave a value."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _evaluate(options: argparse.Namespace) -> int:
    from training.evaluate import evaluate

    console, bundle = Console(), load_bundle(options.name)
    manifest = read_folder_for(
        bundle, options.data, console, patient_regex=options.patient_regex, patients_csv=options.patients
    )
    evaluate(bundle, manifest, options.out, console, cache=options.cache, engine=options.engine)
    return OK


def _weights(options: argparse.Namespace) -> int:
    backbone = get_backbone(options.backbone)
    with progress_bar(Console(stderr=True), f"Fetching the weights of {backbone.id}") as advance:
        path = fetch_weights(backbone, options.to or keras_cache(), progress=advance)
    print(f"{path}: the published file, checked")
    return OK


if __name__ == "__main__":
    sys.exit(main())
