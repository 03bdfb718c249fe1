"""Judge a folder that a bundle was not trained on.

Seconds for images whose embeddings are in the cache, else the time of one pass through the backbone.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from models.backbones import get_backbone
from models.bundle import Bundle, load_bundle
from models.files import write_atomically
from models.network import build_feature_extractor
from models.predictor import backbone_weights, load_head
from models.progress import progress_bar
from training.bootstrap import interval_text
from training.cache import EmbeddingCache
from training.figures import draw_judged
from training.judge import judge
from training.manifest import Manifest, read_manifest
from training.patients import DatasetError
from training.run import metrics_json
from training.validation import Judged


def evaluate(
    name: str,
    data: Path,
    out: Path,
    console: Console,
    *,
    cache: Path,
    patient_regex: str | None = None,
    patients_csv: Path | None = None,
) -> dict[str, Any]:
    """Write `evaluation.json` and plots into `out`, and return what the JSON says.

    Raises:
        BundleError, WeightsError, DatasetError: with a sentence that says what to do.
    """
    bundle = load_bundle(name)
    with progress_bar(console, "Reading images") as advance:
        manifest = read_manifest(data, patient_regex=patient_regex, patients_csv=patients_csv, progress=advance)
    _require_labels(bundle, manifest)
    entries = manifest.select("test") or manifest.entries
    backbone, weights = get_backbone(bundle.spec.backbone.id), backbone_weights(bundle)
    with progress_bar(console, "Embedding") as advance:
        judged = judge(
            build_feature_extractor(backbone, weights),
            load_head(bundle),
            bundle.spec.calibration,
            manifest.root,
            entries,
            EmbeddingCache(cache, backbone, weights.sha256),
            labels=bundle.spec.labels,
            positive=bundle.spec.positive,
            progress=advance,
        )
        advance(1, 1)
    seen = manifest.fingerprint == bundle.spec.data["fingerprint"]
    report = _report(bundle, manifest, judged, seen=seen)
    write_atomically(out / "evaluation.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
    thresholds = {point.name: point.threshold for point in bundle.spec.operating_points}
    plots = draw_judged(judged, bundle.spec.operating_point, out, thresholds=thresholds)
    _show(console, judged, bundle, [out / "evaluation.json", *plots], seen=seen)
    return report


def _require_labels(bundle: Bundle, manifest: Manifest) -> None:
    if strange := sorted(set(manifest.labels) - set(bundle.spec.labels)):
        raise DatasetError(
            "unknown_class",
            f"The bundle {bundle.spec.name!r} knows the classes {', '.join(bundle.spec.labels)}. The folder has "
            f"{', '.join(strange)}: name its class folders as the bundle does, or leave them out.",
        )


def _report(bundle: Bundle, manifest: Manifest, judged: Judged, *, seen: bool) -> dict[str, Any]:
    spec = bundle.spec
    return {
        "bundle": spec.name,
        "bundle_sha256": bundle.sha256,
        "data_fingerprint": manifest.fingerprint,
        "is_training_data": seen,
        "images": {label: int((judged.truth == index).sum()) for index, label in enumerate(spec.labels)},
        "patients": len(set(judged.patients)),
        "patient_source": manifest.patient_source,
        "operating_point": asdict(spec.operating_point) if spec.operating_point else None,
        "metrics": metrics_json(judged.metrics(spec.operating_point)),
        "confusion": judged.confusion(spec.operating_point).tolist(),
        "set_aside": [{"file": str(one.path), "code": one.code} for one in manifest.set_aside],
    }


def _show(console: Console, judged: Judged, bundle: Bundle, written: Sequence[Path], *, seen: bool) -> None:
    if seen:
        console.print(
            "This is the very folder that the bundle was trained on: these numbers flatter it. The card has the honest ones.",
            style="yellow",
        )
    table = Table("metric", "value (95 % interval, by patient)", "n")
    for name, estimate in judged.metrics(bundle.spec.operating_point).items():
        table.add_row(name, interval_text(estimate), f"{estimate.n:,}" if estimate else "")
    console.print(table)
    for path in written:
        console.print(str(path), markup=False)
