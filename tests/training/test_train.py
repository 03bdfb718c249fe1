"""From a folder to a bundle, through the command line."""

import csv
import hashlib
import json
import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from models.bundle import BUNDLES_VARIABLE
from models.export import export_bundle
from models.films.radiograph import read_radiograph
from models.predictor import Predictor, load_head
from tests.models.films.dicom_files import dataset, encode
from tests.training.conftest import Ran, Trained, Workshop
from tests.training.films import film, write_published
from training.config import HeadTraining

BUNDLE_FILES = {
    "MODEL_CARD.md",
    "bundle.json",
    "confusion.png",
    "decision_curve.png",
    "gate.npz",
    "group.npz",
    "learnt_from.npz",
    "head.weights.h5",
    "histogram.png",
    "learning_curves.png",
    "precision_recall.png",
    "reliability.png",
    "report.json",
    "reporting.json",
    "risk_coverage.png",
    "roc.png",
}


def numbers_in(value: object) -> list[float]:
    """Every number in a JSON value."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return []
    if isinstance(value, int | float):
        return [float(value)]
    return [number for part in (value.values() if isinstance(value, dict) else value) for number in numbers_in(part)]


def numbers_of_tables(card: str) -> list[str]:
    """Every number in the cells of a card's tables."""
    lines = card.splitlines()
    rows = [line for line, below in zip(lines, [*lines[1:], ""], strict=True) if not below.startswith("|--")]
    cells = [cell for row in rows if row.startswith("|") for cell in row.split("|")[2:]]
    return [number for cell in cells for number in re.findall(r"\u2212?\d[\d,]*(?:\.\d+)?", cell)]


def is_reported(shown: str, numbers: list[float]) -> bool:
    """Whether some number of the report, rounded as the card does, is the one that is shown."""
    plain = shown.replace("\u2212", "-").replace(",", "")
    digits = len(plain.partition(".")[2])
    return any(f"{number:.{digits}f}" == plain for number in numbers)


def assert_same_heads(workshop: Workshop, *names: str) -> None:
    first, second = (load_head(workshop.load(name)) for name in names)
    for one, other in zip((first.hidden, first.logits_layer), (second.hidden, second.logits_layer), strict=True):
        assert one is not None
        assert other is not None
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_bundle_is_whole_and_tells_the_classes_apart(
    workshop: Workshop, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUNDLES_VARIABLE, str(workshop.bundles))
    predictor = Predictor.load(trained.name)
    probability = {
        label: [
            prediction.probability("PNEUMONIA")
            for prediction in predictor.predict([read_radiograph(path) for path in (trained.data / label).iterdir()])
        ]
        for label in ("NORMAL", "PNEUMONIA")
    }
    higher = np.array(probability["PNEUMONIA"])[:, None] > np.array(probability["NORMAL"])
    assert higher.mean() > 0.9
    assert predictor.bundle.spec.labels == ("NORMAL", "PNEUMONIA")
    assert predictor.bundle.spec.positive == "PNEUMONIA"


def test_the_bundle_holds_card_report_and_plots_and_no_film(workshop: Workshop, trained: Trained) -> None:
    assert {path.name for path in (workshop.bundles / trained.name).iterdir()} == BUNDLE_FILES
    assert {path.name for path in (workshop.runs / trained.name).iterdir()} == {
        "augmentation.png",
        "leaks.csv",
        "manifest.csv",
    }
    assert [path.name for path in workshop.bundles.glob(".*")] == []


def test_every_number_in_the_tables_of_the_card_is_in_the_report(workshop: Workshop, trained: Trained) -> None:
    shown = numbers_of_tables(workshop.card(trained.name))
    reported = numbers_in(workshop.report(trained.name))
    assert len(shown) > 60
    assert [number for number in shown if not is_reported(number, reported)] == []


def test_the_counts_of_the_report_are_those_of_the_folder(workshop: Workshop, trained: Trained) -> None:
    report = workshop.report(trained.name)
    assert report["data"]["images"] == {"NORMAL": 24, "PNEUMONIA": 24}
    assert report["data"]["patients"] == 24
    assert report["data"]["prevalence"] == 0.5
    assert report["out_of_fold"]["sensitivity"]["n"] == report["out_of_fold"]["specificity"]["n"] == 24
    assert report["out_of_fold"]["sensitivity"]["patients"] == 12
    assert np.sum(report["confusion"]) == 48
    held_out = {score["fitted_on"]: score["n"] for score in report["leave_batch_out"]["scores"]}
    assert held_out == dict.fromkeys(["IM+bacteria", "IM+virus", "NORMAL2-IM+bacteria", "NORMAL2-IM+virus"], 24)
    assert report["set_aside"] == []


