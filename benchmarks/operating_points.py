"""Whether the operating points keep their promises on patients, and on acquisition batches, that took no part in choosing them.

    python -m benchmarks.operating_points mixed --json benchmarks/results/operating_points.json

About 10 minutes on two busy cores for 5,216 films whose embeddings are in the cache. In each of 20 repeats, three tenths of the
patients are put aside; the others go through the recipe of a training run: heads, calibration and thresholds from five
folds by patient and from left-out batches, and a head fitted on all of them. That head then judges the patients put aside; and
heads that have seen neither their patients nor their batches judge them once more. A promise counts as kept where the 95 %
interval measured on them reaches it. Compared with the plain choice, for which there is no promise: the threshold that just
reaches 0.95 on the out-of-fold predictions.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models.head import HeadConfig
from models.system.files import cache_folder, write_atomically
from models.system.progress import progress_bar
from models.system.quiet import import_keras_quietly
from training.config import LUNG_VIEWS, HeadTraining, RunConfig
from training.data.folds import grouped_folds, grouped_hold_out
from training.data.learnable import class_indices
from training.data.manifest import read_manifest
from training.embedding.embedded_films import EmbeddedFilms

REPEATS: Final = 20
SET_ASIDE: Final = 0.3
BACKBONE: Final = "efficientnet_lite0"
LABELS: Final = ("NORMAL", "PNEUMONIA")
COVERAGE: Final = 0.8
HEAD: Final = HeadConfig(pooling="lungs")  # those of the shipped bundle
HEAD_TRAINING: Final = HeadTraining()
PROMISED: Final = ("rule_out", "rule_in", "rule_out, left-out batches", "rule_in, left-out batches")


def main(arguments: Sequence[str] | None = None) -> int:
    """Repeat, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.operating_points",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="the training folder, with NORMAL/ and PNEUMONIA/")
    parser.add_argument("--cache", type=Path, default=cache_folder(), metavar="DIR", help="the embeddings")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    console = Console()
    import_keras_quietly()
    embedded = embed_films(options.data, options.cache, console)
    rows = []
    with progress_bar(console, "Repeating") as advance:
        for seed in range(REPEATS):
            rows.append(repeat(embedded, seed))
            advance(seed + 1, REPEATS)
    summary = summarise(rows)
    console.print(_table(summary))
    if options.json:
        write_atomically(options.json, json.dumps({"summary": summary, "repeats": rows}, indent=2) + "\n")
    return 0


def embed_films(folder: Path, cache: Path, console: Console) -> EmbeddedFilms:
    """The films with two augmented views, as a training run embeds them."""
    from models.backbones.table import get_backbone
    from models.backbones.weights import find_weights
    from models.engines.load import load_engine
    from training.embedding.cache import EmbeddingCache
    from training.embedding.embed import embed
    from training.embedding.find_lungs import find_folder_lungs

    backbone = get_backbone(BACKBONE)
    engine = load_engine(backbone, find_weights(backbone))
    entries = read_manifest(folder).entries
    with progress_bar(console, "Finding the lungs") as advance:
        lungs = find_folder_lungs(folder, entries, cache, progress=advance)
    kept = EmbeddingCache.of(engine, cache, field=lungs.finder)
    views = {"views": RunConfig.views, "augmentation": LUNG_VIEWS, "seed": RunConfig.seed}
    with progress_bar(console, "Embedding") as advance:
        embeddings = embed(engine, folder, entries, kept, **views, lungs=lungs, progress=advance)
    return EmbeddedFilms(entries, class_indices(entries, LABELS), tuple(entry.patient for entry in entries), embeddings)


def repeat(embedded: EmbeddedFilms, seed: int) -> dict[str, Any]:
    """Choose on some patients, measure on the others."""
    from training.heads.calibrate import calibrate, judged_by_batch
    from training.heads.fit_folds import fit_heads
    from training.heads.operating_points import operating_points
    from training.metrics.judged import Judged

    truth, patients = embedded.truth, embedded.patients
    learn, aside = grouped_hold_out(truth, patients, fraction=SET_ASIDE, seed=seed)
    known = EmbeddedFilms(
        tuple(embedded.entries[index] for index in learn),
        truth[learn],
        tuple(patients[index] for index in learn),
        embedded.embeddings[learn],
    )
    config = RunConfig(
        Path(), "repeat", Path(), seed=seed, search=False, field="lungs", head=HEAD, head_training=HEAD_TRAINING
    )
    folds = grouped_folds(known.truth, known.patients, seed=seed)
    heads = fit_heads(config, known, folds, Console(quiet=True))
    calibration, judged = calibrate(heads.logits, known.truth, known.patients, folds, labels=LABELS, positive=LABELS[1])
    by_batch = judged_by_batch(heads.by_batch, calibration, judged, known.truth, known.patients)
    points = {point.name: point for point in operating_points(judged, by_batch, draws=200)}
    plain = plain_threshold(judged.is_positive, judged.positive_probability)
    unseen = embedded.pooled(HEAD.pooling)[aside, 0]
    probabilities = calibration.probabilities(heads.kept.head.logits(unseen))
    new = Judged(truth[aside], probabilities, [patients[index] for index in aside], LABELS, LABELS[1])
    measured = {name: new.metrics(point) for name, point in points.items()}
    elsewhere = judged_by_batch(other_batches(embedded, learn, aside, seed), calibration, judged, truth, patients)
    beyond = {name: elsewhere.metrics(point) for name, point in points.items()} if elsewhere else {}
    return {
        "rule_out": _kept(points["rule_out"], measured["rule_out"]["sensitivity"]),
        "rule_in": _kept(points["rule_in"], measured["rule_in"]["specificity"]),
        "rule_out, left-out batches": _kept(points["rule_out"], beyond["rule_out"]["sensitivity"]),
        "rule_in, left-out batches": _kept(points["rule_in"], beyond["rule_in"]["specificity"]),
        "plain_sensitivity": float(np.mean(new.positive_probability[new.is_positive] >= plain)),
        "thresholds": {name: point.threshold for name, point in points.items()},
        **verdicts(new, points),
        "calibration_slope": measured["balanced"]["calibration_slope"].as_json(),  # type: ignore[union-attr]
    }


