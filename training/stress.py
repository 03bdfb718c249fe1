"""What a bundle does with films that went through worse than its own, and whether it looks at the lungs at all.

A few films of each class are shown as they are, in thirteen corruptions of five severities, without their lungs and with
letters in their corners; and their heatmaps are held against those of networks that have forgotten.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from models.backbones import get_backbone
from models.bundle import Bundle, BundleSpec
from models.files import write_atomically
from models.network import FeatureExtractor, build_feature_extractor, embedder
from models.prediction import take_verdict
from models.predictor import backbone_weights, load_gate, load_head
from models.progress import Advance, progress_bar
from models.radiograph import read_radiograph
from training.bootstrap import BoolArray, Estimate
from training.corruptions import CORRUPTIONS, SEVERITIES, Film, corrupt
from training.manifest import Entry, Manifest
from training.material import class_indices, learnable
from training.patients import DatasetError
from training.robustness import Finding, balanced_errors, lungless_finding, marker_finding
from training.sanity import check_heatmaps
from training.shortcuts import MARKERS, border_only, centre_masked, with_marker
from training.stress_report import draw_stress, show_stress
from training.unseen import Judges, refit_folds
from training.validation import Judged

DEFAULT_SAMPLE: Final = 400

_BATCH: Final = 32
_HEATMAPS: Final = 64  # films are enough for a mean; their maps are large
_CLEAN: Final = "clean"
_LUNGLESS: Final = {
    "border only": (border_only, "the border, a tenth of each side,"),
    "centre masked": (centre_masked, "the margin about the lungs"),
}

Show = Callable[[Film, str], Film]
"""Takes a film and its digest, gives a picture of the same size."""


@dataclass(frozen=True)
class Sample:
    """The films that are stressed.

    Attributes:
        films: n, uint8 `(size, size)`: the size of the network's input, which the severities are meant for.
        entries: n, what the films are.
        places: `(n,)`, of the films in the list they were drawn from.
        truth: `(n,)`, class indices.
    """

    films: Sequence[Film]
    entries: Sequence[Entry]
    places: NDArray[np.int64]
    truth: NDArray[np.int64]

    @property
    def patients(self) -> list[str]:
        return [entry.patient for entry in self.entries]


def stress(
    bundle: Bundle, manifest: Manifest, out: Path, console: Console, *, cache: Path, sample: int, seed: int
) -> dict[str, Any]:
    """Write `stress.json`, `stress.png` and `stress_films.png` (which shows a patient) into `out`; return the JSON.

    Args:
        bundle: verified.
        manifest: of the folder; its test split is drawn from where it has one, else all of it. Where these are the very
            films that the bundle was trained on, each is judged by a head of its cross-validation that has not seen its
            patient.
        out: a folder; files of an earlier run are replaced.
        cache: folder of embeddings.
        sample: how many films, as many of each class.
        seed: of the sample and of the noise.

    Raises:
        BundleError, WeightsError, ValueError: with a sentence that says what to do.
    """
    spec, entries = bundle.spec, manifest.select("test") or learnable(manifest)
    seen = replace(manifest, entries=entries).fingerprint == spec.data["fingerprint"]
    weights = backbone_weights(bundle)
    extractor = build_feature_extractor(get_backbone(spec.backbone.id), weights)
    films = draw_sample(manifest.root, entries, spec.labels, sample, seed=seed, size=extractor.resize.output_shape[1])
    if seen:
        judges = refit_folds(bundle, manifest, extractor, weights, cache, console).of(films.places)
    else:
        judges = Judges([load_head(bundle)], np.zeros(len(films.films), dtype=np.int64))
    with progress_bar(console, "Stressing") as advance:
        embeddings = embed_pictures(extractor, films, pictures(seed), advance)
    with console.status("Heatmaps of networks that have forgotten …"):
        some = np.unique(np.linspace(0, len(films.films) - 1, _HEATMAPS).astype(np.int64))
        heads = [judges.heads[judges.of_film[index]] for index in some]
        shown = [films.films[index] for index in some]
        sanity = check_heatmaps(spec, extractor, heads, shown, [films.patients[index] for index in some], seed=seed)
    with console.status("Intervals and plots …"):
        report = {
            "bundle": spec.name,
            "bundle_sha256": bundle.sha256,
            "is_training_data": seen,
            "judged_by": "heads of the cross-validation, each on patients it has not seen"
            if seen
            else "the bundle's head",
            "images": {label: int((films.truth == index).sum()) for index, label in enumerate(spec.labels)},
            "patients": len(set(films.patients)),
            "patient_source": manifest.patient_source,
            "operating_point": asdict(spec.operating_point) if spec.operating_point else None,
            "seed": seed,
            **judge_pictures(bundle, films, judges, embeddings, sanity),
        }
        write_atomically(out / "stress.json", json.dumps(report, indent=2, allow_nan=False) + "\n")
        plots = draw_stress(report, example_rows(films, seed), out)
    show_stress(console, report, [out / "stress.json", *plots])
    return report


def draw_sample(
    root: Path, entries: Sequence[Entry], labels: Sequence[str], count: int, *, seed: int, size: int
) -> Sample:
    """Draw about `count` films, as many of each class, of as many patients as can be, at `size` pixels."""
    truth = class_indices(entries, labels)
    classes = np.unique(truth)
    if count < 2 * len(classes):
        raise ValueError(
            f"--sample must be two films of each class or more. Received: {count} for {len(classes)} classes"
        )
    dice = np.random.default_rng(seed)
    places: list[int] = []
    for label in classes:
        turns: Counter[str] = Counter()
        by_turn: list[tuple[int, int]] = []
        for place in dice.permutation(np.flatnonzero(truth == label)).tolist():
            by_turn.append((turns[entries[place].patient], place))
            turns[entries[place].patient] += 1
        # A second film of a patient is drawn only when each has had a turn.
        by_turn.sort(key=lambda pair: pair[0])
        places += [place for _, place in by_turn[: count // len(classes)]]
        patients = len(turns)
        if patients < 2:
            raise DatasetError(
                "too_few_patients",
                f"Each class must have films of two patients or more. Received: {patients} for {labels[label]}.",
            )
    films = []
    for place in places:
        picture = Image.fromarray(read_radiograph(root / entries[place].path).pixels)
        films.append(np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR)))
    chosen = np.array(places, dtype=np.int64)
    return Sample(films, [entries[place] for place in places], chosen, truth[chosen])


def pictures(seed: int) -> dict[str, Show]:
    """Everything that is made of each film, by name; the film as it is comes first."""
    return {
        _CLEAN: lambda film, _: film,
        **{
            _cell(name, severity): partial(_corrupt, name, severity, seed)
            for name in CORRUPTIONS
            for severity in SEVERITIES
        },
        **{name: partial(_without_digest, show) for name, (show, _) in _LUNGLESS.items()},
        **{f"{letter} {corner}": partial(_mark, letter, corner) for letter, corner in MARKERS},
    }


def embed_pictures(
    extractor: FeatureExtractor, sample: Sample, shown: Mapping[str, Show], progress: Advance
) -> dict[str, NDArray[np.float32]]:
    """The embeddings `(n, d)` of every picture of the films. They are not kept: no other run shows the same ones."""
    network, count = embedder(extractor), len(sample.films)
    embeddings: dict[str, NDArray[np.float32]] = {}
    for number, (name, show) in enumerate(shown.items()):
        parts = []
        for start in range(0, count, _BATCH):
            batch = zip(sample.films[start : start + _BATCH], sample.entries[start : start + _BATCH], strict=True)
            pixels = np.stack([show(film, entry.sha256) for film, entry in batch])
            parts.append(np.asarray(network.predict_on_batch(pixels[..., None].astype(np.float32))))
            progress(number * count + start + len(pixels), len(shown) * count)
        embeddings[name] = np.concatenate(parts)
    return embeddings


def judge_pictures(
    bundle: Bundle,
    sample: Sample,
    judges: Judges,
    embeddings: Mapping[str, NDArray[np.float32]],
    sanity: Sequence[Finding],
) -> dict[str, Any]:
    """The numbers of `stress.json`: cells, their mean and the worst, the films as they are, and the shortcuts."""
    spec, gate = bundle.spec, load_gate(bundle)
    probabilities = {name: spec.calibration.probabilities(judges.logits(one)) for name, one in embeddings.items()}
    verdicts = {name: _verdicts(spec, one) for name, one in probabilities.items()}
    names = [_cell(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]
    errors = balanced_errors(
        sample.truth, {name: verdicts[name] for name in [_CLEAN, *names]}, sample.patients, {"mean": names}
    )
    cells: list[dict[str, Any]] = []
    for name, severity in ((name, severity) for name in CORRUPTIONS for severity in SEVERITIES):
        key = _cell(name, severity)
        withheld = float((gate.distances(embeddings[key]) > gate.thresholds.unlike).mean()) if gate else None
        cells.append({"corruption": name, "severity": severity, **_numbers(errors[key]), "withheld": withheld})
    judged = {
        name: Judged(sample.truth, probabilities[name], sample.patients, spec.labels, spec.positive)
        for name in _LUNGLESS
    }
    lungless = [
        lungless_finding(name, _LUNGLESS[name][1], _auroc(one.metrics(spec.operating_point)))
        for name, one in judged.items()
    ]
    changed: dict[tuple[str, str], BoolArray] = {
        (letter, corner): verdicts[f"{letter} {corner}"] != verdicts[_CLEAN] for letter, corner in MARKERS
    }
    shortcuts = [*lungless, marker_finding(changed, sample.patients), *sanity]
    return {
        "clean": _numbers(errors[_CLEAN]),
        "mean_balanced_error": _numbers(errors["mean"]),
        "worst": max(cells, key=lambda cell: cell["balanced_error"]),
        "cells": cells,
        "shortcuts": [finding.as_json() for finding in shortcuts],
    }


def example_rows(sample: Sample, seed: int) -> dict[str, list[Film]]:
    """Pictures of one film, a row for each corruption and one for the shortcuts."""
    film, image = sample.films[0], sample.entries[0].sha256
    shown = {name: show(film, image) for name, show in pictures(seed).items()}
    rows = {name: [film, *(shown[_cell(name, severity)] for severity in SEVERITIES)] for name in CORRUPTIONS}
    letters = [f"{letter} {corner}" for letter, corner in MARKERS]
    return {**rows, "shortcuts": [film, *(shown[name] for name in [*_LUNGLESS, *letters[::3]])]}


def _cell(name: str, severity: int) -> str:
    return f"{name} {severity}"


def _corrupt(name: str, severity: int, seed: int, film: Film, image: str) -> Film:
    return corrupt(film, name, severity, image=image, seed=seed)


def _without_digest(show: Callable[[Film], Film], film: Film, _: str) -> Film:
    return show(film)


def _mark(letter: str, corner: str, film: Film, _: str) -> Film:
    return with_marker(film, letter, corner)


def _verdicts(spec: BundleSpec, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Class indices `(n,)` at the bundle's operating point."""
    point = spec.operating_point
    taken = (take_verdict(spec.labels, row, positive=spec.positive, operating_point=point) for row in probabilities)
    return np.array([spec.labels.index(verdict) for verdict in taken], dtype=np.int64)


def _auroc(metrics: Mapping[str, Estimate | None]) -> Estimate | None:
    return metrics["auroc"] if "auroc" in metrics else metrics["macro_auroc"]


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
