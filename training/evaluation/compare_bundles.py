"""Two bundles on the same patients, whom the newer one has never learnt from: which one is better, and by what it goes.

Seconds for films whose embeddings are kept.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.backbones.table import get_backbone
from models.bundle import Bundle
from models.engines.load import load_engine
from models.head import select_pooling
from models.predictor import backbone_weights, load_head
from models.system.files import write_atomically
from models.system.progress import progress_bar
from training.config import NO_VIEWS
from training.data.locked import overlap
from training.data.manifest import Entry, Manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.embed import embed
from training.embedding.find_lungs import lungs_for
from training.embedding.views import Probe, View
from training.metrics.bootstrap import Estimate, Metrics, metrics_json
from training.metrics.paired import DIFFERENCES, Scores, paired_metrics
from training.plots.comparison_plot import plot_comparison

COMPARISON_FILE: Final = "comparison.json"
PLOT_FILE: Final = "comparison.png"

SHOWN: Final[dict[View, str]] = {0: "films", Probe.EXCHANGED: "exchanged", Probe.SURROUNDINGS: "alone"}
"""What both are shown: the films; their lungs on surroundings of the other class; the surroundings without lungs."""

_WHOLE_FILMS: Final[tuple[View, ...]] = (0,)


def compare_bundles(
    later: Bundle,
    earlier: Bundle,
    manifest: Manifest,
    out: Path,
    console: Console,
    *,
    cache: Path,
    engine: str = "auto",
) -> dict[str, Any]:
    """Write `comparison.json` and `comparison.png` into `out`, and return what the JSON says.

    Args:
        manifest: the films of its test split are what both are shown.
        out: a folder; it shows no patient.
    """
    entries = manifest.select("test")
    reason = _incomparable(later, earlier, entries)
    rows: dict[str, dict[str, Metrics]] = {}
    if not reason:
        entries = _upright(later, earlier, manifest.root, entries, cache, engine, console)
        rows = _rows(later, earlier, manifest.root, entries, cache, engine, console)
    report = {
        "later": _named(later, entries),
        "earlier": _named(earlier, entries),
        "images": len(entries),
        "patients": len({entry.patient for entry in entries}),
        "positives": sum(entry.label == later.spec.positive for entry in entries),
        "reason": reason,
        "rows": {shown: {kind: metrics_json(one) for kind, one in row.items()} for shown, row in rows.items()},
        "worse": _is_worse(rows),
    }
    write_atomically(out / COMPARISON_FILE, json.dumps(report, indent=2, allow_nan=False) + "\n")
    if rows:
        plot_comparison(rows, (later.spec.name, earlier.spec.name), out / PLOT_FILE)
    _show(console, report, rows)
    return report


def _incomparable(later: Bundle, earlier: Bundle, entries: Sequence[Entry]) -> str:
    """Why the two cannot be compared by numbers; empty where they can."""
    one, other = later.spec, earlier.spec
    if set(one.labels) != set(other.labels):
        return f"They know different classes: {', '.join(one.labels)}; {', '.join(other.labels)}."
    if one.positive is None or one.positive != other.positive:
        return "They have no positive class in common."
    return "" if entries else "No patient was locked away."


def _upright(
    later: Bundle, earlier: Bundle, root: Path, entries: Sequence[Entry], cache: Path, engine: str, console: Console
) -> tuple[Entry, ...]:
    """The films that both can judge as they are."""
    for bundle in (later, earlier):
        lungs = lungs_for(bundle, root, entries, cache, engine, console)
        if lungs is not None:
            return tuple(entry for entry in entries if lungs.hindrance(entry.sha256) is None)
    return tuple(entries)


def _rows(
    later: Bundle, earlier: Bundle, root: Path, entries: Sequence[Entry], cache: Path, engine: str, console: Console
) -> dict[str, dict[str, Metrics]]:
    """The numbers of both and their difference, by what both were shown."""
    truth = np.array([entry.label == later.spec.positive for entry in entries])
    patients = [entry.patient for entry in entries]
    views = tuple(SHOWN) if {later.spec.field, earlier.spec.field} == {"lungs"} else _WHOLE_FILMS
    found = [_probabilities(bundle, root, entries, views, cache, engine, console) for bundle in (later, earlier)]
    thresholds = [_threshold(bundle) for bundle in (later, earlier)]
    with console.status("Comparing …"):
        return {
            SHOWN[view]: paired_metrics(
                truth,
                Scores(found[0][:, place], thresholds[0]),
                Scores(found[1][:, place], thresholds[1]),
                patients,
            )
            for place, view in enumerate(views)
        }


def _probabilities(
    bundle: Bundle,
    root: Path,
    entries: Sequence[Entry],
    views: Sequence[View],
    cache: Path,
    engine: str,
    console: Console,
) -> NDArray[np.float64]:
    """Of the positive class, `(n, views)`."""
    spec = bundle.spec
    running = load_engine(get_backbone(spec.backbone.id), backbone_weights(bundle), engine=engine)
    lungs = lungs_for(bundle, root, entries, cache, engine, console)
    kept = EmbeddingCache.of(running, cache, field=lungs.finder if lungs else "")
    with progress_bar(console, f"Judging the locked patients with {spec.name}") as advance:
        pooled = embed(
            running, root, entries, kept, views=views, augmentation=NO_VIEWS, seed=0, lungs=lungs, progress=advance
        )
        advance(len(entries), len(entries))
    head, positive = load_head(bundle), spec.labels.index(str(spec.positive))
    return np.stack(
        [
            spec.calibration.probabilities(head.logits(select_pooling(pooled[:, place], spec.head.pooling)))[
                :, positive
            ]
            for place in range(len(views))
        ],
        axis=1,
    )


def _threshold(bundle: Bundle) -> float:
    point = bundle.spec.operating_point
    return point.threshold if point else 0.5


def _is_worse(rows: dict[str, dict[str, Metrics]]) -> bool:
    """Whether the later one is to be taken for worse: see `WORSE` in the words of the page.

    Its AUROC on the films is lower or not known; or, with surroundings exchanged, lower by more than chance.
    """
    plain, exchanged = (_auroc_difference(rows, shown) for shown in ("films", "exchanged"))
    return plain is None or plain.value < 0 or (exchanged is not None and exchanged.high < 0)


def _auroc_difference(rows: dict[str, dict[str, Metrics]], shown: str) -> Estimate | None:
    return rows[shown]["difference"]["auroc"] if shown in rows else None


def _named(bundle: Bundle, entries: Sequence[Entry]) -> dict[str, Any]:
    learnt = overlap(bundle.folder, entries)
    return {"name": bundle.spec.name, "sha256": bundle.sha256, "overlap": asdict(learnt) if learnt else None}


def _show(console: Console, report: dict[str, Any], rows: dict[str, dict[str, Metrics]]) -> None:
    names = [report[which]["name"] for which in ("later", "earlier")]
    console.print(f"{names[0]} and {names[1]} on {report['patients']:,} locked patients. {report['reason']}".strip())
    for shown, row in rows.items():
        for name in DIFFERENCES if shown == "films" else DIFFERENCES[:1]:
            if found := row["difference"][name]:
                text = f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
                console.print(f"{shown}: {name} {text}", markup=False)
