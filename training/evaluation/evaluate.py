"""Judge a folder that a bundle was not trained on.

Half a minute for 5,000 images whose embeddings are in the cache, else the time of one pass through the backbone more.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from models.backbones.table import get_backbone
from models.bundle import Bundle
from models.engines.load import load_engine
from models.prediction import OperatingPoint
from models.predictor import backbone_weights, load_gate, load_head
from models.system.files import write_atomically
from models.system.progress import progress_bar
from training.data.manifest import Entry, Manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.find_lungs import lungs_for
from training.evaluation.confident_errors import confident_errors, draw_errors
from training.evaluation.judge_films import judge
from training.evaluation.page import PAGE_FILE, evaluation_page
from training.metrics.abstention import abstention_report
from training.metrics.assessment import Assessment, assess
from training.metrics.bootstrap import DRAWS, metrics_json
from training.metrics.classification import verdict_metrics
from training.metrics.comparison import Earlier, compare, difference_text
from training.metrics.judged import Judged
from training.metrics.subgroups import Column, subgroup_report
from training.plots.figures import draw_judged
from training.reports.wording import metric_name, metrics_table

EVALUATION_FILE: Final = "evaluation.json"


@dataclass(frozen=True)
class Task:
    """What is evaluated.

    Attributes:
        bundle: verified.
        manifest: of the folder. Its labels are the bundle's.
        entries: the images that are judged: the folder's test split where it has one, else all of it.
        columns: what divides them into subgroups.
        earlier: the result that the drop is measured from; None: no comparison.
    """

    bundle: Bundle
    manifest: Manifest
    entries: tuple[Entry, ...]
    columns: Sequence[Column] = ()
    earlier: Earlier | None = None

    @property
    def fingerprint(self) -> str:
        return replace(self.manifest, entries=self.entries).fingerprint


def evaluate(task: Task, out: Path, console: Console, *, cache: Path, engine: str = "auto") -> dict[str, Any]:
    """Write `evaluation.json`, plots and `evaluation.html` into `out`, and return what the JSON says.

    Args:
        out: a folder; files of an earlier evaluation are replaced. The page and the sheet of errors show patients.
        cache: folder of embeddings.
        engine: one of `models.engines.load.ENGINES`.

    Raises:
        BundleError, WeightsError: with a sentence that says what to do.
    """
    spec = task.bundle.spec
    judged = _judge(task, cache, engine, console)
    with console.status("Intervals, plots and page …"):
        assessment = assess(judged, spec.operating_point, draws=DRAWS)
        report = _report(task, judged, assessment)
        write_atomically(out / EVALUATION_FILE, json.dumps(report, indent=2, allow_nan=False) + "\n")
        thresholds = {point.name: point.threshold for point in spec.operating_points}
        plots = draw_judged(judged, assessment, spec.operating_point, out, thresholds=thresholds)
        if sheet := draw_errors(report["errors"], task.manifest.root, out):
            plots.append(sheet)
        write_atomically(out / PAGE_FILE, evaluation_page(report, {path.stem: path for path in plots}))
    _show(console, task, assessment, [out / PAGE_FILE, out / EVALUATION_FILE, *plots], report)
    return report


def _judge(task: Task, cache: Path, engine: str, console: Console) -> Judged:
    bundle = task.bundle
    running = load_engine(get_backbone(bundle.spec.backbone.id), backbone_weights(bundle), engine=engine)
    lungs = lungs_for(bundle, task.manifest.root, task.entries, cache, engine, console)
    with progress_bar(console, "Embedding") as advance:
        judged = judge(
            running,
            load_head(bundle),
            bundle.spec.calibration,
            task.manifest.root,
            task.entries,
            EmbeddingCache.of(running, cache, field=lungs.finder if lungs else ""),
            pooling=bundle.spec.head.pooling,
            labels=bundle.spec.labels,
            positive=bundle.spec.positive,
            gate=load_gate(bundle),
            lungs=lungs,
            progress=advance,
        )
        advance(len(task.entries), len(task.entries))
    return judged


def _report(task: Task, judged: Judged, assessment: Assessment) -> dict[str, Any]:
    spec, point = task.bundle.spec, task.bundle.spec.operating_point
    return {
        "bundle": spec.name,
        "bundle_sha256": task.bundle.sha256,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "labels": list(spec.labels),
        "positive": spec.positive,
        "trained_on": {name: spec.data.get(name) for name in ("population", "view", "label_source", "patients", "images")},
        "data_fingerprint": task.fingerprint,
        "is_training_data": task.fingerprint == spec.data["fingerprint"],
        "images": {label: int((judged.truth == index).sum()) for index, label in enumerate(spec.labels)},
        "patients": len(set(judged.patients)),
        "patient_source": task.manifest.patient_source,
        "prevalence": float(judged.is_positive.mean()) if spec.positive else None,
        "draws": DRAWS,
        "operating_point": asdict(point) if point else None,
        "operating_points": [{**asdict(one), **_at(judged, one)} for one in spec.operating_points],
        **assessment.as_json(),
        "abstention": abstention_report(judged, spec.operating_points, point, draws=DRAWS),
        "subgroups": subgroup_report(judged, point, task.columns, draws=DRAWS),
        "errors": confident_errors(judged, task.entries, point),
        "comparison": _comparison(task, assessment),
        "set_aside": [{"file": str(one.path), "code": one.code} for one in task.manifest.set_aside],
        "left_out": [{"path": str(one.path), "reason": one.reason} for one in task.manifest.left_out],
    }  # fmt: skip


def _at(judged: Judged, point: OperatingPoint) -> dict[str, Any]:
    """What the images here give at one of the bundle's operating points."""
    counts = judged.confusion(point)
    found = verdict_metrics(judged.is_positive, judged.positive_probability >= point.threshold, judged.patients)
    here = {name: found[name] for name in ("sensitivity", "specificity")}
    return {"here": {"confusion": counts.tolist(), **metrics_json(here)}}


def _comparison(task: Task, assessment: Assessment) -> dict[str, Any] | None:
    if task.earlier is None:
        return None
    return compare(assessment.metrics, task.earlier, bundle=task.bundle.spec.name, fingerprint=task.fingerprint)


def _show(
    console: Console, task: Task, assessment: Assessment, written: Sequence[Path], report: Mapping[str, Any]
) -> None:
    if report["is_training_data"]:
        console.print(
            "These are the very images that the bundle was trained on, so the numbers flatter it; its model card has "
            "those of patients that it had not seen.",
            style="yellow",
        )
    spec = task.bundle.spec
    console.print(metrics_table(f"{spec.name} on these images", assessment.metrics, spec.operating_point))
    for line in _sentences(report):
        console.print(line, markup=False)
    for path in written:
        console.print(str(path), markup=False, soft_wrap=True)


def _sentences(report: Mapping[str, Any]) -> list[str]:
    """The abstentions and the drop, for the terminal."""
    counts, total = report["abstention"]["counts"], sum(report["images"].values())
    lines = [", ".join(f"{name.replace('_', ' ')} {count:,} of {total:,}" for name, count in counts.items()) + "."]
    rows = report["comparison"]["rows"] if report["comparison"] else []
    return lines + [
        f"{metric_name(row['metric'])}, change from before: {difference_text(row['difference'])}"
        for row in rows
        if row["difference"] and not row["follows_prevalence"]
    ]