def other_batches(
    embedded: EmbeddedFilms, learn: NDArray[np.int64], aside: NDArray[np.int64], seed: int
) -> tuple[tuple[NDArray[np.int64], NDArray[np.float32]], ...]:
    """Of each choice of batches: which films put aside are of the others, and their logits by a head of these alone."""
    from training.heads.fit import Part, fit_side_by_side
    from training.heads.fit_folds import left_out_batches
    from training.heads.stack import Candidate

    embeddings, batches = embedded.pooled(HEAD.pooling), left_out_batches(embedded)
    parts = [Part(np.intersect1d(batch.fit, learn)) for batch in batches]
    candidates = [Candidate(HEAD, HEAD_TRAINING)]
    rows = fit_side_by_side(embeddings, embedded.truth, parts, candidates, classes=len(LABELS), seed=seed)
    judged = [np.intersect1d(batch.held_out, aside) for batch in batches]
    return tuple((films, row[0].head.logits(embeddings[films, 0])) for films, row in zip(judged, rows, strict=True))


def plain_threshold(positive: Any, probability: Any) -> float:
    """The highest threshold with a sensitivity of 0.95 on the predictions that it is chosen on."""
    return float(np.quantile(probability[positive], 0.05, method="lower"))


def verdicts(judged: Any, points: Mapping[str, Any]) -> dict[str, float]:
    """How many verdicts are withheld, and how many of the others are wrong."""
    probability, truth = judged.positive_probability, judged.is_positive
    out, balanced, into = (points[name].threshold for name in ("rule_out", "balanced", "rule_in"))
    wrong = (probability >= balanced) != truth
    undecided = (probability >= out) & (probability < into)
    # Confidence is the distance from the balanced threshold in log-odds; the least sure films are left out.
    odds = np.log(probability / (1 - probability)) - np.log(balanced / (1 - balanced))
    sure = np.argsort(-np.abs(odds), kind="stable")[: round(COVERAGE * len(truth))]
    return {
        "indeterminate": float(undecided.mean()),
        "error": float(wrong.mean()),
        "error_outside_the_zone": float(wrong[~undecided].mean()),
        "error_at_80_percent_coverage": float(wrong[sure].mean()),
    }


def _kept(point: Any, measured: Any) -> dict[str, Any]:
    return {
        "promise": point.promise,
        "measured": [measured.value, measured.low, measured.high],
        "kept": bool(measured.high >= point.promise),
        "reached": bool(measured.value >= point.promise),
    }


def summarise(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the repeats say together."""
    summary: dict[str, Any] = {"repeats": len(rows)}
    for name in PROMISED:
        results = [row[name] for row in rows]
        summary[name] = {
            "kept": sum(result["kept"] for result in results),
            "reached": sum(result["reached"] for result in results),
            "promise": float(np.mean([result["promise"] for result in results])),
            "measured": float(np.mean([result["measured"][0] for result in results])),
        }
    summary["plain"] = {
        "reached": sum(row["plain_sensitivity"] >= 0.95 for row in rows),
        "measured": float(np.mean([row["plain_sensitivity"] for row in rows])),
    }
    for name in ("indeterminate", "error", "error_outside_the_zone", "error_at_80_percent_coverage"):
        summary[name] = float(np.mean([row[name] for row in rows]))
    summary["calibration_slope"] = float(np.mean([row["calibration_slope"]["value"] for row in rows]))
    summary["slope_interval_has_1"] = sum(
        row["calibration_slope"]["low"] <= 1 <= row["calibration_slope"]["high"] for row in rows
    )
    return summary


def _table(summary: Mapping[str, Any]) -> Table:
    table = Table("point", "promise, mean", "measured on new patients, mean", "kept", "reached outright")
    for name in PROMISED:
        row = summary[name]
        shown = f"{row['promise']:.4f}", f"{row['measured']:.4f}", f"{row['kept']} of {summary['repeats']}"
        table.add_row(name, *shown, f"{row['reached']} of {summary['repeats']}")
    plain = summary["plain"]
    table.add_row("plain 0.95", "none", f"{plain['measured']:.4f}", "", f"{plain['reached']} of {summary['repeats']}")
    table.caption = ", ".join(
        f"{name.replace('_', ' ')} {summary[name]:.2%}"
        for name in ("indeterminate", "error", "error_outside_the_zone", "error_at_80_percent_coverage")
    )
    return table


if __name__ == "__main__":
    sys.exit(main())
