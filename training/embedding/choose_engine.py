"""The frozen backbone of a run, chosen and made ready."""

from typing import Final

from rich.console import Console

from models.backbones.table import DEFAULT_BACKBONE
from models.backbones.weights import choose_backbone
from models.devices.device import DeviceError
from models.devices.doctor import require_gpu
from models.engines.engine import Engine
from models.engines.int8 import Int8Error
from models.engines.load import engine_device, load_engine
from models.engines.quantise import kept_int8, quantise_backbone, require_nncf
from training.config import NO_VIEWS, RunConfig
from training.data.learnable import learnable
from training.data.manifest import Manifest
from training.embedding.embed import prepared_views
from training.embedding.folder_lungs import FolderLungs, film_of

CALIBRATED_ON: Final = 64
"""Films from which the ranges of activations are taken; twice as many brought embeddings no nearer to the exact ones."""


def check_device(config: RunConfig, *, gpu: bool) -> None:
    """Find out before any film is read whether what is asked for can compute here; `gpu`: on a GPU, and nowhere else.

    Raises:
        DeviceError: where it takes a GPU.
        Int8Error: "no_nncf"; "int8_engine", for Keras.
    """
    if config.precision == "int8":
        if config.engine == "keras":
            raise Int8Error("int8_engine")
        if gpu:
            raise DeviceError("--precision int8 is for the processor. Leave out --require-gpu, or --precision int8.")
        require_nncf()
    elif gpu:
        require_gpu(engine_device(config.engine))


def choose_engine(config: RunConfig, console: Console) -> Engine:
    """Choose the backbone and make it ready to run; says which, why, and on what.

    Call it before TensorFlow is loaded: a backbone that is met for the first time is converted in a process of its own, and
    the two would take twice the memory.

    Raises:
        WeightsError, ValueError: with a sentence that says what to do.
    """
    # From scratch, the frozen one only helps to find near-duplicates; no weight of it goes into the bundle.
    requested = DEFAULT_BACKBONE if config.scratch else config.backbone
    backbone, weights, why = choose_backbone(requested, weights=config.weights)
    if config.scratch:
        why = "to find near-duplicates with"
    console.print(f"Backbone: {backbone.id} ({why}); weights {weights.source}, SHA-256 {weights.sha256[:16]}…")
    if weights.source == "custom":
        console.print("These are not the published ImageNet weights; a copy goes into the bundle.", style="yellow")
    name = "openvino" if config.precision == "int8" and config.engine == "auto" else config.engine
    with console.status(f"Making {backbone.id} ready to run (the first time, this takes some seconds) …"):
        engine = load_engine(backbone, weights, engine=name, devices=config.devices)
    device = engine_device(name)
    console.print(f"Engine: {engine.name}, {engine.precision}; {device.summary}", markup=False, soft_wrap=True)
    if config.devices == "all" and device.count == 1:
        console.print("--devices all: there is one device here, so nothing is shared.", style="yellow")
    return engine


def in_int8(manifest: Manifest, engine: Engine, console: Console, lungs: FolderLungs | None) -> Engine:
    """The engine's backbone in int8, calibrated on plain films that may be learnt from; an earlier one where it was, too.

    Films are taken by their digests, the smallest ones.

    Raises:
        Int8Error: with a sentence that says what to do.
        FailedFilmsError: where some films could not be viewed.
    """
    if engine.precision == "int8":  # --weights names another bundle's
        return engine
    entries = {entry.sha256: entry for entry in learnable(manifest)}
    field, backbone = lungs.finder if lungs else "", engine.backbone
    weights = kept_int8(backbone, engine.weights, field, entries)
    if weights is None:
        with console.status(f"Quantising {backbone.id} to int8, once for this folder …"):
            films = [(film_of(manifest.root, entries[one], lungs), (0,)) for one in sorted(entries)[:CALIBRATED_ON]]
            batches = prepared_views(films, augmentation=NO_VIEWS, seed=0, size=backbone.input_size)
            shown = {name: row for names, views in batches for (name, _), row in zip(names, views.pixels, strict=True)}
            weights = quantise_backbone(backbone, engine.weights, field, shown)
    engine.release()  # two networks in memory would be one too many
    console.print(f"Backbone in int8: SHA-256 {weights.sha256[:16]}…; a copy goes into the bundle.")
    return load_engine(backbone, weights, engine="openvino")
