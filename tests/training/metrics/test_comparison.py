"""The drop from an earlier result: by how much, with which interval, and when there is none."""

import json

import pytest

from training.evaluation.earlier_result import read_earlier
from training.metrics.bootstrap import Estimate
from training.metrics.comparison import compare, difference, difference_text


def estimate(value, low, high):
    return Estimate(value, low, high, n=100, patients=80)


def earlier_file(path, **changes):
    content = {
        "bundle": "mine",
        "data_fingerprint": "aa",
        "metrics": {"auroc": estimate(0.95, 0.92, 0.97).as_json(), "specificity": None},
    }
    path.write_text(json.dumps({**content, **changes}))
    return path


def test_a_difference_by_hand():
    found = difference(estimate(0.60, 0.50, 0.70), estimate(0.95, 0.92, 0.97))
    assert found.value == pytest.approx(-0.35)
    assert found.low == pytest.approx(-0.35 - (0.10**2 + 0.02**2) ** 0.5)
    assert found.high == pytest.approx(-0.35 + (0.10**2 + 0.03**2) ** 0.5)


def test_an_evaluation_is_compared_with(tmp_path):
    earlier = read_earlier(earlier_file(tmp_path / "evaluation.json"))
    here = {"auroc": estimate(0.6, 0.5, 0.7), "specificity": estimate(0.5, 0.4, 0.6), "brier": estimate(0.3, 0.2, 0.4)}
    found = compare(here, earlier, bundle="mine", fingerprint="bb")
    assert (found["kind"], found["same_bundle_name"], found["same_images"]) == ("evaluation", True, False)
    auroc, specificity = found["rows"]
    assert auroc["difference"]["value"] == pytest.approx(-0.35)
    assert specificity["before"] is None
    assert specificity["difference"] is None
    assert "doi:10.1002/sim.3095" in found["method"]


def test_a_report_of_a_bundle_is_compared_with(tmp_path):
    report = {
        "bundle": "other",
        "data": {"fingerprint": "aa"},
        "out_of_fold": {"auroc": estimate(0.9, 0.8, 1).as_json()},
    }
    (tmp_path / "report.json").write_text(json.dumps(report))
    found = compare(
        {"auroc": estimate(0.6, 0.5, 0.7)}, read_earlier(tmp_path / "report.json"), bundle="mine", fingerprint="b"
    )
    assert (found["kind"], found["same_bundle_name"]) == ("out of fold", False)
    assert found["rows"][0]["before"]["value"] == 0.9


def test_the_very_same_images_have_no_drop(tmp_path):
    earlier = read_earlier(earlier_file(tmp_path / "evaluation.json"))
    found = compare({"auroc": estimate(0.9, 0.8, 1)}, earlier, bundle="mine", fingerprint="aa")
    assert found["same_images"] is True
    assert found["rows"][0]["difference"] is None


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ({"value": -0.3504, "low": -0.41, "high": 0.0}, "−0.350 (−0.410 to +0.000)"),
        ({"value": -0.0001, "low": -0.01, "high": 0.02}, "+0.000 (−0.010 to +0.020)"),
        (None, "not assessable"),
    ],
)
def test_a_difference_in_words(raw, text):
    assert difference_text(raw) == text


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"metrics": {"auroc": 1}, "bundle": "b", "data_fingerprint": ""}',
        '{"out_of_fold": {}, "bundle": "b"}',
    ],
)
def test_a_file_that_is_no_result_is_refused(tmp_path, content):
    (tmp_path / "some.json").write_text(content)
    with pytest.raises(ValueError, match=r"--compare must name an evaluation\.json.*Received.*some\.json"):
        read_earlier(tmp_path / "some.json")
    with pytest.raises(ValueError, match="--compare must name"):
        read_earlier(tmp_path / "absent.json")
