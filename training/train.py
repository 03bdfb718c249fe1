"""The recipe, from a folder to a bundle.

Some minutes for 5,000 images and two augmented views on two cores; with other head settings seconds, because embeddings are
kept (`python -m benchmarks.training_speed`).
"""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from models.engines.engine import Engine
from models.system.quiet import import_keras_quietly
from training.config import RunConfig
from training.data.folder import choose_positive
from training.embedding.embed_folder import Gathered
from training.heads.fit_folds import fit_heads
from training.heads.gate import fit_gate
from training.heads.search import Search, search_heads
from training.heads.validation import calibrate, operating_points
from training.run import Run, save_run

if TYPE_CHECKING:
    from training.backbone.trained_backbone import Trained

PACKAGES: Final = (
    "tensorflow",
    "keras",
    "openvino",
    "numpy",
    "scikit-learn",
    "pillow",
    "opencv-python-headless",
    "pydicom",
)


def train(config: RunConfig, gathered: Gathered, engine: Engine, console: Console) -> Path:
    """Train a bundle and return its folder; `engine` is that which gathered the embeddings.

    Raises:
        DatasetError, WeightsError, BundleError, ValueError: with a sentence that says what to do; nothing is left behind.
    """
    positive = choose_positive(config, gathered.manifest)
    manifest, material, splits = gathered.manifest, gathered.material, gathered.splits

    # ----- The head, judged on patients that it has not seen.
    search: Search | None = None
    batches: list[dict[str, Any]] = []
    if material is None or config.fine_tune:
        logits, fitted, engine, material = _train_backbone(config, gathered, engine, console)
        head = fitted[0].head
    else:
        if config.search:
            search = search_heads(config, material, splits, console)
            config = config.with_head(search.best.candidate.head, search.best.candidate.training)
        logits, fitted, batches, head = fit_heads(config, material, splits, console)
    calibration, judged = calibrate(
        logits, material.truth, material.patients, splits, labels=manifest.labels, positive=positive
    )
    points = operating_points(judged)

    # ----- What it may be asked about.
    gate = fit_gate(material.pooled("mean")[:, 0], material.patients, splits, seed=config.seed)

    run = Run(
        config=config,
        manifest=manifest,
        leaks=gathered.leaks,
        engine=engine,
        head=head,
        calibration=calibration,
        judged=judged,
        points=points,
        gate=gate.gate,
        distances=gate.distances,
        batches=batches,
        fitted=fitted,
        search=search,
        versions={package: version(package) for package in PACKAGES},
    )
    return save_run(run, console)


def _train_backbone(config: RunConfig, gathered: Gathered, engine: Engine, console: Console) -> "Trained":
    """Train the backbone together with its head; that takes TensorFlow, which a frozen one does without."""
    with console.status("Loading TensorFlow …"):
        import_keras_quietly()
        from training.backbone.fine_tuned_head import fine_tuned_head
        from training.backbone.from_scratch import trained_from_scratch
    split = gathered.splits[0]
    if gathered.material is None:
        return trained_from_scratch(config, gathered.manifest, split, console)
    return fine_tuned_head(config, gathered.manifest, gathered.material, split, engine, console)
