"""The frozen backbone of a run, chosen and made ready."""

from rich.console import Console

from models.backbones.table import DEFAULT_BACKBONE
from models.backbones.weights import choose_backbone
from models.engines.engine import Engine
from models.engines.load import engine_device, load_engine
from training.config import RunConfig


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
    with console.status(f"Making {backbone.id} ready to run (the first time, this takes some seconds) …"):
        engine = load_engine(backbone, weights, engine=config.engine, devices=config.devices)
    device = engine_device(config.engine)
    console.print(f"Engine: {engine.name}, {engine.precision}; {device.summary}", markup=False, soft_wrap=True)
    if config.devices == "all" and device.count == 1:
        console.print("--devices all: there is one device here, so nothing is shared.", style="yellow")
    return engine
