"""What a run leaves: the bundle with its card, its report and its plots."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.backbones import Backbone
from models.backbones.weights import WeightsFile
from models.bundle import HEAD_FILE, BackboneRef, BundleSpec, save_bundle
from models.calibration import Calibration
from models.engines import Engine
from models.gate import Gate
from models.head import DenseHead
from models.prediction import OperatingPoint
from models.progress import progress_bar
from training.cache import EmbeddingCache
from training.card import write_card
from training.config import RunConfig
from training.figures import draw_judged
from training.folder import read_notes
from training.judge import judge
from training.leaks import Leaks
from training.lesson import FittedHead
from training.manifest import Manifest
from training.material import learnable
from training.plots import plot_learning_curves
from training.search import Search
from training.validation import Judged, Metrics
from training.wording import metrics_json, metrics_table

DEFAULT_OPERATING_POINT = "balanced"


@dataclass(frozen=True)
class Run:
    """Everything that a run found."""

    config: RunConfig
    manifest: Manifest
    leaks: Leaks
    engine: Engine
    head: DenseHead
    calibration: Calibration
    judged: Judged
    points: tuple[OperatingPoint, ...]
    gate: Gate
    distances: NDArray[np.float64]
    batches: Sequence[Mapping[str, Any]]
    fitted: Sequence[FittedHead]
    search: Search | None
    versions: Mapping[str, str]

    @property
    def backbone(self) -> Backbone:
        return self.engine.backbone

    @property
    def weights(self) -> WeightsFile:
        return self.engine.weights

    @property
    def operating_point(self) -> OperatingPoint | None:
        return next((point for point in self.points if point.name == DEFAULT_OPERATING_POINT), None)


def save_run(run: Run, console: Console) -> Path:
    """Judge a test split where there is one, write the bundle, show the table; return the bundle's folder."""
    test = _judge_test_split(run, console)
    with console.status("Intervals, plots and card …"):
        out_of_fold = run.judged.metrics(run.operating_point)
        report = _report(run, out_of_fold, test)
        folder = save_bundle(
            _spec(run, report),
            lambda folder: _write_files(run, report, out_of_fold, test, folder),
            overwrite=run.config.overwrite,
        )
    _show(console, out_of_fold, run)
    for what, where in (
        ("Bundle", folder),
        ("Its card", folder / "MODEL_CARD.md"),
        ("What the model saw", run.config.run_folder / "augmentation.png"),
        ("Try it", f"python -m app --bundle {run.config.name}"),
    ):
        console.print(f"{what}: {where}", markup=False, soft_wrap=True)
    return folder


def _judge_test_split(run: Run, console: Console) -> Judged | None:
    entries = run.manifest.select("test")
    if not entries:
        return None
    with progress_bar(console, "Judging the test split") as advance:
        judged = judge(
            run.engine,
            run.head,
            run.calibration,
            run.manifest.root,
            entries,
            EmbeddingCache.of(run.engine, run.config.cache),
            pooling=run.config.head.pooling,
            labels=run.manifest.labels,
            positive=run.judged.positive,
            progress=advance,
        )
        advance(len(entries), len(entries))
    return judged


def _report(run: Run, out_of_fold: Metrics, test: Judged | None) -> dict[str, Any]:
    """Everything the card says, as numbers."""
    manifest = run.manifest
    return {
        "bundle": run.config.name,
        "labels": list(manifest.labels),
        "positive": run.judged.positive,
        "default_operating_point": run.operating_point.name if run.operating_point else None,
        "data": _data(run),
        "leaks": run.leaks.as_json(),
        "backbone": {"id": run.backbone.id, "summary": run.backbone.summary, "weights": run.weights.source,
                     "weights_sha256": run.weights.sha256, "engine": run.engine.name, "precision": run.engine.precision},
        "configuration": run.config.as_json(),
        "search": run.search.as_json() if run.search else None,
        "folds": len(run.fitted),
        "epochs": [fitted.epochs for fitted in run.fitted],
        "calibration": asdict(run.calibration),
        "operating_points": [
            {**asdict(point), "confusion": run.judged.confusion(point).tolist()} for point in run.points
        ],
        "zone": run.judged.zone(run.points).tolist() if run.points else None,
        "gate": {**asdict(run.gate.thresholds), "largest_distance": float(run.distances.max()), "n": len(run.distances)},
        "out_of_fold": metrics_json(out_of_fold),
        "confusion": run.judged.confusion(run.operating_point).tolist(),
        "leave_batch_out": {"scores": list(run.batches), "mean_auroc": _mean_auroc(run.batches)} if run.batches else None,
        "test_split": metrics_json(test.metrics(run.operating_point)) if test else None,
        "test_confusion": test.confusion(run.operating_point).tolist() if test else None,
        "set_aside": [{"file": str(one.path), "code": one.code} for one in manifest.set_aside],
        "versions": dict(run.versions),
    }  # fmt: skip