def test_what_was_measured_stands_in_bundle_report_and_card_alike(workshop: Workshop, trained: Trained) -> None:
    spec, report = workshop.load(trained.name).spec, workshop.report(trained.name)
    assert spec.metrics["out_of_fold"] == report["out_of_fold"]
    assert spec.data == report["data"]
    point = spec.operating_point
    assert point is not None
    assert point.sensitivity[0] == report["out_of_fold"]["sensitivity"]["value"]
    assert f"| balanced | {point.threshold:.4f} |" in workshop.card(trained.name)


def test_nothing_that_is_carried_on_names_a_place_on_this_machine(workshop: Workshop, trained: Trained) -> None:
    for name in ("bundle.json", "report.json", "MODEL_CARD.md"):
        text = (workshop.bundles / trained.name / name).read_text(encoding="utf-8")
        for place in (workshop.root, trained.data, Path.home(), Path.cwd()):
            assert str(place) not in text, name


def test_the_terminal_shows_what_was_found_and_where_it_is(workshop: Workshop, trained: Trained) -> None:
    out = trained.ran.out
    assert "24 NORMAL, 24 PNEUMONIA; 24 patients." in out
    assert "the published file names: 48 files of 24 patients" in out
    assert "96/96" in out
    assert "AUROC" in out
    assert "no diagnosis" in out
    assert str(workshop.bundles / trained.name) in out
    assert trained.ran.err == ""


def test_a_second_run_embeds_nothing_and_is_the_same_bundle(workshop: Workshop, trained: Trained) -> None:
    before = workshop.shards()
    assert workshop.quick.train(trained.data, "again").status == 0
    assert workshop.shards() == before
    assert_same_heads(workshop, trained.name, "again")
    reports = [workshop.report(name) for name in (trained.name, "again")]
    for report in reports:
        del report["bundle"], report["configuration"]["name"]
    assert reports[0] == reports[1]


def test_a_bundle_is_replaced_only_when_asked(workshop: Workshop, trained: Trained) -> None:
    folder, shards = workshop.bundles / "replaced", workshop.shards()
    folder.mkdir()
    (folder / "keepsake").touch()
    refused = workshop.train(trained.data, "replaced")
    assert refused.status == 2
    assert "--overwrite" in refused.err
    assert (folder / "keepsake").exists()
    asked = workshop.quick.train(
        trained.data, "replaced", "--overwrite", "--width", 0, "--epochs", 2, "--positive", "NORMAL"
    )
    assert asked.status == 0, asked.err
    assert not (folder / "keepsake").exists()
    assert workshop.load("replaced").spec.head.width == 0
    assert workshop.load("replaced").spec.positive == "NORMAL"
    assert workshop.shards() == shards, "other head settings embed nothing"


