"""What a bundle does with films that went through worse than its own, and whether it looks at the lungs at all.

A few films of each class are shown as they are, in thirteen corruptions of five severities, without their lungs and with
letters in their corners; and their heatmaps are held against those of networks that have forgotten. Each film passes 76 times
through the backbone: 400 films take some minutes on two cores.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.backbones.pooling import pooled_rows
from models.backbones.table import get_backbone
from models.bundle import Bundle, BundleSpec
from models.engines.engine import Engine
from models.engines.load import load_engine
from models.gate import Gate
from models.head import select_pooling
from models.prediction import take_verdict
from models.predictor import backbone_weights, load_gate, load_head
from models.system.files import write_atomically
from models.system.progress import Advance, progress_bar
from training.data.learnable import learnable
from training.data.manifest import Manifest
from training.embedding.find_lungs import lungs_for
from training.heads.out_of_fold_heads import Judges, refit_folds
from training.metrics.bootstrap import BoolArray, Estimate
from training.stress.corruptions import CORRUPTIONS, SEVERITIES
from training.stress.films import CLEAN, LUNGLESS, Sample, Show, cell_name, draw_sample, example_rows, pictures
from training.stress.heatmap_sanity import check_heatmaps
from training.stress.report import draw_stress, show_stress
from training.stress.robustness import Finding, balanced_errors, lungless_finding, marker_finding, mean_auroc
from training.stress.shortcuts import MARKERS

_BATCH: Final = 32
_HEATMAPS: Final = 64  # films are enough for a mean; their maps are large
_FOLD_HEADS: Final = "heads of the cross-validation, each on patients it has not seen"
_OWN_HEAD: Final = "the bundle's head"


class Judgement(NamedTuple):
    """What is said of one picture of each film.

    Attributes:
        logits: `(n, classes)`.
        verdicts: `(n,)`, class indices at the bundle's operating point, whatever the gate says.
        withheld: share of the films whose verdict the gate would withhold; None for a bundle without a gate.
    """

    logits: NDArray[np.float32]
    verdicts: NDArray[np.int64]
    withheld: float | None


def stress(
    bundle: Bundle,
    manifest: Manifest,
    out: Path,
    console: Console,
    *,
    cache: Path,
    sample: int,
    seed: int,
    engine: str = "auto",
) -> dict[str, Any]:
    """Write `stress.json`, `stress.png` and `stress_films.png` (which shows a patient) into `out`; return the JSON.

    Args:
        bundle: verified.
        manifest: of the folder; its test split is drawn from where it has one, else all of it. Where these are the very
            films that the bundle was trained on, each is judged by a head of its cross-validation that has not seen its
            patient.
        out, cache: folders; of what is written, where files of an earlier run are replaced, and of embeddings.
        sample, seed: how many films, as many of each class, and the seed of their choice and of the noise.
        engine: one of `models.engines.load.ENGINES`.

    Raises:
        BundleError, WeightsError, ValueError: with a sentence that says what to do.
    """
    lungs = lungs_for(bundle, manifest.root, manifest.entries, cache, engine, console)
    manifest = lungs.usable(manifest) if lungs else manifest
    spec, entries = bundle.spec, manifest.select("test") or learnable(manifest)
    seen = (fingerprint := replace(manifest, entries=entries).fingerprint) == spec.data["fingerprint"]
    running = load_engine(get_backbone(spec.backbone.id), backbone_weights(bundle), engine=engine)
    size = running.backbone.input_size
    films = draw_sample(manifest.root, entries, spec.labels, sample, seed=seed, size=size, lungs=lungs)
    own = Judges([load_head(bundle)], np.zeros(len(films.films), dtype=np.int64))
    judges = refit_folds(bundle, manifest, running, cache, console, lungs).of(films.places) if seen else own
    with progress_bar(console, "Stressing") as advance:
        judged = judge_pictures(bundle, running, judges, films, pictures(seed), advance)
    with console.status("Heatmaps of networks that have forgotten …"):
        sanity = _check_heatmaps(spec, running, judges, films, seed)
    with console.status("Intervals and plots …"):
        of_folder = {"data_fingerprint": fingerprint, "patient_source": manifest.patient_source, "seed": seed}
        report = {**_facts(bundle, films, seen=seen), **of_folder, **numbers(films, judged, sanity)}
        write_atomically(out / "stress.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
        plots = draw_stress(report, example_rows(films, seed), out)
    show_stress(console, report, [out / "stress.json", *plots])
    return report


def _facts(bundle: Bundle, sample: Sample, *, seen: bool) -> dict[str, Any]:
    """Of `stress.json`: who was judged, and by whom."""
    spec = bundle.spec
    return {
        "bundle": spec.name,
        "bundle_sha256": bundle.sha256,
        "is_training_data": seen,
        "judged_by": _FOLD_HEADS if seen else _OWN_HEAD,
        "images": {label: int((sample.truth == index).sum()) for index, label in enumerate(spec.labels)},
        "patients": len(set(sample.patients)),
        "operating_point": asdict(spec.operating_point) if spec.operating_point else None,
    }


def judge_pictures(
    bundle: Bundle, engine: Engine, judges: Judges, sample: Sample, shown: Mapping[str, Show], progress: Advance
) -> dict[str, Judgement]:
    """Pass every picture of the films through the network. Embeddings are not kept: no other run shows the same ones."""
    spec, gate, count = bundle.spec, load_gate(bundle), len(sample.films)
    judged: dict[str, Judgement] = {}
    for number, (name, show) in enumerate(shown.items()):
        parts = []
        for start in range(0, count, _BATCH):
            part = slice(start, start + _BATCH)
            batch = zip(sample.films[part], sample.entries[part], strict=True)
            pixels = np.stack([show(film, entry.sha256) for film, entry in batch])
            parts.append(pooled_embeddings(engine, pixels, sample.weights(part)))
            progress(number * count + start + len(pixels), len(shown) * count)
        pooled = np.concatenate(parts)
        logits = judges.logits(select_pooling(pooled, spec.head.pooling))
        judged[name] = _judgement(spec, logits, gate, gate_embeddings(sample, pooled[:, 0]))
    return judged


def pooled_embeddings(
    engine: Engine, films: NDArray[np.uint8], lungs: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """What is pooled, `(n, 3, d)`, of films `(n, size, size)` and how much of each of their places is lung."""
    seen = engine.run(films[..., None].astype(np.float32))
    return pooled_rows(seen.pooled, seen.feature_map, lungs)


def numbers(sample: Sample, judged: Mapping[str, Judgement], sanity: Sequence[Finding]) -> dict[str, Any]:
    """Of `stress.json`: the films as they are, the cells, their mean and the worst, and the shortcuts."""
    cells = [(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]
    keys = [cell_name(*cell) for cell in cells]
    verdicts = {name: judged[name].verdicts for name in (CLEAN, *keys)}
    errors = balanced_errors(sample.truth, verdicts, sample.patients, {"mean": keys})
    rows: list[dict[str, Any]] = [
        {
            "corruption": name,
            "severity": severity,
            **_numbers(errors[key]),
            "withheld": judged[key].withheld,
        }
        for (name, severity), key in zip(cells, keys, strict=True)
    ]
    shortcuts = [*find_shortcuts(sample, judged), *sanity]
    return {
        "clean": _numbers(errors[CLEAN]),
        "mean_balanced_error": _numbers(errors["mean"]),
        "worst": max(rows, key=lambda row: row["balanced_error"]),
        "cells": rows,
        "shortcuts": [finding.as_json() for finding in shortcuts],
    }


def find_shortcuts(sample: Sample, judged: Mapping[str, Judgement]) -> list[Finding]:
    """What films without lungs and films with markers give away."""
    lungless = [
        lungless_finding(name, what, mean_auroc(sample.truth, judged[name].logits, sample.patients))
        for name, (_, what) in LUNGLESS.items()
    ]
    changed: dict[tuple[str, str], BoolArray] = {
        (letter, corner): judged[f"{letter} {corner}"].verdicts != judged[CLEAN].verdicts for letter, corner in MARKERS
    }
    return [*lungless, marker_finding(changed, sample.patients)]


def _check_heatmaps(spec: BundleSpec, engine: Engine, judges: Judges, sample: Sample, seed: int) -> list[Finding]:
    some = np.unique(np.linspace(0, len(sample.films) - 1, _HEATMAPS).astype(np.int64))
    heads = [judges.heads[judges.of_film[index]] for index in some]
    return check_heatmaps(spec, engine, heads, sample.of(some), seed=seed)


def _judgement(
    spec: BundleSpec, logits: NDArray[np.float32], gate: Gate | None, embeddings: NDArray[np.float32]
) -> Judgement:
    point, probabilities = spec.operating_point, spec.calibration.probabilities(logits)
    points = (point,) if point else ()
    taken = [take_verdict(spec.labels, row, positive=spec.positive, points=points) for row in probabilities]
    verdicts = np.array([spec.labels.index(verdict) for verdict in taken], dtype=np.int64)
    withheld = float((gate.distances(embeddings) > gate.thresholds.unlike).mean()) if gate else None
    return Judgement(logits, verdicts, withheld)


def gate_embeddings(sample: Sample, means: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the gate measures: the means of pictures `(n, d)`, behind what the whole films look like where lungs are cut out."""
    return means if sample.lungs is None else np.concatenate([sample.lungs.whole(sample.entries), means], axis=1)


def _numbers(estimate: Estimate | None) -> dict[str, float | int | None]:
    if estimate is None:
        return dict.fromkeys(("balanced_error", "low", "high", "n", "patients"))
    return {
        "balanced_error": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "n": estimate.n,
        "patients": estimate.patients,
    }