def _mean_auroc(batches: Sequence[Mapping[str, Any]]) -> float:
    return float(np.mean([score["auroc"] for score in batches]))


def _data(run: Run) -> dict[str, Any]:
    manifest, learnt = run.manifest, learnable(run.manifest)
    images = {label: sum(entry.label == label for entry in learnt) for label in manifest.labels}
    return {
        "fingerprint": replace(manifest, entries=learnt).fingerprint,
        "images": images,
        "patients": len({entry.patient for entry in learnt}),
        "patient_source": manifest.patient_source,
        "population": run.config.population,
        "prevalence": images[run.judged.positive] / len(learnt) if run.judged.positive else None,
        "test_images": len(manifest.entries) - len(learnt),
        "set_aside": len(manifest.set_aside),
    }


def _spec(run: Run, report: Mapping[str, Any]) -> BundleSpec:
    return BundleSpec(
        name=run.config.name,
        labels=run.manifest.labels,
        positive=run.judged.positive,
        backbone=BackboneRef(run.backbone.id, run.weights.sha256, run.weights.source, _backbone_file(run.weights)),
        head=run.config.head,
        calibration=run.calibration,
        operating_points=run.points,
        default_operating_point=run.operating_point.name if run.operating_point else None,
        data=report["data"],
        metrics={"out_of_fold": report["out_of_fold"], "leave_batch_out": report["leave_batch_out"],
                 "test_split": report["test_split"]},
        training={**run.config.as_json(), "engine": run.engine.name, "precision": run.engine.precision},
        versions=run.versions,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        gate=run.gate.thresholds,
    )  # fmt: skip


def _backbone_file(weights: WeightsFile) -> str | None:
    """The name of the copy inside the bundle, for weights that are not to be had elsewhere."""
    if weights.source in ("vendored", "published"):
        return None
    # Keras tells its two weight formats apart by this suffix.
    return "backbone.weights.h5" if weights.path.name.endswith(".weights.h5") else f"backbone{weights.path.suffix}"


def _write_files(run: Run, report: Mapping[str, Any], out_of_fold: Metrics, test: Judged | None, folder: Path) -> None:
    run.head.to_keras(run.config.head).save_weights(str(folder / HEAD_FILE))
    run.gate.save(folder)
    if name := _backbone_file(run.weights):
        shutil.copyfile(run.weights.path, folder / name)
    (folder / "report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    thresholds = {point.name: point.threshold for point in run.points}
    draw_judged(run.judged, out_of_fold, run.operating_point, folder, thresholds=thresholds)
    if test:
        metrics = test.metrics(run.operating_point)
        draw_judged(test, metrics, run.operating_point, folder, thresholds=thresholds, prefix="test_")
    plot_learning_curves([fitted.losses for fitted in run.fitted], folder / "learning_curves.png")
    write_card(report, folder / "MODEL_CARD.md", notes=read_notes(run.config))


def _show(console: Console, metrics: Metrics, run: Run) -> None:
    console.print(metrics_table("On patients it had not seen", metrics, run.operating_point))
    if run.batches:
        console.print(
            f"AUROC on left-out acquisition batches, mean of {len(run.batches)}: {_mean_auroc(run.batches):.4f}"
        )
