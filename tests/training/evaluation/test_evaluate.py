"""Judging a folder that a bundle was not trained on."""

import base64
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import BUNDLES_VARIABLE
from models.films.radiograph import read_radiograph
from models.films.refusal import Refusal
from models.prediction import INDETERMINATE
from models.predictor import Predictor
from tests.training.conftest import Ran, Trained, Workshop
from tests.training.films import write_film, write_published
from training.metrics.bootstrap import Estimate, interval_text

KEYS = {
    "abstention",
    "bundle",
    "bundle_sha256",
    "comparison",
    "confusion",
    "created",
    "data_fingerprint",
    "decision_curve",
    "draws",
    "errors",
    "images",
    "is_training_data",
    "left_out",
    "labels",
    "metrics",
    "operating_point",
    "operating_points",
    "patient_source",
    "patients",
    "positive",
    "predictive_values",
    "prevalence",
    "risk_coverage",
    "set_aside",
    "subgroups",
    "trained_on",
}
METRICS = {"auroc", "sensitivity", "specificity", "accuracy", "brier"}
PLOTS = {f"{name}.png" for name in ("roc", "precision_recall", "reliability", "histogram", "decision_curve",
                                    "risk_coverage", "confusion", "errors")}  # fmt: skip


PEOPLE = [(300 + number, ("bacteria", "virus")[number % 2]) for number in range(5)]


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
    internal = workshop.bundles / trained.name / "report.json"
    table = workshop.root / "table.csv"
    table.write_text("file,device\n" + "".join(f"person{n}_{kind}_1.png,<b>X{n % 2}</b>\n" for n, kind in PEOPLE))
    places = (elsewhere, workshop.root / "evaluation", "--compare", internal, "--subgroups", table)
    ran = workshop.evaluate(trained.name, *places)
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


@pytest.fixture(scope="module")
def page(workshop: Workshop, evaluated: Ran) -> str:
    return (workshop.root / "evaluation/evaluation.html").read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Collects what a browser would fetch, the tags that are not closed, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [
            value or "" for name, value in attributes if name in ("src", "href", "srcset", "data", "action")
        ]
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def test_the_page_stands_alone(workshop: Workshop, read: Reader, page: str) -> None:
    assert read.open == []
    assert len(read.fetched) == len(PLOTS)
    assert all(source.startswith("data:image/png;base64,") for source in read.fetched)
    assert not {"script", "link", "iframe", "a", "form"} & set(read.tags)
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    assert "://" not in page
    inside = {base64.b64decode(source.partition(",")[2]) for source in read.fetched}
    assert inside == {(workshop.root / "evaluation" / name).read_bytes() for name in PLOTS}


def test_the_page_says_what_the_report_says(read: Reader, report: Any) -> None:
    for name in METRICS:
        assert interval_text(Estimate(**report["metrics"][name])) in read.text
    assert "Research and education only" in read.text
    assert report["bundle_sha256"] in read.text
    assert "External drop" in read.text
    assert read.text.index("External drop") < read.text.index("Discrimination and calibration")
    assert "sex: not assessable, no image states it" in read.text


def test_what_names_come_with_is_text_on_the_page(read: Reader, report: Any, page: str) -> None:
    (device,) = (column for column in report["subgroups"] if column["column"] == "device")
    assert [group["group"] for group in device["groups"]] == ["<b>X0</b>", "<b>X1</b>", "not stated"]
    assert "<b>X0</b>" in read.text
    assert "&lt;b&gt;X0&lt;/b&gt;" in page
    assert "<b>X" not in page


def test_the_drop_is_measured_from_the_patients_that_the_bundle_had_not_seen(
    workshop: Workshop, trained: Trained, report: Any
) -> None:
    internal = workshop.report(trained.name)["out_of_fold"]
    rows = {row["metric"]: row for row in report["comparison"]["rows"]}
    assert report["comparison"]["kind"] == "out of fold"
    assert set(rows) == set(report["metrics"])
    assert rows["auroc"]["before"] == internal["auroc"]
    assert rows["auroc"]["difference"]["value"] == pytest.approx(
        report["metrics"]["auroc"]["value"] - internal["auroc"]["value"]
    )
    assert (
        rows["auroc"]["difference"]["low"] < rows["auroc"]["difference"]["value"] < rows["auroc"]["difference"]["high"]
    )
    assert rows["ppv"]["follows_prevalence"] is True


