"""What a run leaves: the bundle with its card, its report and its plots."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile
from models.bundle import HEAD_FILE, BackboneRef, BundleSpec, save_bundle
from models.calibration import Calibration
from models.engines.engine import Engine
from models.engines.int8 import is_int8, read_origin
from models.gate import Gate
from models.group import GroupReference
from models.prediction import OperatingPoint
from models.system.files import digest
from models.system.progress import progress_bar
from training.config import RunConfig
from training.data.folder import read_notes
from training.data.learnable import learnable
from training.data.locked import save_learnt
from training.data.manifest import Manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.folder_lungs import FolderLungs
from training.evaluation.judge_films import judge
from training.heads.fit_folds import FittedHeads
from training.heads.operating_points import Promises
from training.heads.search import Search
from training.heads.surroundings import Surroundings
from training.leaks.find import Leaks
from training.metrics.assessment import Assessment, assess
from training.metrics.bootstrap import DRAWS, Metrics, metrics_json
from training.metrics.judged import Judged, calibration_gain
from training.plots.figures import draw_judged
from training.plots.judged_plots import plot_learning_curves
from training.reports.amend_bundle import write_report
from training.reports.wording import metrics_table

DEFAULT_OPERATING_POINT = "balanced"
LOCK_FILE: Final = Path(__file__).parents[1] / "requirements.lock"
"""The versions that the product is installed with; not there where a copy was installed otherwise."""


@dataclass(frozen=True)
class Run:
    """Everything that a run found."""

    config: RunConfig
    manifest: Manifest
    leaks: Leaks
    engine: Engine
    heads: FittedHeads
    search: Search | None
    calibration: Calibration
    judged: Judged
    points: tuple[OperatingPoint, ...]
    gate: Gate
    distances: NDArray[np.float64]
    versions: Mapping[str, str]
    by_batch: Judged | None = None
    lungs: FolderLungs | None = None
    surroundings: Surroundings | None = None
    group: GroupReference | None = None

    @property
    def backbone(self) -> Backbone:
        return self.engine.backbone

    @property
    def weights(self) -> WeightsFile:
        return self.engine.weights

    @property
    def operating_point(self) -> OperatingPoint | None:
        return next((point for point in self.points if point.name == DEFAULT_OPERATING_POINT), None)


@dataclass(frozen=True)
class Findings:
    """The numbers of a run: out of fold, what calibration gained there, and a test split, judged, where there is one."""

    out_of_fold: Assessment
    calibration: Metrics
    test: Judged | None
    test_split: Assessment | None


def save_run(run: Run, console: Console) -> Path:
    """Judge a test split where there is one, write the bundle, show the table; return the bundle's folder."""
    test = _judge_test_split(run, console)
    with console.status("Intervals, plots and card …"):
        found = Findings(
            assess(run.judged, run.operating_point),
            calibration_gain(run.judged),
            test,
            assess(test, run.operating_point) if test else None,
        )
        report = _report(run, found)
        folder = save_bundle(
            _spec(run, report),
            lambda folder: _write_files(run, report, found, folder),
            overwrite=run.config.overwrite,
        )
    _show(console, found.out_of_fold.metrics, run)
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
            run.heads.kept.head,
            run.calibration,
            run.manifest.root,
            entries,
            EmbeddingCache.of(run.engine, run.config.cache, field=run.lungs.finder if run.lungs else ""),
            lungs=run.lungs,
            pooling=run.config.head.pooling,
            labels=run.manifest.labels,
            positive=run.judged.positive,
            progress=advance,
        )
        advance(len(entries), len(entries))
    return judged


