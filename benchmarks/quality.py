"""Is the speed paid for with quality? Grouped validation AUROC, ours against the reference recipe's.

    python -m benchmarks.quality --data chest_xray/train --json benchmarks/results/quality.json

Both on EfficientNet-Lite0, whose ImageNet weights come with the product; a fifth of the patients is held out from both. Ours
is `python -m training train` on the other four fifths and `evaluate` on that fifth, with fewer augmented views than the recipe
has epochs. The recipe is `benchmarks.recipe` with this backbone, trained for 20 epochs of fresh augmentation on all of those
films, with its own scaling (1/255) and with the scaling that the backbone was made for. What it ends with counts, of the better
scaling; its best epoch, which nobody without those films could choose, stands beside it. Hours on two cores, for the recipe;
where the JSON file is there already, with as many films and epochs, its numbers of the recipe stay and ours are measured anew,
within minutes. `--quick` takes 480 films and 2 epochs: a check that it runs, no result. Without a folder it takes synthetic
films.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console

from benchmarks.films import film_folder
from benchmarks.measuring import run_benchmark, run_measured
from benchmarks.recipe import BATCH_SIZE, EPOCHS, SIDE, augmenter, build_recipe
from benchmarks.training_speed import Trainer
from models.backbones.table import get_backbone
from models.backbones.weights import find_weights, load_weights
from models.system.quiet import import_keras_quietly
from training.data.folds import grouped_hold_out
from training.data.learnable import class_indices
from training.data.manifest import Entry, read_manifest
from training.metrics.bootstrap import Estimate
from training.metrics.classification import binary_metrics

SEED: Final = 2015
HELD_OUT_SHARE: Final = 0.2
VIEWS: Final = 2
QUICK_FILMS: Final = 480
SCALINGS: Final = {"pixels / 255": (0.0, 255.0), "the backbone's own": (127.0, 128.0)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train both, print and write."""
    return run_benchmark("quality", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """AUROC of both with 95 % intervals by patient, and the difference."""
    data = options.data or film_folder(QUICK_FILMS)
    epochs = 2 if options.quick else EPOCHS
    manifest = read_manifest(data)
    entries = _sample(manifest.entries, QUICK_FILMS if options.quick else None)
    truth = class_indices(entries, manifest.labels)
    fit, held_out = grouped_hold_out(truth, [entry.patient for entry in entries], fraction=HELD_OUT_SHARE, seed=SEED)
    with tempfile.TemporaryDirectory() as scratch:
        parts = {name: Path(scratch) / name for name in ("fit", "held_out")}
        for folder, rows in zip(parts.values(), (fit, held_out), strict=True):
            link([entries[row] for row in rows], data, folder)
        ours = our_auroc(parts, console)
        recipes = measured_before(options.json, fitted=len(fit), held_out=len(held_out), epochs=epochs) or {
            name: recipe_auroc(parts, scaling, epochs, console) for name, scaling in SCALINGS.items()
        }
    last = max((rows[-1] for rows in recipes.values()), key=lambda row: row["auroc"])
    best = max((row for rows in recipes.values() for row in rows), key=lambda row: row["auroc"])
    console.print(f"Ours {ours['auroc']:.4f}, the recipe {last['auroc']:.4f}, its best epoch {best['auroc']:.4f}")
    return {
        "films_fitted_on": len(fit),
        "films_held_out": len(held_out),
        "epochs": epochs,
        "ours": ours,
        "recipe_last_epoch": last,
        "recipe_best_epoch": best,
        "recipe_epochs": recipes,
        "quality_difference": ours["auroc"] - last["auroc"],
    }


def _sample(entries: Sequence[Entry], count: int | None) -> list[Entry]:
    """All, or so many spread over the folder."""
    if count is None or count >= len(entries):
        return list(entries)
    return [entries[row] for row in np.linspace(0, len(entries) - 1, count).astype(int)]


def link(entries: Sequence[Entry], data: Path, folder: Path) -> None:
    """A folder per class with links to some films; nothing of a patient is copied."""
    for entry in entries:
        place = folder / entry.label / entry.path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to((data / entry.path).resolve())


def our_auroc(parts: Mapping[str, Path], console: Console) -> dict[str, Any]:
    """Train on one part and judge on the other, by the commands that users have; the search for a head is on."""
    with Trainer(parts["fit"], None, console, backbone="efficientnet_lite0") as trainer:
        trained = trainer.train("ours", views=VIEWS, search=True)
        out = parts["held_out"].parent / "evaluation"
        command = ["training", "evaluate", trainer.name, str(parts["held_out"]), "--out", str(out)]
        run_measured(command, environment=trainer.places)
    metrics = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))["metrics"]
    auroc = metrics["auroc"]
    numbers = {"auroc": auroc["value"], "low": auroc["low"], "high": auroc["high"]}
    return {**numbers, "metrics": metrics, "seconds": trained.seconds}


