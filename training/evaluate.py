"""Judge a folder that a bundle was not trained on.

Seconds for images whose embeddings are in the cache, else the time of one pass through the backbone.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from models.backbones import get_backbone
from models.bundle import Bundle
from models.engines import load_engine
from models.files import write_atomically
from models.predictor import backbone_weights, load_head
from models.progress import progress_bar
from training.cache import EmbeddingCache
from training.figures import draw_judged
from training.judge import judge
from training.manifest import Entry, Manifest
from training.validation import Judged, Metrics
from training.wording import metrics_json, metrics_table


def evaluate(
    bundle: Bundle, manifest: Manifest, out: Path, console: Console, *, cache: Path, engine: str = "auto"
) -> dict[str, Any]:
    """Write `evaluation.json` and plots into `out`, and return what the JSON says.

    Args:
        bundle: verified.
        manifest: of the folder; its test split is judged where it has one, else all of it. Its labels are the bundle's.
        out: a folder; files of an earlier evaluation are replaced.
        cache: folder of embeddings.
        engine: one of `models.engines.ENGINES`.

    Raises:
        BundleError, WeightsError: with a sentence that says what to do.
    """
    entries = manifest.select("test") or manifest.entries
    running = load_engine(get_backbone(bundle.spec.backbone.id), backbone_weights(bundle), engine=engine)
    with progress_bar(console, "Embedding") as advance:
        judged = judge(
            running,
            load_head(bundle),
            bundle.spec.calibration,
            manifest.root,
            entries,
            EmbeddingCache.of(running, cache),
            pooling=bundle.spec.head.pooling,
            labels=bundle.spec.labels,
            positive=bundle.spec.positive,
            progress=advance,
        )
        advance(len(entries), len(entries))
    metrics = judged.metrics(bundle.spec.operating_point)
    report = _report(bundle, manifest, entries, judged, metrics)
    write_atomically(out / "evaluation.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    thresholds = {point.name: point.threshold for point in bundle.spec.operating_points}
    plots = draw_judged(judged, metrics, bundle.spec.operating_point, out, thresholds=thresholds)
    _show(console, bundle, metrics, [out / "evaluation.json", *plots], seen=report["is_training_data"])
    return report


def _report(
    bundle: Bundle, manifest: Manifest, entries: tuple[Entry, ...], judged: Judged, metrics: Metrics
) -> dict[str, Any]:
    spec, fingerprint = bundle.spec, replace(manifest, entries=entries).fingerprint
    return {
        "bundle": spec.name,
        "bundle_sha256": bundle.sha256,
        "data_fingerprint": fingerprint,
        "is_training_data": fingerprint == spec.data["fingerprint"],
        "images": {label: int((judged.truth == index).sum()) for index, label in enumerate(spec.labels)},
        "patients": len(set(judged.patients)),
        "patient_source": manifest.patient_source,
        "operating_point": asdict(spec.operating_point) if spec.operating_point else None,
        "metrics": metrics_json(metrics),
        "confusion": judged.confusion(spec.operating_point).tolist(),
        "set_aside": [{"file": str(one.path), "code": one.code} for one in manifest.set_aside],
    }


def _show(console: Console, bundle: Bundle, metrics: Metrics, written: Sequence[Path], *, seen: bool) -> None:
    if seen:
        console.print(
            "These are the very images that the bundle was trained on, so the numbers flatter it; its model card has "
            "those of patients that it had not seen.",
            style="yellow",
        )
    console.print(metrics_table(f"{bundle.spec.name} on these images", metrics, bundle.spec.operating_point))
    for path in written:
        console.print(str(path), markup=False, soft_wrap=True)
