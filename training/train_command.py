"""The command `python -m training train`."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from models.backbones.table import Backbone
from models.bundle import BUNDLES_VARIABLE
from models.cluster.connection import Cluster
from models.head import HeadConfig
from models.system.quiet import import_keras_quietly
from training.backbone.scratch_options import add_scratch, scratch_training
from training.config import LUNG_VIEWS, AugmentationConfig, HeadTraining, RunConfig
from training.data.failed_films import exit_status, set_aside, without_failed
from training.data.folder import read_folder
from training.embedding.choose_engine import check_device, choose_engine
from training.options import (
    add_backbone,
    add_cache,
    add_cluster,
    add_data,
    add_head,
    add_lock,
    add_progress_file,
    watched_console,
)

_TRAIN: Final = """\
Make a bundle: every image passes once through a frozen backbone, and a small head learns from what comes out. How good
it is, its calibration and its thresholds come from patients that the head has not seen.

    python -m training train radiographs --name mine
    python -m training train radiographs --name mine2 --width 0       seconds: the embeddings are kept
    python -m training train radiographs --name own --backbone resnet18 --from-scratch     no published weights
    python -m training train /nfs/films --name large --cluster HOST:6379              on a Ray cluster (docs/scale.md)
    python -m training train mine/dicom --name adults --patient-regex '^(\\d+)_' --population "adults, one hospital"

Some minutes for 5,000 images and two views on two cores, seconds where the embeddings are kept (docs/speed.md). Stop it
when you like: what was embedded stays. Files that cannot be read are set aside and listed. MODEL_CARD.md in the bundle says
what came out."""


def add_train(parser: argparse.ArgumentParser) -> None:
    """The options of `train`."""
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
    add_lock(add_data(parser))
    add_backbone(parser)
    add_head(parser)
    add_scratch(parser.add_argument_group("from scratch"))
    add_cluster(parser)
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
    add_progress_file(output)
    output.add_argument("--notes", type=Path, metavar="FILE", help='Markdown for the card, under "What was tried"')


def _train(options: argparse.Namespace) -> int:
    head = _given(options, "width", "dropout", "pooling")
    usual = HeadConfig(pooling="lungs" if options.field == "lungs" else "mean")
    training = _given(options, "learning_rate", "l2", "label_smoothing", "epochs")
    config = RunConfig(
        data=options.data,
        name=options.name,
        cache=options.cache,
        cluster=Cluster(options.cluster, options.cores) if options.cluster else None,
        backbone=options.backbone,
        engine=options.engine,
        devices=options.devices,
        weights=options.weights,
        precision=options.precision,
        field=options.field,
        views=options.views,
        positive=options.positive,
        folds=options.folds,
        seed=options.seed,
        fine_tune=options.fine_tune,
        scratch=scratch_training(options),
        lock=options.lock,
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
        augmentation=replace(LUNG_VIEWS if options.field == "lungs" else AugmentationConfig(), flip=options.flip),
        search=not (options.no_search or options.fine_tune or options.from_scratch or head or training),
        head=replace(usual, **head),
        head_training=HeadTraining(**training),
    )
    console = watched_console(options)
    check_device(config, gpu=options.require_gpu)
    manifest = read_folder(config, console)
    engine = choose_engine(config, console)
    if config.fine_tune:
        _require_blocks(engine.backbone, config.fine_tune)
    from training.train import train  # loads what fits and draws, a second that --help and refusals need not wait for

    _, trained_on = without_failed(manifest, lambda films: train(config, films, engine, console), set_aside, console)
    return exit_status(trained_on)


def _require_blocks(backbone: Backbone, blocks: int) -> None:
    """Raise a ValueError where the backbone has no such number of blocks, before anything is embedded."""
    import_keras_quietly()
    from models.backbones.feature_extractor import build_feature_extractor
    from models.backbones.weightless import weightless
    from training.backbone.fine_tune import require_blocks

    with weightless():
        require_blocks(build_feature_extractor(backbone, None).features, blocks)


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """The options that the user gave a value."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}
