"""The card and the reporting file: what a run says of itself, and what it leaves to its author."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.conftest import Trained, Workshop
from training.heads.calibrate import calibrate
from training.metrics.judged import Judged, calibration_gain
from training.reports.card_robustness import robustness
from training.reports.reporting_guidelines import AUTHOR, FACTS, reporting

CELLS = [
    {"corruption": name, "severity": severity, "balanced_error": error * severity, "low": 0.0, "high": 0.2, "n": 200}
    for name, error in (("gaussian_noise", 0.01), ("motion_blur", 0.05))
    for severity in (1, 2)
]
STRESS = {
    "cells": CELLS,
    "clean": {"balanced_error": 0.0, "low": 0.0, "high": 0.02, "n": 200},
    "mean_balanced_error": {"balanced_error": 0.045, "low": 0.03, "high": 0.06, "n": 200},
    "worst": CELLS[-1],
    "judged_by": "heads of the cross-validation",
    "shortcuts": [],
}
MARKER = {"test": "corner_marker", "finding": "the verdict turns on 31 % of films", "likely": True}
BORDER = {"test": "border_only", "finding": "AUROC 0.52 (0.47–0.57)", "likely": False}

SECTIONS = (
    "Intended use", "Not intended for", "Trained on", "Leaks", "On patients it had not seen", "Operating points", "Calibration",
    "Error by coverage", "What it declines to judge", "External result", "Robustness", "Network", "Made with",
)  # fmt: skip


def test_a_stress_test_that_was_not_run_says_so():
    assert "Not run" in robustness(None)
    assert "🔴" not in robustness(None)


def test_a_stress_test_without_a_shortcut_is_a_table_without_a_warning():
    section = robustness({**STRESS, "shortcuts": [BORDER]})
    assert "0.045 (0.030–0.060, n = 200) in the mean of 4 corruptions and severities" in section
    assert "0.100 (0.000–0.200, n = 200) in the worst, motion blur of severity 2." in section
    assert "| gaussian noise | 0.010 | 0.020 |" in section
    assert "| border only | AUROC 0.52 (0.47–0.57) | no |" in section
    assert "🔴" not in section


def test_a_likely_shortcut_is_the_first_thing_that_the_section_says():
    section = robustness({**STRESS, "shortcuts": [BORDER, MARKER]})
    assert section.index("🔴 **A shortcut is likely") < section.index("Balanced error")
    assert "> - 🔴 corner marker: the verdict turns on 31 % of films" in section
    assert "border only" not in section[: section.index("Balanced error")]


def test_the_card_has_its_sections_in_order(workshop: Workshop, trained: Trained):
    card = workshop.card(trained.name)
    places = [card.index(f"\n## {section}\n") for section in SECTIONS]
    assert places == sorted(places)
    assert "## External result\n\nNone." in card
    assert "Not run" in card[card.index("## Robustness") :]
    assert "model attention, not lesion location" in card
    assert "- Unit of every split: the patient\n" in card
    assert card.count("not stated") == 3, "population, view and source of the labels"


def test_the_card_names_the_digests_of_what_it_stands_on(workshop: Workshop, trained: Trained):
    card, folder = workshop.card(trained.name), workshop.bundles / trained.name
    lock = Path(__file__).parents[3] / "requirements.lock"
    report = workshop.report(trained.name)
    for path in (folder / "head.weights.h5", lock):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert report["data"]["fingerprint"] in card
    assert report["backbone"]["weights_sha256"] in card


def test_the_report_checks_what_calibration_promises(workshop: Workshop, trained: Trained):
    report, card = workshop.report(trained.name), workshop.card(trained.name)
    check = report["calibration"]["check"]
    assert check["brier"]["value"] == pytest.approx(report["out_of_fold"]["brier"]["value"])
    gain = check["brier_uncalibrated"]["value"] - check["brier"]["value"]
    assert check["brier_gain"]["value"] == pytest.approx(gain)
    assert check["brier_better_than_uncalibrated"] is (gain > 0)
    assert "Brier score, uncalibrated" in card


def test_the_report_holds_the_error_by_coverage(workshop: Workshop, trained: Trained):
    curve = workshop.report(trained.name)["risk_coverage"]
    errors = {row["coverage"]: row["error"] for row in curve["at"]}
    accuracy = workshop.report(trained.name)["out_of_fold"]["accuracy"]["value"]
    assert errors[1.0]["value"] == pytest.approx(1 - accuracy)
    assert curve["stated_coverage"] == 0.8


def test_calibration_of_overconfident_heads_gains():
    generator = np.random.default_rng(0)
    truth = (generator.random(600) < 0.5).astype(np.int64)
    score = 4 * (truth - 0.5) + generator.normal(0, 6, 600)
    logits = np.stack([np.zeros(600), 3 * score], axis=1).astype(np.float32)
    parts = np.array_split(np.arange(600), 3)
    folds = [(np.setdiff1d(np.arange(600), part), part) for part in parts]
    _, judged = calibrate(logits, truth, [str(n) for n in range(600)], folds, labels=("A", "B"), positive="B")
    found = calibration_gain(judged, draws=200)
    positive = 1 / (1 + np.exp(-np.float64(3) * score))
    assert found["brier_uncalibrated"].value == pytest.approx(np.mean((positive - truth) ** 2), abs=1e-6)
    assert found["brier_gain"].low > 0


def test_images_judged_without_logits_have_no_gain_to_state():
    judged = Judged(np.array([0, 1]), np.eye(2), ["a", "b"], ("A", "B"), "B")
    assert calibration_gain(judged) == {}


def every_item(found: dict[str, Any]) -> list[dict[str, str]]:
    return [item for guideline in found.values() for item in guideline["items"]]


def test_each_guideline_has_all_its_items_once(workshop: Workshop, trained: Trained):
    path = workshop.bundles / trained.name / "reporting.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    assert {name: len(one["items"]) for name, one in found.items()} == {
        "CLAIM 2024": 44,
        "TRIPOD+AI": 52,
        "STARD-AI": 48,
    }
    for guideline in found.values():
        numbers = [item["item"] for item in guideline["items"]]
        assert len(set(numbers)) == len(numbers)
        assert "doi:10." in guideline["source"]
        assert guideline["filled"] == sum(item["text"] != AUTHOR for item in guideline["items"])
        assert 0 < guideline["filled"] < guideline["of"]
    assert all(item["text"] and item["about"] for item in every_item(found))
    assert found == reporting(workshop.report(trained.name)), "it says what the report says"


def test_what_only_its_author_knows_is_left_to_the_author(workshop: Workshop, trained: Trained):
    found = reporting(workshop.report(trained.name))
    texts = {(name, item["item"]): item["text"] for name, one in found.items() for item in one["items"]}
    for place in (("CLAIM 2024", "44"), ("TRIPOD+AI", "17"), ("STARD-AI", "6"), ("CLAIM 2024", "14")):
        assert texts[place] == AUTHOR
    assert "Cross-validation in 2 folds" in texts["CLAIM 2024", "19"]
    assert "out-of-fold" in texts["STARD-AI", "15c"]


def test_what_was_said_at_the_start_fills_items(workshop: Workshop, trained: Trained):
    report = workshop.report(trained.name)
    report["data"] |= {"population": "dolls", "view": "PA", "label_source": "two readers"}
    report["robustness"] = STRESS
    found = reporting(report)
    texts = {(name, item["item"]): item["text"] for name, one in found.items() for item in one["items"]}
    assert texts["CLAIM 2024", "7"] == "dolls"
    assert texts["CLAIM 2024", "13"] == "PA"
    assert texts["STARD-AI", "16a"] == "two readers"
    assert (
        texts["CLAIM 2024", "30"]
        == "Mean balanced error over 4 corruptions and severities: 0.045 (0.030–0.060, n = 200)."
    )


def test_every_fact_is_told_under_some_item():
    items = json.loads(
        (Path(__file__).parents[3] / "training/reports/reporting_items.json").read_text(encoding="utf-8")
    )
    named = {item[2] for guideline in items.values() for item in guideline["items"] if item[2]}
    assert named == set(FACTS)


def test_training_data_are_no_external_result(workshop: Workshop, trained: Trained, tmp_path: Path):
    ran = workshop.quick.evaluate(trained.name, trained.data, tmp_path, "--into-card")
    assert ran.status == 2
    assert "must come from images that the bundle was not trained on" in ran.err
    assert "## External result\n\nNone." in workshop.card(trained.name)