def test_published_names_give_subgroups(report: Any) -> None:
    (batches,) = (column for column in report["subgroups"] if column["column"] == "acquisition batch")
    groups = {group["group"]: group for group in batches["groups"]}
    assert set(groups) == {"IM", "NORMAL2-IM", "bacteria", "virus"}
    assert groups["bacteria"]["images"] == {"NORMAL": 0, "PNEUMONIA": 6}
    assert groups["bacteria"]["metrics"]["specificity"] is None
    assert groups["bacteria"]["auroc_against_all"] == "NORMAL"


def test_gate_and_verdicts_are_those_that_a_user_would_get(
    workshop: Workshop, trained: Trained, elsewhere: Path, report: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUNDLES_VARIABLE, str(workshop.bundles))
    predictor = Predictor.load(trained.name)
    files = [path for path in sorted(elsewhere.rglob("*.png")) if path.name != "cut.png"]
    outcomes = predictor.predict([read_radiograph(path) for path in files])
    verdicts = [getattr(outcome, "verdict", None) for outcome in outcomes]
    codes = [
        outcome.code if isinstance(outcome, Refusal) else outcome.finding and outcome.finding.code
        for outcome in outcomes
    ]
    counts = report["abstention"]["counts"]
    assert counts["indeterminate"] == verdicts.count(INDETERMINATE)
    assert counts["verdict_given"] == sum(verdict in ("NORMAL", "PNEUMONIA") for verdict in verdicts)
    assert counts["unlike_training_data"] == codes.count("unlike_training_data")
    assert counts["not_a_radiograph"] == codes.count("not_a_radiograph")


def test_every_wrong_verdict_is_among_the_errors_while_they_are_few(report: Any) -> None:
    files = {error["file"] for error in report["errors"]}
    assert "NORMAL/IM-0900-0001.png" in files
    assert len(files) == report["confusion"][0][1] + report["confusion"][1][0]


@pytest.mark.parametrize(
    ("option", "rule"), [("--compare", "--compare must name"), ("--subgroups", "--subgroups must be")]
)
def test_a_file_that_cannot_be_used_is_refused_before_anything_is_judged(
    workshop: Workshop, trained: Trained, elsewhere: Path, tmp_path: Path, option: str, rule: str
) -> None:
    ran = workshop.evaluate(trained.name, elsewhere, tmp_path / "out", option, tmp_path / "absent")
    assert ran.status == 2
    assert rule in ran.err
    assert not (tmp_path / "out").exists()


def test_plots_are_written_and_the_terminal_says_where(workshop: Workshop, evaluated: Ran) -> None:
    out = workshop.root / "evaluation"
    assert {path.name for path in out.iterdir()} == {"evaluation.html", "evaluation.json", *PLOTS}
    for path in out.iterdir():
        assert str(path) in evaluated.out
    assert "AUROC" in evaluated.out
    assert "NORMAL/cut.png (damaged)" in evaluated.out
    assert "no diagnosis" in evaluated.out
    assert "flatter" not in evaluated.out
    assert evaluated.err == ""


def test_the_training_folder_is_told_from_others(workshop: Workshop, trained: Trained, tmp_path: Path) -> None:
    before = workshop.shards()
    ran = workshop.quick.evaluate(trained.name, trained.data, tmp_path)
    assert ran.status == 0
    assert "flatter" in ran.out
    assert json.loads((tmp_path / "evaluation.json").read_text())["is_training_data"] is True
    assert workshop.shards() == before, "its embeddings were there"


def test_where_a_folder_has_a_test_split_that_alone_is_judged(
    workshop: Workshop, trained: Trained, elsewhere: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained.data, tmp_path / "data/train")
    shutil.copytree(elsewhere, tmp_path / "data/test")
    ran = workshop.quick.evaluate(trained.name, tmp_path / "data", tmp_path / "out")
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
    assert {path.name for path in tmp_path.glob("*.png")} >= {"confusion.png", "risk_coverage.png"}
    assert not (tmp_path / "roc.png").exists()
    assert judged["risk_coverage"]["at"][-1]["error"]["value"] == pytest.approx(
        1 - judged["metrics"]["accuracy"]["value"]
    )
    assert (judged["predictive_values"], judged["decision_curve"]) == ([], None)
    assert "AUROC, mean of the classes" in (tmp_path / "evaluation.html").read_text(encoding="utf-8")
