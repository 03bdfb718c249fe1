"""A backbone in int8 against the same one in floating point: heads judged on the same patients, and the time of a film.

    python -m benchmarks.int8 mixed --json benchmarks/results/int8.json

DATA is a training folder. Both embed it, with two augmented views of each film; the head that a search takes for the one in
floating point is fitted on both. Three AUROC, each on patients, or batches, that the heads have not seen, and their paired
differences, with 95 % intervals by patient. Then what a film takes, many at a time and alone, in turns. Some ten minutes on two
cores for 5,216 films and EfficientNet-Lite0; `--sample` takes the films of so many patients alone.
"""

import argparse
import hashlib
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import machine, median_seconds, versions, write_json
from models.backbones.table import BACKBONES, DEFAULT_BACKBONE
from models.engines.engine import Engine
from models.head import HeadConfig, select_pooling
from models.system.files import cache_folder
from training.config import LUNG_VIEWS, NO_VIEWS, RunConfig
from training.data.folder import read_films
from training.data.folds import Split
from training.data.learnable import learnable, split_patients
from training.data.manifest import Manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.choose_engine import choose_engine, in_int8
from training.embedding.embed import prepared_views
from training.embedding.embed_folder import embed_folder
from training.embedding.embedded_films import EmbeddedFilms
from training.embedding.find_lungs import without_lungless
from training.embedding.folder_lungs import FolderLungs, film_of
from training.heads.fit_folds import FittedHeads, fit_heads
from training.heads.search import search_heads
from training.metrics.bootstrap import bootstrap, estimate_of, interval_text, metrics_json
from training.metrics.weighted import auroc

SCORES: Final = ("by patient", "left-out batch", "surroundings exchanged")
_TIMED: Final = 64
_ROUNDS: Final = 7