def _report(run: Run, found: Findings) -> dict[str, Any]:
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
                     "weights_sha256": run.weights.sha256, "engine": run.engine.name, "precision": run.engine.precision,
                     "int8": _int8(run)},
        "configuration": run.config.as_json(),
        "search": run.search.as_json() if run.search else None,
        "folds": len(run.heads.folds),
        "draws": DRAWS,
        "epochs": [fitted.epochs for fitted in run.heads.folds],
        "calibration": {**asdict(run.calibration), "check": _calibration_check(found)},
        "operating_points": [
            {**asdict(point), "confusion": run.judged.confusion(point).tolist()} for point in run.points
        ],
        "zone": run.judged.zone(run.points).tolist() if run.points else None,
        "gate": {**asdict(run.gate.thresholds), "largest_distance": float(run.distances.max()), "n": len(run.distances)},
        "out_of_fold": metrics_json(found.out_of_fold.metrics),
        **{name: value for name, value in found.out_of_fold.as_json().items() if name != "metrics"},
        "leave_batch_out": _leave_batch_out(run),
        "surroundings": run.surroundings.as_json() if run.surroundings else None,
        "test_split": metrics_json(found.test_split.metrics) if found.test_split else None,
        "test_confusion": found.test_split.confusion.tolist() if found.test_split else None,
        "robustness": None,  # a stress test's result and that of an evaluation come later, see `training.reports.amend_bundle`
        "external": None,
        "notes": read_notes(run.config),
        "set_aside": [{"file": str(one.path), "code": one.code} for one in manifest.set_aside],
        "left_out": [{"path": str(one.path), "reason": one.reason} for one in manifest.left_out],
        "versions": dict(run.versions),
        "lock_sha256": digest(LOCK_FILE) if LOCK_FILE.is_file() else None,
    }  # fmt: skip


def _calibration_check(found: Findings) -> dict[str, Any]:
    """What calibration promises, out of fold: a slope whose interval holds 1, and a better Brier score than without."""
    slope, gain = found.out_of_fold.metrics.get("calibration_slope"), found.calibration.get("brier_gain")
    return {
        **metrics_json(found.calibration),
        "slope": slope.as_json() if slope else None,
        "slope_interval_holds_1": slope.low <= 1 <= slope.high if slope else None,
        "brier_better_than_uncalibrated": gain.value > 0 if gain else None,
    }


def _leave_batch_out(run: Run) -> dict[str, Any] | None:
    batches = run.heads.batches
    if not batches:
        return None
    return {"scores": list(batches), "mean_auroc": _mean_auroc(batches), "promises": _promises(run)}


def _promises(run: Run) -> dict[str, dict[str, float | None]] | None:
    """What each way to hold films out could promise by itself; the operating points take the lower."""
    if run.by_batch is None:
        return None
    ways = {"by patient": Promises.of(run.judged), "by batch": Promises.of(run.by_batch)}
    return {way: {"rule_out": found.rule_out.promise, "rule_in": found.rule_in.promise} for way, found in ways.items()}


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
        "view": run.config.view,
        "label_source": run.config.label_source,
        "prevalence": images[run.judged.positive] / len(learnt) if run.judged.positive else None,
        "test_images": len(manifest.entries) - len(learnt),
        "set_aside": len(manifest.set_aside),
    }


def _int8(run: Run) -> dict[str, Any] | None:
    """What a backbone in int8 was made from; None for another."""
    if not is_int8(run.weights):
        return None
    origin = asdict(read_origin(run.backbone, run.weights))
    return {**origin, "films": len(origin["films"])}


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
        field=run.config.field,
    )  # fmt: skip


def _backbone_file(weights: WeightsFile) -> str | None:
    """The name of the copy inside the bundle, for weights that are not to be had elsewhere."""
    if weights.source in ("vendored", "published"):
        return None
    # Keras tells its two weight formats apart by this suffix.
    return "backbone.weights.h5" if weights.path.name.endswith(".weights.h5") else f"backbone{weights.path.suffix}"


def _write_files(run: Run, report: Mapping[str, Any], found: Findings, folder: Path) -> None:
    run.heads.kept.head.save(folder / HEAD_FILE)
    report = {**report, "head_sha256": digest(folder / HEAD_FILE)}
    run.gate.save(folder)
    save_learnt(run.manifest, folder)
    if run.group:
        run.group.save(folder)
    if name := _backbone_file(run.weights):
        shutil.copyfile(run.weights.path, folder / name)
    thresholds = {point.name: point.threshold for point in run.points}
    draw_judged(run.judged, found.out_of_fold, run.operating_point, folder, thresholds=thresholds)
    if found.test and found.test_split:
        draw_judged(found.test, found.test_split, run.operating_point, folder, thresholds=thresholds, prefix="test_")
    losses, epochs = [fitted.losses for fitted in run.heads.folds], [fitted.epochs for fitted in run.heads.folds]
    plot_learning_curves(losses, epochs, folder / "learning_curves.png")
    write_report(report, folder)


def _show(console: Console, metrics: Metrics, run: Run) -> None:
    console.print(metrics_table("On patients it had not seen", metrics, run.operating_point))
    if run.heads.batches:
        console.print(
            f"AUROC on left-out acquisition batches, mean of {len(run.heads.batches)}: {_mean_auroc(run.heads.batches):.4f}"
        )