def test_an_error_midway_leaves_no_bundle(workshop: Workshop, films: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder of embeddings should be")
    before = sorted(workshop.bundles.iterdir()) if workshop.bundles.exists() else []
    ran = workshop.train(films, "failed", "--views", 0, "--cache", tmp_path / "cache")
    assert ran.status == 2
    assert ran.err.startswith("error: ")
    assert "Traceback" not in ran.err
    assert (sorted(workshop.bundles.iterdir()) if workshop.bundles.exists() else []) == before


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Splits of 16, 4 and 6 films of each class, among them a DICOM file, and two files that are none."""
    root = tmp_path_factory.mktemp("split")
    for name, images, first in (("train", 16, 0), ("val", 4, 20), ("test", 6, 40)):
        write_published(root / name, images=images, first=first)
    (root / "train/PNEUMONIA/person7_virus_9.dcm").write_bytes(encode(dataset(film(77, 0.9), PatientName="Doe^Jane")))
    (root / "train/NORMAL/broken.png").write_bytes(b"no picture")
    (root / "test/PNEUMONIA/empty.png").touch()
    return root


@pytest.fixture(scope="module")
def trained_on_splits(workshop: Workshop, split: Path) -> Ran:
    """The bundle `splits`, with notes, a population and logs for TensorBoard."""
    notes = workshop.root / "notes.md"
    notes.write_text("Tried *more* light: 0.1234 worse.\n", encoding="utf-8")
    words = ("--notes", notes, "--population", "dolls, one nursery", "--tensorboard", workshop.root / "logs")
    ran = workshop.train(split, "splits", *words)
    assert ran.status == 0, ran.err
    return ran


def test_a_test_split_is_judged_and_nothing_else_comes_from_it(
    workshop: Workshop, trained_on_splits: Ran, split: Path, tmp_path: Path
) -> None:
    report, card = workshop.report("splits"), workshop.card("splits")
    assert report["data"]["images"] == {"NORMAL": 20, "PNEUMONIA": 21}
    assert report["data"]["test_images"] == 12
    assert report["out_of_fold"]["auroc"]["n"] == 41
    assert report["test_split"]["auroc"]["n"] == 12
    assert "## The folder's test split" in card
    assert {path.name for path in (workshop.bundles / "splits").glob("test_*")} == {
        "test_confusion.png",
        "test_decision_curve.png",
        "test_histogram.png",
        "test_precision_recall.png",
        "test_reliability.png",
        "test_risk_coverage.png",
        "test_roc.png",
    }
    shutil.copytree(split / "train", tmp_path / "train")
    shutil.copytree(split / "val", tmp_path / "val")
    assert workshop.quick.train(tmp_path, "no_test").status == 0
    without = workshop.report("no_test")
    assert without["test_split"] is None
    for key in ("out_of_fold", "confusion", "operating_points", "calibration", "epochs"):
        assert without[key] == report[key]
    assert_same_heads(workshop, "splits", "no_test")


def test_unreadable_files_are_set_aside_and_listed(workshop: Workshop, trained_on_splits: Ran) -> None:
    assert workshop.report("splits")["set_aside"] == [
        {"file": "train/NORMAL/broken.png", "code": "not_an_image"},
        {"file": "test/PNEUMONIA/empty.png", "code": "empty_file"},
    ]
    assert "train/NORMAL/broken.png (not_an_image)" in trained_on_splits.out
    assert "could not be read: 2" in workshop.card("splits")


def test_dicom_files_are_learnt_from_and_leave_no_name(workshop: Workshop, trained_on_splits: Ran) -> None:
    with (workshop.runs / "splits/manifest.csv").open(encoding="utf-8", newline="") as lines:
        rows = {row["file"]: row for row in csv.DictReader(lines)}
    assert rows["train/PNEUMONIA/person7_virus_9.dcm"]["modality"] == "CR"
    for path in (*(workshop.bundles / "splits").iterdir(), workshop.runs / "splits/manifest.csv"):
        assert b"Doe^Jane" not in path.read_bytes(), path.name


def test_the_card_carries_notes_and_population(workshop: Workshop, trained_on_splits: Ran) -> None:
    card = workshop.card("splits")
    assert "## What was tried\n\nTried *more* light: 0.1234 worse.\n" in card
    assert "- Population: dolls, one nursery\n" in card
    assert workshop.load("splits").spec.data["population"] == "dolls, one nursery"


def test_every_number_in_the_tables_of_a_card_with_a_test_split_is_in_the_report(
    workshop: Workshop, trained_on_splits: Ran
) -> None:
    reported = numbers_in(workshop.report("splits"))
    assert [shown for shown in numbers_of_tables(workshop.card("splits")) if not is_reported(shown, reported)] == []


def test_logs_for_tensorboard_are_written_where_asked(workshop: Workshop, trained_on_splits: Ran) -> None:
    (file,) = (path for path in (workshop.root / "logs").rglob("*") if path.is_file())
    assert "tfevents" in file.name
    assert file.stat().st_size > 100


@pytest.fixture(scope="module")
def searched(workshop: Workshop, trained: Trained) -> str:
    """A bundle for which heads were tried: no setting of the head is given."""
    places = ("--cache", workshop.cache, "--runs", workshop.runs)
    plain = ("--backbone", "efficientnet_lite0", "--field", "film", "--views", 0, "--folds", 2)
    ran = workshop.quick.run("train", trained.data, "--name", "searched", *plain, *places)
    assert ran.status == 0, ran.err
    assert "Heads that were tried" in ran.out
    return "searched"


def test_without_a_setting_heads_are_tried_and_the_best_is_taken(workshop: Workshop, searched: str) -> None:
    report, spec = workshop.report(searched), workshop.load(searched).spec
    trials = report["search"]["trials"]
    assert len(trials) == 9
    assert {trial["pooling"] for trial in trials} == {"mean", "max", "both"}
    assert {trial["width"] for trial in trials} == {0, 32}
    best = trials[report["search"]["best"]]
    assert best["score"] > max(trial["score"] for trial in trials) - 0.1
    assert (spec.head.pooling, spec.head.width, spec.head.dropout) == (best["pooling"], best["width"], best["dropout"])
    assert report["configuration"]["head_training"]["l2"] == best["l2"]
    assert report["configuration"]["head_training"]["epochs"] == HeadTraining.epochs


def test_the_card_shows_the_heads_that_were_tried(workshop: Workshop, searched: str) -> None:
    card = workshop.card(searched)
    assert "## Heads that were tried" in card
    assert "chosen among 9" in card
    reported = numbers_in(workshop.report(searched))
    assert [shown for shown in numbers_of_tables(card) if not is_reported(shown, reported)] == []


@pytest.mark.parametrize("option", [("--width", 4), ("--no-search",)])
def test_a_setting_of_the_head_ends_the_search(
    option: tuple[object, ...], workshop: Workshop, trained: Trained
) -> None:
    places = ("--cache", workshop.cache, "--runs", workshop.runs, "--overwrite")
    plain = ("--backbone", "efficientnet_lite0", "--field", "film", "--views", 0, "--folds", 2)
    ran = workshop.quick.run("train", trained.data, "--name", "unsearched", *plain, *places, *option)
    assert ran.status == 0, ran.err
    assert workshop.report("unsearched")["search"] is None
    assert "Heads that were tried" not in ran.out + workshop.card("unsearched")


def test_three_classes_give_a_bundle_that_names_the_likeliest(
    workshop: Workshop, trained_on_three: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = trained_on_three.data
    report, card = workshop.report("three"), workshop.card("three")
    assert report["operating_points"] == []
    assert report["out_of_fold"]["macro_auroc"]["value"] > 0.7
    assert np.shape(report["confusion"]) == (3, 3)
    assert "sensitivity for CLEAR" in card
    reported = numbers_in(report)
    assert [shown for shown in numbers_of_tables(card) if not is_reported(shown, reported)] == []
    monkeypatch.setenv(BUNDLES_VARIABLE, str(workshop.bundles))
    (prediction,) = Predictor.load("three").predict([read_radiograph(next((three / "CLEAR").iterdir()))])
    assert prediction.labels == ("CLEAR", "CLOUDY", "WHITE")
    assert prediction.verdict in (prediction.labels[int(np.argmax(prediction.probabilities))], None)
    refused = workshop.train(three, "three_positive", "--positive", "WHITE")
    assert refused.status == 2
    assert "two classes" in refused.err


def test_resnet50_with_a_weight_file_of_ones_own(workshop: Workshop, random_resnet50: Path, tmp_path: Path) -> None:
    file = random_resnet50
    data = write_published(tmp_path / "twelve", images=6, batches=(0,))
    ran = workshop.quick.train(data, "resnet", "--backbone", "resnet50", "--weights", file, "--views", 0, "--folds", 3)
    assert ran.status == 0, ran.err
    assert "not the published" in ran.out
    bundle = workshop.load("resnet")
    assert bundle.spec.backbone.id == "resnet50"
    assert bundle.spec.backbone.source == "custom"
    assert bundle.spec.backbone.weights_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert bundle.backbone_file is not None
    assert bundle.backbone_file.read_bytes() == file.read_bytes()

    film_ = read_radiograph(next((data / "NORMAL").iterdir()))
    (prediction,) = Predictor(bundle).predict([film_], heatmaps=True)
    assert prediction.heatmap is not None
    exported = keras.models.load_model(export_bundle(bundle, "keras", tmp_path / "resnet.keras"))
    probabilities = np.asarray(exported(film_.pixels[None, :, :, None]))
    np.testing.assert_allclose(probabilities[0], prediction.probabilities, atol=1e-3)


def test_bundle_json_can_be_read_by_anyone(workshop: Workshop, trained: Trained) -> None:
    content = json.loads((workshop.bundles / trained.name / "bundle.json").read_text())
    assert content["training"]["seed"] == 2015
    assert content["versions"]["keras"]
    assert content["backbone"]["source"] == "vendored"
