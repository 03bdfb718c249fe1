"""The frozen backbone of a run, chosen and made ready."""

from rich.console import Console

from models.backbones.table import DEFAULT_BACKBONE, Backbone
from models.backbones.weights import choose_backbone
from models.engines.engine import Engine, load_engine
from models.system.quiet import import_keras_quietly
from training.config import RunConfig


def ready_engine(config: RunConfig, console: Console) -> Engine:
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
    if config.fine_tune:
        _require_blocks(backbone, config.fine_tune)
    with console.status(f"Making {backbone.id} ready to run (the first time, this takes some seconds) …"):
        engine = load_engine(backbone, weights, engine=config.engine)
    console.print(f"Engine: {engine.name}, {engine.precision}")
    return engine


def _require_blocks(backbone: Backbone, blocks: int) -> None:
    """Raise a ValueError where the backbone has no such number of blocks, before anything is embedded."""
    import_keras_quietly()
    from models.backbones.feature_extractor import build_feature_extractor
    from training.backbone.fine_tune import require_blocks

    require_blocks(build_feature_extractor(backbone, None).features, blocks)
