"""The stress test as a user runs it: on the training folder, on another one, and on a bundle that learnt a shortcut."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from models.backbones.table import BACKBONES
from models.bundle import BundleError
from models.calibration import Calibration
from models.engines.engine import Engine
from models.films.network_input import network_input
from models.head import DenseHead
from models.prediction import OperatingPoint
from tests.models.engines.backbones import TINY, save_weights
from tests.training.conftest import Ran, Trained, Workshop, untraced_networks
from tests.training.films import film, write_film
from training.config import AugmentationConfig
from training.data.learnable import class_indices
from training.data.manifest import read_manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.embed import embed
from training.heads.calibrate import fit_calibration
from training.heads.out_of_fold_heads import Judges, refit_folds
from training.stress.corruptions import CORRUPTIONS, Film
from training.stress.films import Sample, pictures
from training.stress.shortcuts import MARKERS, with_marker
from training.stress.stress import find_shortcuts, judge_pictures

SAMPLE = 4
FITTED, JUDGED = 32, 16
SMALL = replace(TINY, id="small", input_size=64)
SHORTCUTS = [
    "border only", "centre masked", "corner marker", "heatmap, head randomised", "heatmap, backbone randomised"
]  # fmt: skip


def stress(workshop: Workshop, name: str, data: Path, out: Path, *options: object) -> Ran:
    places = ("--out", out, "--cache", workshop.cache)
    with untraced_networks():
        return workshop.run("stress", name, data, *places, "--sample", SAMPLE, *options)


def read(out: Path) -> Any:
    return json.loads((out / "stress.json").read_text())


@pytest.fixture(scope="module")
def ran(workshop: Workshop, trained: Trained) -> Ran:
    """Of the bundle `first` on its own training folder."""
    ran = stress(workshop, trained.name, trained.data, workshop.root / "stress")
    assert ran.status == 0, ran.err
    return ran


@pytest.fixture(scope="module")
def report(workshop: Workshop, ran: Ran) -> Any:
    return read(workshop.root / "stress")


def test_each_corruption_and_severity_has_a_balanced_error_with_an_interval(report: Any) -> None:
    cells = report["cells"]
    assert [(cell["corruption"], cell["severity"]) for cell in cells] == [
        (name, severity) for name in CORRUPTIONS for severity in (1, 2, 3, 4, 5)
    ]
    for cell in [*cells, report["clean"], report["mean_balanced_error"]]:
        assert 0 <= cell["low"] <= cell["balanced_error"] <= cell["high"] <= 1
        assert cell["n"] == SAMPLE
    errors = [cell["balanced_error"] for cell in cells]
    assert report["mean_balanced_error"]["balanced_error"] == pytest.approx(np.mean(errors))
    assert report["worst"]["balanced_error"] == max(errors)
    assert report["worst"] in cells
    assert max(errors) > 0, "corruptions cost something"
    assert {type(cell["withheld"]) for cell in cells} == {float}
    assert report["images"] == {"NORMAL": SAMPLE // 2, "PNEUMONIA": SAMPLE // 2}
    assert report["patients"] == SAMPLE, "one film of each patient while there are enough"


def test_each_shortcut_is_looked_for(report: Any, ran: Ran) -> None:
    assert [finding["test"] for finding in report["shortcuts"]] == SHORTCUTS
    for finding in report["shortcuts"]:
        assert finding["low"] <= finding["value"] <= finding["high"]
        assert finding["n"] <= SAMPLE
        assert finding["finding"]
    assert not any(finding["likely"] for finding in report["shortcuts"] if finding["test"].startswith("heatmap"))
    assert ran.out.count("SHORTCUT LIKELY") == sum(finding["likely"] for finding in report["shortcuts"])


def test_the_training_folder_is_judged_by_heads_that_have_not_seen_the_patients(
    workshop: Workshop, trained: Trained, engine: Engine, report: Any, ran: Ran
) -> None:
    assert report["is_training_data"] is True
    assert "cross-validation" in report["judged_by"]
    assert "very films that the bundle was trained on" in " ".join(ran.out.split())
    manifest, cache = read_manifest(trained.data), EmbeddingCache.of(engine, workshop.cache)
    bundle = workshop.load(trained.name)
    judges = refit_folds(bundle, manifest, engine, workshop.cache, Console(quiet=True))
    plain = embed(engine, trained.data, manifest.entries, cache, views=0, augmentation=AugmentationConfig(), seed=0)
    calibration = fit_calibration(judges.logits(plain[:, 0, 0]), class_indices(manifest.entries, manifest.labels))
    # The very heads of the run: its calibration comes from their out-of-fold logits, and comes out again.
    assert calibration.slope == pytest.approx(bundle.spec.calibration.slope, rel=1e-3)
    assert calibration.bias == pytest.approx(bundle.spec.calibration.bias, abs=1e-2)
    by_patient = {entry.patient: set() for entry in manifest.entries}
    for entry, head in zip(manifest.entries, judges.of_film, strict=True):
        by_patient[entry.patient].add(int(head))
    assert {len(heads) for heads in by_patient.values()} == {1}


def test_pictures_are_written_and_the_terminal_says_where(workshop: Workshop, ran: Ran) -> None:
    out = workshop.root / "stress"
    assert {path.name for path in out.iterdir()} == {"stress.json", "stress.png", "stress_films.png"}
    for path in out.iterdir():
        assert str(path) in ran.out
    assert "Worst: " in ran.out
    assert "no diagnosis" in ran.out


def marked(seed: int, *, ill: bool) -> Film:
    """A letter at the top left tells the ill."""
    plain = film(seed)
    return with_marker(plain, "R", "top left") if ill else plain


def collimated(seed: int, *, ill: bool) -> Film:
    """The ill have a white rim, and letters stand anywhere."""
    plain = with_marker(film(seed), *MARKERS[seed // 2 % 8]).copy()
    if ill:
        plain[:8], plain[-8:], plain[:, :8], plain[:, -8:] = 255, 255, 255, 255
    return plain


def honest(seed: int, *, ill: bool) -> Film:
    """The ill have a cloud in one lung, and letters stand anywhere."""
    return with_marker(film(seed, opacity=2.0 * ill), *MARKERS[seed // 2 % 8])


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (marked, {"corner marker", "border only", "centre masked"}),
        (collimated, {"border only", "centre masked"}),
        (honest, set()),
    ],
    ids=["a letter", "a rim", "none"],
)
def test_planted_shortcuts_are_found_and_others_not(
    workshop: Workshop, trained: Trained, engine: Engine, make: Callable[..., Film], found: set[str]
) -> None:
    size, bundle = engine.backbone.input_size, workshop.load(trained.name)
    truth = np.arange(FITTED + JUDGED) % 2
    films = [
        np.rint(network_input(make(seed, ill=bool(ill)), size)[..., 0]).astype(np.uint8)
        for seed, ill in enumerate(truth)
    ]
    embeddings = engine.run(np.stack(films)[..., None].astype(np.float32)).pooled[:, 0]
    mean, deviation = embeddings.mean(axis=0), np.maximum(embeddings.std(axis=0), 1e-3)
    fitted = LogisticRegression(C=0.005).fit(((embeddings - mean) / deviation)[:FITTED], truth[:FITTED])
    layer = np.concatenate([-fitted.coef_, fitted.coef_]).T, np.concatenate([-fitted.intercept_, fitted.intercept_])
    head = DenseHead(None, layer).without_standardisation(mean, deviation)
    points = tuple(
        OperatingPoint(name, threshold, (1.0, 0.0, 1.0), (1.0, 0.0, 1.0), promise)
        for name, threshold, promise in (("rule_out", 0.3, 0.95), ("balanced", 0.5, None), ("rule_in", 0.7, 0.95))
    )
    calibration = replace(Calibration.identity(2), prevalence=0.5)
    spec = replace(bundle.spec, calibration=calibration, operating_points=points)
    entry = read_manifest(trained.data).entries[0]
    entries = [replace(entry, patient=str(number)) for number in range(JUDGED)]
    sample = Sample(films[FITTED:], entries, np.arange(JUDGED), truth[FITTED:])
    shown = {name: show for name, show in pictures(0).items() if not set(name.split()) & set(CORRUPTIONS)}
    judges = Judges([head], np.zeros(JUDGED, dtype=np.int64))
    judged = judge_pictures(replace(bundle, spec=spec), engine, judges, sample, shown, lambda done, total: None)
    findings = find_shortcuts(sample, judged)
    assert {finding.test for finding in findings if finding.likely} == found, findings
    if "corner marker" in found:
        assert "top left" in findings[-1].sentence


def test_another_folder_is_judged_by_the_bundle_itself_whatever_the_classes(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a backbone of two layers: how many classes there are is asked, and not how well they are told apart."""
    monkeypatch.setitem(BACKBONES, SMALL.id, SMALL)
    save_weights(SMALL, tmp_path / "small.weights.h5")
    for seed, (label, opacity) in enumerate([("CLEAR", 0.0), ("CLOUDY", 1.0), ("WHITE", 3.0)] * 8):
        part = "learnt" if seed < 18 else "other"
        write_film(tmp_path / part / label / f"{seed}.png", 5000 + seed, opacity)
    small = ("--backbone", SMALL.id, "--weights", tmp_path / "small.weights.h5", "--engine", "keras", "--views", 0)
    made = workshop.quick.train(tmp_path / "learnt", "small", *small)
    assert made.status == 0, made.err
    out = tmp_path / "out"
    ran = stress(workshop.quick, "small", tmp_path / "other", out, "--sample", 6, "--engine", "keras")
    assert ran.status == 0, ran.err
    report = read(out)
    assert report["is_training_data"] is False
    assert report["judged_by"] == "the bundle's head"
    assert "trained on" not in ran.out
    assert report["operating_point"] is None
    assert len(report["cells"]) == 65
    assert report["images"] == {"CLEAR": 2, "CLOUDY": 2, "WHITE": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--sample", 3), "--sample must be two films of each class or more. Received: 3"),
        (("--patient-regex", r"(\d)\.png"), "Patients must be told apart as when 'first' was trained"),
    ],
)
def test_what_would_give_no_honest_number_is_refused(
    workshop: Workshop, trained: Trained, tmp_path: Path, options: tuple[object, ...], message: str
) -> None:
    ran = stress(workshop, trained.name, trained.data, tmp_path, *options)
    assert ran.status == 2
    assert message in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fine_tune": 1}, "was trained on these films"),
        ({"augmentation": {"rotation": 10.0}}, "of another version: brightness, "),
    ],
    ids=["fine-tuned", "of another version"],
)
def test_where_no_head_can_be_had_that_is_new_to_the_films_the_bundle_is_refused(
    workshop: Workshop, trained: Trained, engine: Engine, change: dict[str, Any], message: str
) -> None:
    bundle = workshop.load(trained.name)
    changed = replace(bundle, spec=replace(bundle.spec, training={**bundle.spec.training, **change}))
    with pytest.raises(BundleError, match=message):
        refit_folds(changed, read_manifest(trained.data), engine, workshop.cache, Console(quiet=True))
