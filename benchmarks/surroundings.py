"""Where the label hides: what a head can read on the rim of a film, and what of that is left when the film is cut to its lungs.

    python -m benchmarks.surroundings chest_xray/train --json benchmarks/results/surroundings.json

A logistic regression (C = 0.001, standardised, balanced) on the means of parts of the frozen feature map: of all of it, of its
outer ring (a fifth above and below, 15 % left and right), of its middle; on whole films, and on films cut to their lungs. Each
with two scores: AUROC out of fold, by patient, and on acquisition batches that were not fitted on; and with shuffled labels,
which must be at chance. About ten minutes on two cores for 5,216 films.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from models.backbones.table import DEFAULT_BACKBONE, get_backbone
from models.backbones.weights import find_weights
from models.engines.load import load_engine
from models.films.network_input import network_input
from models.films.radiograph import read_radiograph
from models.lungs.field import lung_field
from models.system.files import cache_folder, write_atomically
from models.system.progress import progress_bar
from training.data.folds import grouped_folds, leave_batch_out
from training.data.manifest import Entry, Manifest, read_manifest
from training.embedding.find_lungs import find_folder_lungs
from training.embedding.folder_lungs import FolderLungs

SEED: Final = 2015
FILMS_PER_BATCH: Final = 16
_ABOVE, _BESIDE = 0.2, 0.15  # what of the map's height and width is ring, on each side
_MIDDLE: Final = (3 / 14, 11 / 14, 2 / 14, 12 / 14)  # top, bottom, left and right


def main(arguments: Sequence[str] | None = None) -> int:
    """Embed, score, print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.surroundings",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="a training folder, with NORMAL/ and PNEUMONIA/")
    parser.add_argument("--cache", type=Path, default=cache_folder(), metavar="DIR", help="where lungs are kept")
    parser.add_argument("--sample", type=int, metavar="N", help="the first N films by digest alone")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    console = Console()
    manifest = read_manifest(options.data)
    entries = sorted(manifest.entries, key=lambda entry: entry.sha256)[: options.sample]
    lungs = find_lungs_of(manifest, entries, options.cache, console)
    entries = [entry for entry in entries if lungs.found[entry.sha256].box is not None]
    rows = []
    for field in ("film", "lungs"):
        means = part_means(manifest.root, entries, lungs if field == "lungs" else None, console)
        rows += [
            {"field": field, "part": part, "n": len(entries), **score(values, entries)}
            for part, values in means.items()
        ]
    console.print(as_table(rows))
    if options.json:
        write_atomically(options.json, json.dumps(rows, indent=2) + "\n")
    return 0


def find_lungs_of(manifest: Manifest, entries: Sequence[Entry], cache: Path, console: Console) -> FolderLungs:
    """Where the lungs are."""
    with progress_bar(console, "Finding the lungs") as advance:
        return find_folder_lungs(manifest.root, entries, cache, progress=advance)


def part_means(
    root: Path, entries: Sequence[Entry], lungs: FolderLungs | None, console: Console
) -> dict[str, NDArray[np.float32]]:
    """The mean of each channel over each part of the map, `(films, channels)`; of whole films, or of films cut to their lungs."""
    backbone = get_backbone(DEFAULT_BACKBONE)
    engine, found = load_engine(backbone, find_weights(backbone)), []

    def shown(entry: Entry) -> NDArray[np.float32]:
        pixels = read_radiograph(root / entry.path).pixels
        if lungs is None:
            return network_input(pixels, backbone.input_size)
        return lung_field(pixels, lungs.found[entry.sha256].judged, backbone.input_size)

    with progress_bar(console, "Embedding films cut to their lungs" if lungs else "Embedding whole films") as advance:
        for start in range(0, len(entries), FILMS_PER_BATCH):
            maps = engine.run(
                np.stack([shown(entry) for entry in entries[start : start + FILMS_PER_BATCH]])
            ).feature_map
            found.append({name: np.einsum("nhwd,hw->nd", maps, of(*maps.shape[1:3])) for name, of in PARTS.items()})
            advance(min(start + FILMS_PER_BATCH, len(entries)), len(entries))
    return {name: np.concatenate([batch[name] for batch in found]) for name in PARTS}


def all_places(height: int, width: int) -> NDArray[np.float32]:
    """The weight of each place in the mean of the whole map."""
    return np.full((height, width), 1 / (height * width), np.float32)


def ring_places(height: int, width: int) -> NDArray[np.float32]:
    """The weight of each place in the mean of the outer ring: no lungs, on a film whose chest fills it."""
    weights = np.ones((height, width), np.float32)
    rows, columns = round(_ABOVE * height), round(_BESIDE * width)
    weights[rows : height - rows, columns : width - columns] = 0
    return weights / weights.sum()


def middle_places(height: int, width: int) -> NDArray[np.float32]:
    """The weight of each place in the mean of the middle: of a lung field, what lies within the chest wall."""
    weights = np.zeros((height, width), np.float32)
    top, bottom, left, right = (
        round(share * side) for share, side in zip(_MIDDLE, (height, height, width, width), strict=True)
    )
    weights[top:bottom, left:right] = 1
    return weights / weights.sum()


PARTS: Final[Mapping[str, Callable[[int, int], NDArray[np.float32]]]] = {
    "all": all_places,
    "outer ring": ring_places,
    "middle": middle_places,
}


def score(values: NDArray[np.float32], entries: Sequence[Entry]) -> dict[str, Any]:
    """AUROC out of fold and on left-out batches, and out of fold with shuffled labels."""
    truth = np.array([entry.label == "PNEUMONIA" for entry in entries], dtype=np.int64)
    patients, batches = [entry.patient for entry in entries], [entry.batch for entry in entries]
    by_batch = [_judge(values, truth, fold.fit, fold.held_out) for fold in leave_batch_out(truth, batches)]
    shuffled = np.random.default_rng(SEED).permutation(truth)
    return {
        "out_of_fold": _out_of_fold(values, truth, patients),
        "batch_mean": float(np.mean([roc_auc_score(truth[part], found) for part, found in by_batch]))
        if by_batch
        else None,
        "shuffled": _out_of_fold(values, shuffled, patients),
    }


def _out_of_fold(values: NDArray[np.float32], truth: NDArray[np.int64], patients: Sequence[str]) -> float:
    found = np.empty(len(truth))
    for fit, held_out in grouped_folds(truth, patients, seed=SEED):
        found[held_out] = _judge(values, truth, fit, held_out)[1]
    return float(roc_auc_score(truth, found))


def _judge(
    values: NDArray[np.float32],
    truth: NDArray[np.int64],
    fit: NDArray[np.int64],
    held_out: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    return held_out, _regression().fit(values[fit], truth[fit]).decision_function(values[held_out])


def _regression() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=200, class_weight="balanced"))


def as_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows for the terminal."""
    table = Table("shown", "part of the map", "n", "by patient", "by batch", "shuffled labels")
    for row in rows:
        scores = [row[name] for name in ("out_of_fold", "batch_mean", "shuffled")]
        cells = ("–" if score is None else f"{score:.4f}" for score in scores)
        table.add_row(row["field"], row["part"], f"{row['n']:,}", *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())
