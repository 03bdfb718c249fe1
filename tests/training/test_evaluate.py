"""Judging a folder that a bundle was not trained on."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import BUNDLES_VARIABLE
from models.predictor import Predictor
from models.radiograph import read_radiograph
from tests.training.conftest import Ran, Trained, Workshop
from tests.training.films import write_film, write_published

KEYS = {
    "bundle",
    "bundle_sha256",
    "data_fingerprint",
    "is_training_data",
    "images",
    "patients",
    "patient_source",
    "operating_point",
    "metrics",
    "confusion",
    "set_aside",
}
METRICS = {"auroc", "sensitivity", "specificity", "accuracy", "brier"}
PLOTS = {"roc.png", "reliability.png", "confusion.png", "histogram.png"}


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten new films of each class; one of each is so like the other class that it is hard, and one file is broken."""
    root = write_published(tmp_path_factory.mktemp("elsewhere"), images=10, first=300)
    write_film(root / "NORMAL/IM-0900-0001.png", 900, opacity=0.9)
    write_film(root / "PNEUMONIA/person900_virus_1.png", 901)
    (root / "NORMAL/cut.png").write_bytes((root / "NORMAL/IM-0900-0001.png").read_bytes()[:500])
    return root


@pytest.fixture(scope="module")
def evaluated(workshop: Workshop, trained: Trained, elsewhere: Path) -> Ran:
    ran = workshop.evaluate(trained.name, elsewhere, workshop.root / "evaluation")
    assert ran.status == 0, ran.err
    return ran


@pytest.fixture(scope="module")
def report(workshop: Workshop, evaluated: Ran) -> Any:
    return json.loads((workshop.root / "evaluation/evaluation.json").read_text())


def test_the_report_says_what_was_judged(workshop: Workshop, trained: Trained, report: Any) -> None:
    assert set(report) == KEYS
    assert report["bundle"] == trained.name
    assert report["bundle_sha256"] == workshop.load(trained.name).sha256
    assert report["images"] == {"NORMAL": 11, "PNEUMONIA": 11}
    assert report["patients"] == 12
    assert report["is_training_data"] is False
    assert report["set_aside"] == [{"file": "NORMAL/cut.png", "code": "damaged"}]
    point = workshop.load(trained.name).spec.operating_point
    assert point is not None
    assert report["operating_point"]["threshold"] == point.threshold


def test_each_metric_has_an_interval_about_it(report: Any) -> None:
    assert set(report["metrics"]) >= METRICS
    for name in METRICS:
        estimate = report["metrics"][name]
        assert estimate["low"] <= estimate["value"] <= estimate["high"], name
        assert estimate["low"] < estimate["high"], name
    assert report["metrics"]["sensitivity"]["n"] == 11
    assert report["metrics"]["auroc"]["n"] == 22


def test_the_numbers_are_those_of_the_predictions_a_user_would_get(
    workshop: Workshop, trained: Trained, elsewhere: Path, report: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUNDLES_VARIABLE, str(workshop.bundles))
    predictor = Predictor.load(trained.name)
    files = [path for path in sorted(elsewhere.rglob("*.png")) if path.name != "cut.png"]
    predictions = predictor.predict([read_radiograph(path) for path in files])
    truth = np.array([path.parent.name == "PNEUMONIA" for path in files])
    probability = np.array([prediction.probability("PNEUMONIA") for prediction in predictions])
    verdict = probability >= report["operating_point"]["threshold"]
    pairs = probability[truth][:, None] - probability[~truth]
    assert report["metrics"]["auroc"]["value"] == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert report["metrics"]["brier"]["value"] == pytest.approx(np.square(probability - truth).mean(), abs=1e-4)
    assert report["metrics"]["accuracy"]["value"] == pytest.approx((verdict == truth).mean())
    assert report["confusion"] == [
        [int(((truth == row) & (verdict == column)).sum()) for column in (0, 1)] for row in (0, 1)
    ]


def test_plots_are_written_and_the_terminal_says_where(workshop: Workshop, evaluated: Ran) -> None:
    out = workshop.root / "evaluation"
    assert {path.name for path in out.iterdir()} == {"evaluation.json", *PLOTS}
    for path in out.iterdir():
        assert str(path) in evaluated.out
    assert "AUROC" in evaluated.out
    assert "NORMAL/cut.png (damaged)" in evaluated.out
    assert "no diagnosis" in evaluated.out
    assert "flatter" not in evaluated.out
    assert evaluated.err == ""


def test_the_training_folder_is_told_from_others(workshop: Workshop, trained: Trained, tmp_path: Path) -> None:
    before = workshop.shards()
    ran = workshop.evaluate(trained.name, trained.data, tmp_path)
    assert ran.status == 0
    assert "flatter" in ran.out
    assert json.loads((tmp_path / "evaluation.json").read_text())["is_training_data"] is True
    assert workshop.shards() == before, "its embeddings were there"


def test_where_a_folder_has_a_test_split_that_alone_is_judged(
    workshop: Workshop, trained: Trained, elsewhere: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train").symlink_to(trained.data)
    (tmp_path / "data/test").symlink_to(elsewhere)
    ran = workshop.evaluate(trained.name, tmp_path / "data", tmp_path / "out")
    assert ran.status == 0
    judged = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert judged["images"] == {"NORMAL": 11, "PNEUMONIA": 11}
    assert judged["is_training_data"] is False
    assert "flatter" not in ran.out


def test_three_classes_are_judged(workshop: Workshop, trained_on_three: Trained, tmp_path: Path) -> None:
    ran = workshop.evaluate(trained_on_three.name, trained_on_three.data, tmp_path)
    assert ran.status == 0
    judged = json.loads((tmp_path / "evaluation.json").read_text())
    assert judged["operating_point"] is None
    assert set(judged["metrics"]) >= {"accuracy", "macro_auroc", "brier", "recall_WHITE"}
    assert np.shape(judged["confusion"]) == (3, 3)
    assert np.sum(judged["confusion"]) == 36
    assert (tmp_path / "confusion.png").is_file()
