"""Subgroups: where groups come from, what is said of each, and what is not assessable."""

from pathlib import Path

import numpy as np
import pytest

from models.prediction import OperatingPoint
from training.data.manifest import Entry
from training.evaluation.confident_errors import confident_errors
from training.evaluation.subgroup_columns import find_columns
from training.metrics.abstention import abstention_report
from training.metrics.judged import Judged
from training.metrics.subgroups import Column, subgroup_report

POINT = OperatingPoint("balanced", 0.5, (0.9, 0.8, 1.0), (0.9, 0.8, 1.0))


def entry(path, *, batch="", **facts):
    return Entry(Path(path), Path(path).parts[0], path, batch, "train", "", facts, "", b"")


def judged(truth, probability, *, findings=None, labels=("NORMAL", "PNEUMONIA"), positive="PNEUMONIA"):
    scores = np.asarray(probability, dtype=float)
    both = np.stack([1 - scores, scores], axis=1) if scores.ndim == 1 else scores
    found = None if findings is None else np.array(findings)
    return Judged(np.array(truth), both, [str(n) for n in range(len(truth))], labels, positive, both, found)


ENTRIES = [
    entry("NORMAL/a.png", batch="IM", sex="F", age_years="4.5"),
    entry("NORMAL/b.png", batch="IM", age_years="70"),
    entry("PNEUMONIA/c.png", batch="virus", sex="M", age_years="0.25"),
    entry("PNEUMONIA/deep/c.png", batch="", age_years="of age"),
]


def groups_of(columns):
    return {column.name: column.groups for column in columns}


def test_columns_come_from_names_and_dicom_facts():
    assert groups_of(find_columns(ENTRIES, None)) == {
        "acquisition batch": ("IM", "IM", "virus", ""),
        "view": ("", "", "", ""),
        "sex": ("F", "", "M", ""),
        "age": ("1 to 5 years", "65 years and over", "under 1 year", ""),
    }


def test_a_table_adds_columns_and_fills_gaps(tmp_path):
    (tmp_path / "t.csv").write_text(
        "\ufefffile,patient,Sex,age,device\r\na.png,1,,,X1\r\nPNEUMONIA/deep/c.png,2,F,17.9,\r\nelsewhere.png,3,M,5,X2\r\n",
        encoding="utf-8",
    )
    found = groups_of(find_columns(ENTRIES, tmp_path / "t.csv"))
    assert found["sex"] == ("F", "", "M", "F")
    assert found["age"] == ("1 to 5 years", "65 years and over", "under 1 year", "6 to 17 years")
    assert found["device"] == ("X1", "", "", "")
    assert "patient" not in found


def test_a_file_name_that_occurs_twice_names_no_image(tmp_path):
    (tmp_path / "t.csv").write_text("file,device\nc.png,X1\na.png,X2\n")
    assert groups_of(find_columns(ENTRIES, tmp_path / "t.csv"))["device"] == ("X2", "", "", "")


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"", "must hold the column file. Received: an empty file"),
        (b"name,sex\na.png,F\n", "must hold the column file. Received: name, sex"),
        (b"file,sex\nz.png,F\n", "must name images by their path.*Received: none of the 4 images"),
        (b"file,sex\n\xff\xfe,F\n", "--subgroups must be a readable CSV file in UTF-8. Received"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, content, rule):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rule):
        find_columns(ENTRIES, tmp_path / "t.csv")


def test_each_group_has_its_counts_and_metrics():
    images = judged([0, 0, 1, 1] * 10, [0.1, 0.7, 0.9, 0.8] * 10)
    (column,) = subgroup_report(images, POINT, [Column("sex", ("F", "M", "F", "M") * 10)], draws=100)
    female, male = column["groups"]
    assert (female["group"], female["images"], female["patients"]) == ("F", {"NORMAL": 10, "PNEUMONIA": 10}, 20)
    assert female["metrics"]["specificity"]["value"] == 1 > female["metrics"]["specificity"]["low"]
    assert male["metrics"]["specificity"]["value"] == 0
    assert male["metrics"]["auroc"]["n"] == 20
    assert male["auroc_against_all"] is None


