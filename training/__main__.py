"""Make a bundle from a folder of radiographs, and judge it on another.

    python -m training train FOLDER --name mine
    python -m training evaluate mine OTHER_FOLDER --out report
    python -m training stress mine FOLDER
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
from models.bundle import BUNDLES_VARIABLE, Bundle, BundleError, load_bundle
from models.head import HeadConfig
from models.progress import progress_bar
from models.quiet import import_keras_quietly
from training.config import AugmentationConfig, HeadTraining, RunConfig
from training.digits_command import add_digits
from training.folder import read_folder, read_folder_for
from training.manifest import Manifest
from training.options import add_backbone, add_cache, add_data, add_engine, add_head, add_into_card, add_patients
from training.patients import DatasetError
from training.ready import ready_engine
from training.scratch_options import add_scratch, scratch_training

OK, WRONG_USAGE, INTERRUPTED = 0, 2, 130

_TRAIN = """\
Make a bundle: every image passes once through a frozen backbone, and a small head learns from what comes out. How good
it is, its calibration and its thresholds come from patients that the head has not seen.

    python -m training train radiographs --name mine
    python -m training train radiographs --name mine2 --width 0       seconds: the embeddings are kept
    python -m training train radiographs --name own --backbone resnet18 --from-scratch     no published weights
    python -m training train mine/dicom --name adults --patient-regex '^(\\d+)_' --population "adults, one hospital"

About 9 minutes for 5,000 images with efficientnet_lite0 and two views on two cores. Stop it when you like: what was
embedded is kept. Files that cannot be read are set aside and listed. MODEL_CARD.md in the bundle says what came out."""

_EVALUATE = """\
Judge a bundle on a folder that it was not trained on: discrimination, calibration, predictive values at several
prevalences, net benefit, abstention and subgroups, each with a 95 % interval by patient.

    python -m training evaluate mine other_hospital --out report
    python -m training evaluate mine other_hospital --out report --compare models/bundles/mine/report.json
    python -m training evaluate mine other_hospital --out report --subgroups table.csv

Writes evaluation.html, one page that stands alone; evaluation.json with its numbers; and its plots. The page and the sheet
of the most confident errors show films of patients. Half a minute for 5,000 images whose embeddings are kept."""

_STRESS = """\
Show a bundle films that went through worse than its own: thirteen corruptions in five severities, films without their
lungs, films with a letter in a corner; and ask whether its heatmaps show what it learnt.

    python -m training stress mine radiographs --out stress
    python -m training stress mine other_hospital --sample 100        a first look