def measured_before(found: Path | None, *, fitted: int, held_out: int, epochs: int) -> dict[str, list[dict[str, Any]]]:
    """The recipe's epochs in a file of results; none where there is no file, or it is of other films or epochs."""
    if found is None or not found.is_file():
        return {}
    result = json.loads(found.read_text(encoding="utf-8"))
    same = (result["films_fitted_on"], result["films_held_out"], result["epochs"]) == (fitted, held_out, epochs)
    return dict(result["recipe_epochs"]) if same else {}


def recipe_auroc(
    parts: Mapping[str, Path], scaling: tuple[float, float], epochs: int, console: Console
) -> list[dict[str, Any]]:
    """The recipe's AUROC on the held-out films after each epoch."""
    import_keras_quietly()
    import keras

    keras.utils.set_random_seed(SEED)
    model = build_recipe(lite0(scaling))
    training = augmenter().flow_from_directory(
        str(parts["fit"]), target_size=(SIDE, SIDE), batch_size=BATCH_SIZE, class_mode="categorical", seed=SEED
    )
    judged = plain(parts["held_out"])
    positive = judged.class_indices[_positive(judged.class_indices)]
    of_file = {str(entry.path): entry.patient for entry in read_manifest(parts["held_out"]).entries}
    patients = [of_file[name] for name in judged.filenames]
    rows = []
    for epoch in range(1, epochs + 1):
        model.fit(training, epochs=1, verbose=0)
        probability = model.predict(judged, verbose=0)[:, positive]
        auroc = binary_metrics(judged.classes == positive, probability, patients, threshold=0.5)["auroc"]
        if not isinstance(auroc, Estimate):
            raise RuntimeError("Both classes must be held out.")
        rows.append({"epoch": epoch, "auroc": auroc.value, "low": auroc.low, "high": auroc.high})
        console.print(f"The recipe, epoch {epoch}: AUROC {auroc.value:.4f}")
    return rows


def lite0(scaling: tuple[float, float]) -> Any:
    """EfficientNet-Lite0 with its ImageNet weights, for films that `ImageDataGenerator` has divided by 255."""
    import keras

    backbone = replace(get_backbone("efficientnet_lite0"), taps=())
    mean, deviation = scaling
    films = keras.Input((SIDE, SIDE, 3))
    scaled = keras.layers.Rescaling(255 / deviation, offset=-mean / deviation)(films)
    network = keras.Model(films, backbone.load_builder()(scaled))
    load_weights(network, find_weights(backbone))
    return network


def plain(folder: Path) -> Any:
    """The films of a folder in order, divided by 255 and not augmented."""
    import tensorflow as tf

    source = tf.keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255)
    return source.flow_from_directory(
        str(folder), target_size=(SIDE, SIDE), batch_size=BATCH_SIZE, class_mode="categorical", shuffle=False
    )


def _positive(classes: Mapping[str, int]) -> str:
    return "PNEUMONIA" if "PNEUMONIA" in classes else max(classes)


if __name__ == "__main__":
    sys.exit(main())