def test_a_group_of_one_class_is_told_from_all_of_the_other():
    images = judged([0, 0, 1, 1] * 10, [0.1, 0.85, 0.9, 0.8] * 10)
    (column,) = subgroup_report(images, POINT, [Column("batch", ("IM", "IM", "bacteria", "virus") * 10)], draws=100)
    healthy, bacteria, virus = column["groups"]
    assert bacteria["metrics"]["auroc"]["value"] == 1
    assert virus["metrics"]["auroc"]["value"] == 0.5
    assert virus["auroc_against_all"] == "NORMAL"
    assert virus["metrics"]["specificity"] is None
    assert healthy["metrics"]["sensitivity"] is None


def test_what_cannot_be_divided_says_why():
    images = judged([0, 1] * 15, [0.1, 0.9] * 15)
    many = Column("date", tuple(map(str, range(30))))
    unknown, dates, gaps = subgroup_report(
        images, POINT, [Column("view", ("",) * 30), many, Column("sex", ("F", "") * 15)], draws=100
    )
    assert (unknown["groups"], unknown["not_assessable"]) == ([], "no image states it")
    assert dates["groups"] == []
    assert "30 different values" in dates["not_assessable"]
    assert [group["group"] for group in gaps["groups"]] == ["F", "not stated"]


def test_ages_stand_in_their_order():
    images = judged([0, 1] * 15, [0.1, 0.9] * 15)
    (column,) = subgroup_report(images, POINT, [Column("age", ("18 to 39 years", "1 to 5 years", "") * 10)], draws=100)
    assert [group["group"] for group in column["groups"]] == ["1 to 5 years", "18 to 39 years", "not stated"]


def test_the_gate_and_the_zone_between_take_their_shares():
    points = [OperatingPoint(name, at, (1, 1, 1), (1, 1, 1)) for name, at in (("rule_out", 0.2), ("rule_in", 0.8))]
    codes = ["", "", "", "", "unlike_training_data", "not_a_radiograph", "", ""]
    images = judged([0, 1, 1, 0, 1, 0, 1, 1], [0.1, 0.9, 0.5, 0.6, 0.5, 0.9, 0.1, 0.95], findings=codes)
    found = abstention_report(images, points, POINT, draws=100)
    assert found["counts"] == {"verdict_given": 4, "not_a_radiograph": 1, "unlike_training_data": 1, "indeterminate": 2}
    assert found["shares"]["indeterminate"]["value"] == 0.25
    assert found["judged"]["images"] == {"NORMAL": 1, "PNEUMONIA": 3}
    assert found["judged"]["metrics"]["sensitivity"]["value"] == pytest.approx(2 / 3)
    assert found["judged"]["confusion"] == [[1, 0], [1, 2]]


def test_a_bundle_without_gate_and_zone_judges_everything():
    found = abstention_report(judged([0, 1], [0.1, 0.9]), [POINT], POINT, draws=100)
    assert found["counts"] == {"verdict_given": 2}
    assert found["shares"]["not_a_radiograph"] is None
    assert (found["has_gate"], found["has_indeterminate_zone"]) == (False, False)


def test_where_nothing_is_judged_there_are_no_metrics():
    images = judged([0, 1], [0.1, 0.9], findings=["not_a_radiograph"] * 2)
    judged_part = abstention_report(images, [POINT], POINT, draws=100)["judged"]
    assert judged_part == {"images": {"NORMAL": 0, "PNEUMONIA": 0}, "patients": 0, "metrics": None, "confusion": None}


def test_the_surest_errors_come_first_and_at_most_ten_of_a_class():
    truth = [0] * 12 + [1] * 3
    probability = [0.6 + number / 100 for number in range(12)] + [0.9, 0.3, 0.4]
    entries = [entry(f"{'NORMAL' if label == 0 else 'PNEUMONIA'}/{n}.png") for n, label in enumerate(truth)]
    found = confident_errors(judged(truth, probability), entries, POINT)
    alarms, missed = found[:10], found[10:]
    assert [error["probability"] for error in alarms] == pytest.approx([0.71 - number / 100 for number in range(10)])
    assert {error["truth"] for error in alarms} == {"NORMAL"}
    assert [(error["file"], error["verdict"]) for error in missed] == [
        ("PNEUMONIA/13.png", "NORMAL"),
        ("PNEUMONIA/14.png", "NORMAL"),
    ]
    assert missed[0]["probability"] == pytest.approx(0.7)