Some minutes for 400 films on two cores. Where DATA is the folder that the bundle was trained on, the heads of its
cross-validation are fitted again, from the cache, and each film is judged by one that has not seen its patient. A folder
that holds only a part of those films cannot be told from a new one, and flatters. Writes stress.json, stress.png and
stress_films.png; the last shows a patient."""

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
        ("stress", "try a bundle on corrupted films, and for shortcuts", _add_stress),
        ("weights", "fetch and check a backbone's ImageNet weights", _add_weights),
        ("digits", "train the small residual network on handwritten digits", add_digits),
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
    add_data(parser)
    add_backbone(parser)
    add_head(parser)
    add_scratch(parser.add_argument_group("from scratch"))
    output = parser.add_argument_group("what is written beside the bundle")
    output.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="contact sheet and manifest go to DIR/NAME; they show and name patients (default: %(default)s)",
    )
    add_cache(output)
    output.add_argument("--tensorboard", type=Path, metavar="DIR", help="write the losses there, for TensorBoard")
    output.add_argument("--notes", type=Path, metavar="FILE", help='Markdown for the card, under "What was tried"')


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.description = _EVALUATE
    parser.set_defaults(command=_evaluate)
    parser.add_argument("name", metavar="NAME", help="the bundle")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="a folder per class; where it has a test split, that alone"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="evaluation.html, evaluation.json and the plots go there"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="JSON",
        help="an earlier result: the report.json of a bundle, or an evaluation.json; the page begins with the change from it",
    )
    parser.add_argument(
        "--subgroups",
        type=Path,
        metavar="CSV",
        help="a table with the column file and further ones, such as sex, age, view or device, each a way to divide the "
        "images (the table of --patients will do); without it: batches by published names, and what DICOM files say",
    )
    add_into_card(parser)
    add_patients(parser)
    add_engine(parser)
    add_cache(parser)


def _add_stress(parser: argparse.ArgumentParser) -> None:
    parser.description = _STRESS
    parser.set_defaults(command=_stress)
    parser.add_argument("name", metavar="NAME", help="the bundle")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="a folder per class; where it has a test split, that alone"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write; it shows a patient (default: runs/NAME/stress)"
    )
    parser.add_argument(
        "--sample",
        type=int,
        default=400,
        metavar="N",
        help="films, as many of each class, of as many patients as can be (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the sample and of the noise (default: %(default)s)"
    )
    add_into_card(parser)
    add_patients(parser)
    add_engine(parser)
    add_cache(parser)


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
        scratch=scratch_training(options),
        overwrite=options.overwrite,
        regroup=options.regroup,
        patient_regex=options.patient_regex,
        patients_csv=options.patients,
        runs=options.runs,
        tensorboard=options.tensorboard,
        notes=options.notes,
        population=options.population,
        view=options.view,
        label_source=options.label_source,
        augmentation=AugmentationConfig(flip=options.flip),
        search=not (options.no_search or options.fine_tune or options.from_scratch or head or training),
        head=HeadConfig(**head),
        head_training=HeadTraining(**training),
    )
    console = Console()
    manifest = read_folder(config, console)
    engine = ready_engine(config, console)
    with console.status("Loading TensorFlow …"):
        import_keras_quietly()
        from training.train import train
    train(config, manifest, engine, console)
    return OK


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options that the user gave a value."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _evaluate(options: argparse.Namespace) -> int:
    # Only here: scikit-learn takes a second to import.
    from training.amend import amend_card, external_result
    from training.comparison import read_earlier
    from training.evaluate import Task, evaluate
    from training.subgroups import find_columns

    console, bundle = Console(), load_bundle(options.name)
    earlier = read_earlier(options.compare) if options.compare else None
    manifest = _read_folder_for(bundle, options, console)
    entries = manifest.select("test") or manifest.entries
    columns = find_columns(entries, options.subgroups)
    task = Task(bundle, manifest, entries, columns, earlier)
    report = evaluate(task, options.out, console, cache=options.cache, engine=options.engine)
    if options.into_card:
        amend_card(bundle, {"external": external_result(report)}, console)
    return OK


def _read_folder_for(bundle: Bundle, options: argparse.Namespace, console: Console) -> Manifest:
    return read_folder_for(
        bundle,
        options.data,
        console,
        patient_regex=options.patient_regex,
        patients_csv=options.patients,
        cache=options.cache,
    )


def _stress(options: argparse.Namespace) -> int:
    console, bundle = Console(), load_bundle(options.name)
    manifest = _read_folder_for(bundle, options, console)
    with console.status("Loading TensorFlow …"):
        import_keras_quietly()
        from training.amend import amend_card
        from training.stress import stress
    out = options.out or RunConfig.runs / options.name / "stress"
    report = stress(
        bundle,
        manifest,
        out,
        console,
        cache=options.cache,
        sample=options.sample,
        seed=options.seed,
        engine=options.engine,
    )
    if options.into_card:
        amend_card(bundle, {"robustness": report}, console)
    return OK


def _weights(options: argparse.Namespace) -> int:
    backbone = get_backbone(options.backbone)
    with progress_bar(Console(stderr=True), f"Fetching the weights of {backbone.id}") as advance:
        path = fetch_weights(backbone, options.to or keras_cache(), progress=advance)
    print(f"{path}: the published file, checked")
    return OK


if __name__ == "__main__":
    sys.exit(main())