@dataclass(frozen=True)
class Judged:
    """What heads on one backbone say of films that they have not seen: logits, and of which of all films."""

    by_patient: NDArray[np.float32]
    by_batch: tuple[tuple[NDArray[np.int64], NDArray[np.float32]], ...]
    exchanged: tuple[NDArray[np.int64], NDArray[np.float32]]

    @classmethod
    def of(cls, heads: FittedHeads, embedded: EmbeddedFilms, splits: Sequence[Split], pooling: str) -> "Judged":
        """By the heads of a cross-validation, and of left-out batches."""
        if embedded.probes is None:
            raise ValueError("The films must have been cut to their lungs.")
        places, shown = embedded.probes.places, select_pooling(embedded.probes.exchanged, pooling)
        logits = np.empty((len(places), heads.logits.shape[1]), np.float32)
        for (_, held_out), one in zip(splits, heads.folds, strict=True):
            own = np.isin(places, held_out)
            logits[own] = one.head.logits(shown[own])
        return cls(heads.logits, heads.by_batch, (places, logits))

    def scores(self, weights: NDArray[np.float64], truth: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """`SCORES`, for draws `(draws, n)` of all films."""
        batches = [auroc(weights[:, part], truth[part], logits) for part, logits in self.by_batch]
        places, logits = self.exchanged
        found = (
            auroc(weights, truth, self.by_patient),
            np.mean(batches, axis=0),
            auroc(weights[:, places], truth[places], logits),
        )
        return dict(zip(SCORES, found, strict=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Embed, fit, compare, print the tables."""
    options = build_parser().parse_args(arguments)
    console = Console()
    head = HeadConfig(pooling="lungs")
    config = RunConfig(
        options.data, "int8", options.cache, backbone=options.backbone, engine="openvino", weights=options.weights,
        field="lungs", augmentation=LUNG_VIEWS, head=head, search=True,
    )  # fmt: skip
    manifest = sampled(read_films(options.data, None, None, options.cache, console), options.sample)
    exact = choose_engine(config, console)
    manifest, lungs = without_lungless(config, manifest, console)
    engines = {exact.precision: exact, "int8": in_int8(manifest, exact, console, lungs)}
    quality = compare(config, manifest, engines, lungs, console)
    films = some_films(manifest, lungs, exact.backbone.input_size)
    found = {
        "command": f"python -m benchmarks.int8 DATA --backbone {exact.backbone.id}",
        "backbone": exact.backbone.id, "machine": machine(), "versions": versions(),
        **quality, **agreement(engines, films), "load_before": round(os.getloadavg()[0], 2), "speed": speed(engines, films),
    }  # fmt: skip
    show(found, console)
    if options.json:
        write_json(options.json, found)
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.int8", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="a training folder of two classes, in its batches")
    parser.add_argument("--backbone", choices=list(BACKBONES), default=DEFAULT_BACKBONE)
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a local weight file for the backbone")
    parser.add_argument("--sample", type=int, metavar="N", help="films of N patients alone, always the same ones")
    parser.add_argument("--cache", type=Path, default=cache_folder(), metavar="DIR", help="where embeddings are kept")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser


def sampled(manifest: Manifest, count: int | None) -> Manifest:
    """The films of so many patients, in the order of the digests of their names; None: of all."""
    patients = sorted(
        {entry.patient for entry in manifest.entries}, key=lambda name: hashlib.sha256(name.encode()).hexdigest()
    )
    kept = set(patients[:count])
    return replace(manifest, entries=tuple(entry for entry in manifest.entries if entry.patient in kept))


def compare(
    config: RunConfig, manifest: Manifest, engines: Mapping[str, Engine], lungs: FolderLungs, console: Console
) -> dict[str, Any]:
    """The scores of heads on both, and what int8 has more of them than the other."""
    splits, judged = split_patients(config, manifest), {}
    for name, engine in engines.items():
        cache = EmbeddingCache.of(engine, config.cache, field=lungs.finder)
        embedded = embed_folder(config, manifest, engine, cache, console, lungs)
        if not judged:
            best = search_heads(config, embedded, splits, console).best.candidate
            config = replace(config.with_head(best.head, best.training), search=False)
        heads = fit_heads(config, embedded, splits, console)
        judged[name] = Judged.of(heads, embedded, splits, config.head.pooling)
    (exact, one), (_, other) = judged.items()

    def statistics_of(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        before, after = one.scores(weights, embedded.truth), other.scores(weights, embedded.truth)
        return {
            **{f"{exact} {name}": value for name, value in before.items()},
            **{f"int8 {name}": value for name, value in after.items()},
            **{f"difference {name}": after[name] - before[name] for name in SCORES},
        }

    estimates = metrics_json(bootstrap(statistics_of, embedded.patients))
    auroc_of = {kind: {name: estimates[f"{kind} {name}"] for name in SCORES} for kind in (exact, "int8", "difference")}
    setting = {"films": len(embedded.truth), "patients": len(set(embedded.patients)), "float": exact}
    return {**setting, "head": best.head.pooling, "width": best.head.width, "l2": best.training.l2, "auroc": auroc_of}


def some_films(manifest: Manifest, lungs: FolderLungs, size: int) -> NDArray[np.float32]:
    """What a backbone is shown of some plain films that it was not calibrated on, `(64, size, size, 1)`."""
    entries = sorted(learnable(manifest), key=lambda entry: entry.sha256)[-_TIMED:]
    films = [(film_of(manifest.root, entry, lungs), (0,)) for entry in entries]
    return np.concatenate(
        [views.pixels for _, views in prepared_views(films, augmentation=NO_VIEWS, seed=0, size=size)]
    )


def agreement(engines: Mapping[str, Engine], films: NDArray[np.float32]) -> dict[str, float]:
    """The cosine between a film's mean embeddings by both: the smallest, and the median."""
    one, other = (engine.run(films).pooled[:, 0] for engine in engines.values())
    cosines = (one * other).sum(axis=1) / (np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1))
    return {"cosine_smallest": float(cosines.min()), "cosine_median": float(np.median(cosines))}


def speed(engines: Mapping[str, Engine], films: NDArray[np.float32]) -> dict[str, dict[str, float]]:
    """What a film takes, many at a time and alone; the backbones take turns, so that what else goes on meets both."""
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    for engine in engines.values():
        engine.run(films)
    for _ in range(_ROUNDS):
        for name, engine in engines.items():
            wall, processor = time.perf_counter(), time.process_time()
            engine.run(films)
            rounds[name].append((time.perf_counter() - wall, time.process_time() - processor))
    alone = {
        name: 1000 * median_seconds(lambda engine=engine: engine.run(films[:1]), times=20)
        for name, engine in engines.items()
    }
    return {
        name: {
            "films_per_second": len(films) / statistics.median(wall for wall, _ in taken),
            "processor_milliseconds": 1000 * statistics.median(processor for _, processor in taken) / len(films),
            "milliseconds_alone": alone[name],
        }
        for name, taken in rounds.items()
    }


def show(found: Mapping[str, Any], console: Console) -> None:
    """The tables."""
    kinds = (found["float"], "int8", "difference")
    table = Table("AUROC (95 % interval, by patient)", *kinds)
    for name in SCORES:
        table.add_row(name, *(_text(found["auroc"][kind][name]) for kind in kinds))
    console.print(table)
    table = Table("a film", "films/s", "processor, ms", "alone, ms")
    for name, row in found["speed"].items():
        table.add_row(name, *(f"{value:.1f}" for value in row.values()))
    console.print(table)
    console.print(f"Cosine of embeddings: {found['cosine_smallest']:.4f} at least, median {found['cosine_median']:.4f}")


def _text(raw: Mapping[str, Any] | None) -> str:
    return interval_text(estimate_of(raw), digits=4)


if __name__ == "__main__":
    sys.exit(main())
