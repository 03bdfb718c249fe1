"""Options that say what to learn from and how, in the groups that `--help` shows."""

import argparse
from pathlib import Path

from rich.console import Console

from models.backbones.table import BACKBONES
from models.command_line.cluster_options import add_cores
from models.command_line.require_gpu import add_require_gpu
from models.devices.device import DEVICES
from models.engines.load import ENGINES
from models.head import POOLINGS, HeadConfig
from models.lungs.field import FIELDS
from models.system.files import CACHE_VARIABLE, cache_folder
from models.system.progress import WatchedConsole
from training.config import PRECISIONS, HeadTraining, RunConfig
from training.metrics.bootstrap import NOT_STATED


def add_data(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """The group, for further options."""
    data = parser.add_argument_group("the data")
    add_patients(data)
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
        default=NOT_STATED,
        metavar="TEXT",
        help='whom the images show, for the card and the page, such as "adults, one hospital, 2019"',
    )
    data.add_argument(
        "--view", default=NOT_STATED, metavar="TEXT", help='how they were taken, for the card, such as "PA, standing"'
    )
    data.add_argument(
        "--label-source",
        default=NOT_STATED,
        metavar="TEXT",
        help='who said what class a film is, for the card, such as "two radiologists, a third where they differed"',
    )
    return data


def add_backbone(parser: argparse.ArgumentParser) -> None:
    backbone = parser.add_argument_group("the backbone and what it is shown")
    backbone.add_argument(
        "--backbone",
        choices=["auto", *BACKBONES],
        default="auto",
        help="auto (the default): resnet50 where its weights can be had, else efficientnet_lite0, which needs no network",
    )
    add_engine(backbone)
    add_devices(backbone)
    backbone.add_argument("--weights", type=Path, metavar="FILE", help="a local weight file for the backbone")
    backbone.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=RunConfig.precision,
        help="int8: quantise the backbone to 8-bit integers, calibrated on some of the films, and let the head learn from what "
        "comes out then; faster on a processor without bfloat16 (docs/speed.md). The bundle carries that backbone and runs on "
        "openvino alone; needs the packages of requirements-int8.txt. float (the default): as the engine takes it",
    )
    backbone.add_argument(
        "--field",
        choices=FIELDS,
        default="lungs",
        help="what of a film is judged: the box of its lungs, found by the shipped lung finder (the default), or the whole film, "
        "borders and all; for pictures that are no frontal chest films, film",
    )
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


def add_head(parser: argparse.ArgumentParser) -> None:
    head, training = HeadConfig(), HeadTraining()
    settings: tuple[tuple[str, type, float, str], ...] = (
        ("--width", int, head.width, "units of the hidden layer; 0: none"),
        ("--dropout", float, head.dropout, "share of units dropped while fitting, in [0, 1)"),
        ("--learning-rate", float, training.learning_rate, "of Adam, at the start"),
        ("--l2", float, training.l2, "weight decay"),
        ("--label-smoothing", float, training.label_smoothing, "share of each label given to all classes, in [0, 1)"),
        ("--epochs", int, training.epochs, "passes over the embeddings; fewer over more than 262,144 views"),
    )
    numbers = (
        ("--folds", RunConfig.folds, "of the cross-validation; a patient is in one of them"),
        ("--seed", RunConfig.seed, "of views, folds and fitting; the same seed gives the same bundle"),
    )
    fitting = parser.add_argument_group(
        "the head",
        "Without any of its settings, some ten heads are tried, by patient, by acquisition batch and by surroundings, and one\n"
        "is taken; the card shows them all. A setting ends the search: what is not given is then as in brackets.",
    )
    fitting.add_argument("--no-search", action="store_true", help="take the usual head, and try no others")
    fitting.add_argument(
        "--pooling",
        choices=POOLINGS,
        help="how a feature map becomes an embedding: its mean over the lungs (usual with --field lungs), over all places (usual "
        "with --field film), its maximum, or mean and maximum",
    )
    for option, kind, usual, meaning in settings:
        fitting.add_argument(option, type=kind, metavar="N", help=f"{meaning} ({usual:g})")
    for option, usual, meaning in numbers:
        fitting.add_argument(option, type=int, default=usual, metavar="N", help=f"{meaning} (default: %(default)s)")


def add_cluster(parser: argparse.ArgumentParser) -> None:
    cluster = parser.add_argument_group("on a cluster", "Needs requirements-cluster.txt; see docs/scale.md.")
    cluster.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="let the machines of a Ray cluster look for lungs and embed: HOST:PORT of its head, auto, or local; all must "
        "see DATA at the same path. The head is fitted here",
    )
    add_cores(cluster)


def add_patients(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--patient-regex",
        metavar="REGEX",
        help=r"its first group, searched in the file name, is the patient, as in '^(\d+)_' (default: the published names "
        "of the paediatric pneumonia data; where they do not fit, each file counts as a patient)",
    )
    parser.add_argument(
        "--patients", type=Path, metavar="CSV", help="instead, a table with the columns file and patient"
    )


def add_lock(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--lock",
        type=float,
        default=RunConfig.lock,
        metavar="SHARE",
        help="lock so many of the patients away, always the same ones by their names: they are never learnt from, and bundles "
        "are compared on them; a folder with a test split locks that (default: %(default)s)",
    )


def add_progress_file(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--progress-file",
        type=Path,
        metavar="FILE",
        help="add a line of JSON for each step of the progress bars: stage, done, total, seconds; for programs that watch",
    )


def watched_console(options: argparse.Namespace) -> Console:
    """The terminal, and the file that was asked for with it."""
    return WatchedConsole(options.progress_file) if options.progress_file else Console()


def add_into_card(parser: argparse._ActionsContainer) -> None:
    """The door into the bundle's card."""
    parser.add_argument(
        "--into-card",
        action="store_true",
        help="write the result into the bundle's card and report too; the bundle gets a new digest and judges as before",
    )


def add_engine(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what runs the backbone: keras (a GPU, where there is one) or openvino (faster on a processor; in bfloat16 where "
        "that changes nothing, unless openvino-f32); auto (the default) takes keras with a GPU and openvino without",
    )


def add_devices(parser: argparse._ActionsContainer) -> None:
    """On what `train` computes, beside the engine."""
    parser.add_argument(
        "--devices",
        choices=DEVICES,
        default=RunConfig.devices,
        help="all: the GPUs of this machine share the embedding pass and --fine-tune; one (the default): the first of them",
    )
    add_require_gpu(parser)


def add_cache(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        default=cache_folder(),
        metavar="DIR",
        help=f"embeddings, kept for next time; ${CACHE_VARIABLE} names another (default: %(default)s)",
    )
