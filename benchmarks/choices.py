"""Which feature map: what the shipped bundle was chosen by.

    python -m benchmarks.choices chest_xray/train --markdown choices.md

About 6 minutes on two cores for 5,216 films. Each row is a frozen EfficientNet-Lite0, its pooled maps, and a logistic
regression (C = 0.005) on the standardised embedding of the plain film, with class weights. Two scores: AUROC of out-of-fold
predictions (five folds, by patient), and the mean AUROC on acquisition batches that the regression had not seen (four ways).
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from models.backbones.table import get_backbone
from models.backbones.weights import find_weights
from models.films.radiograph import read_radiograph
from models.system.files import write_atomically
from models.system.progress import progress_bar
from models.system.quiet import import_keras_quietly
from training.data.folds import grouped_folds, leave_batch_out
from training.data.manifest import Entry, read_manifest

SEED: Final = 2015
FILMS_PER_BATCH: Final = 32
LAYERS: Final = (
    "block4a_expand_relu",
    "block5a_expand_relu",
    "block6a_expand_relu",
    "block6b_expand_relu",
    "block7a_expand_relu",
    "top_relu",
)
COMBINATIONS: Final = (
    ("top_relu",),
    ("block7a_expand_relu",),
    ("block6b_expand_relu",),
    ("block6a_expand_relu",),
    ("block5a_expand_relu", "block6a_expand_relu", "block6b_expand_relu"),
    LAYERS,
)

CHOSEN: Final = COMBINATIONS[4]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every pass and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.choices", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="the training folder, under its published names")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the table, as the notes of a card")
    options = parser.parse_args(arguments)
    console = Console()
    entries = read_manifest(options.data).entries
    import_keras_quietly()
    maps = pooled_maps(options.data, entries, console)
    rows: list[dict[str, Any]] = []
    for taps in COMBINATIONS:
        rows.append({"taps": taps, **score(np.concatenate([maps[name] for name in taps], axis=1), entries)})
        console.print(rows[-1])
    table = markdown(rows, len(entries))
    console.print(table, markup=False)
    if options.markdown:
        write_atomically(options.markdown, table)
    return 0


def pooled_maps(root: Path, entries: Sequence[Entry], console: Console) -> Mapping[str, NDArray[np.float32]]:
    """The mean of each layer's map, `(films, channels)`."""
    import keras

    from models.backbones.feature_extractor import build_feature_extractor

    backbone = replace(get_backbone("efficientnet_lite0"), taps=LAYERS)
    extractor = build_feature_extractor(backbone, find_weights(backbone))
    means = {name: keras.layers.GlobalAveragePooling2D()(extractor.features.get_layer(name).output) for name in LAYERS}
    network = keras.Model(extractor.features.input, means)
    parts: list[Mapping[str, NDArray[np.float32]]] = []
    with progress_bar(console, "Embedding") as advance:
        for start in range(0, len(entries), FILMS_PER_BATCH):
            films = [read_radiograph(root / entry.path).pixels for entry in entries[start : start + FILMS_PER_BATCH]]
            pixels = [np.asarray(extractor.resize(film[None, :, :, None])) for film in films]
            parts.append(network.predict_on_batch(np.concatenate(pixels)))
            advance(min(start + FILMS_PER_BATCH, len(entries)), len(entries))
    return {name: np.concatenate([part[name] for part in parts]) for name in LAYERS}


def score(embeddings: NDArray[np.float32], entries: Sequence[Entry]) -> dict[str, Any]:
    """AUROC out of fold, and on each choice of batches left out."""
    truth = np.array([entry.label == "PNEUMONIA" for entry in entries], dtype=np.int64)
    out_of_fold = np.empty(len(truth))
    for fit, held_out in grouped_folds(truth, [entry.patient for entry in entries], seed=SEED):
        out_of_fold[held_out] = _regression().fit(embeddings[fit], truth[fit]).decision_function(embeddings[held_out])
    batches = {
        fold.name: float(
            roc_auc_score(
                truth[fold.held_out],
                _regression().fit(embeddings[fold.fit], truth[fold.fit]).decision_function(embeddings[fold.held_out]),
            )
        )
        for fold in leave_batch_out(truth, [entry.batch for entry in entries])
    }
    mean = float(np.mean(list(batches.values())))
    return {"out_of_fold": float(roc_auc_score(truth, out_of_fold)), "batches": batches, "batch_mean": mean}


def _regression() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.005, max_iter=100, tol=1e-3, class_weight="balanced"))


def markdown(rows: Sequence[Mapping[str, Any]], n: int) -> str:
    """The rows as a table, best batch score in bold."""
    best = max(row["batch_mean"] for row in rows)
    lines = [
        f"A logistic regression on frozen EfficientNet-Lite0 maps, {n:,} plain films, one row a choice "
        "(`python -m benchmarks.choices`); AUROC.",
        "",
        "| maps (pooled, side by side) | out of fold, by patient | batches left out, mean |",
        "|---|---|---|",
    ]
    for row in rows:
        mean = f"{row['batch_mean']:.4f}"
        maps = " + ".join(name.removesuffix("_relu") for name in row["taps"])
        bold = f"**{mean}**" if row["batch_mean"] == best else mean
        lines.append(f"| {maps} | {row['out_of_fold']:.4f} | {bold} |")
    chosen = " + ".join(name.removesuffix("_relu") for name in CHOSEN)
    lines += ["", f"Taken: {chosen}. What lies behind the last of these maps is not computed at all."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
