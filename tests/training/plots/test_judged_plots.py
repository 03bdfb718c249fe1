"""Plots: a readable PNG, or no file at all."""

import numpy as np
import pytest
from PIL import Image

from training.metrics.bootstrap import Estimate
from training.metrics.curves import precision_recall_points, reliability, roc_points
from training.metrics.decisions import decision_curve, risk_coverage
from training.plots.decision_plots import plot_decision_curve, plot_risk_coverage
from training.plots.judged_plots import (
    contact_sheet,
    plot_confusion,
    plot_error_table,
    plot_learning_curves,
    plot_precision_recall,
    plot_probability_histogram,
    plot_reliability,
    plot_roc,
)

LABELS = ["NORMAL", "A $very LONG LABEL_WITH ^marks and 100 % more"]
ESTIMATE = Estimate(0.951, 0.93, 0.967, n=200, patients=120)


def data():
    generator = np.random.default_rng(0)
    positive = generator.random(200) < 0.5
    return positive, np.clip(positive * 0.4 + generator.random(200) * 0.6, 0, 1)


def risk(wrong=True):
    positive, score = data()
    errors = (positive != (score >= 0.4)) & wrong
    return risk_coverage(errors, np.abs(score - 0.4), patients(), draws=100)


def net_benefit():
    return decision_curve(*data(), patients(), draws=100)


def patients():
    return [str(number // 2) for number in range(200)]


def films(count, size=(40, 30)):
    return [np.random.default_rng(index).integers(0, 256, size, dtype=np.uint8) for index in range(count)]


def draw_roc(path):
    positive, score = data()
    points = {"rule_out": 0.3, "balanced": 0.4, "rule_in": 0.6}
    plot_roc(roc_points(positive, score), ESTIMATE, path, operating_points=points)


def draw_histogram(path):
    positive, score = data()
    plot_probability_histogram(positive.astype(int), score, LABELS, path, operating_points={"balanced": 0.4})


DRAWINGS = {
    "roc": draw_roc,
    "roc of an undefined AUROC": lambda path: plot_roc(roc_points(*data()), None, path),
    "reliability": lambda path: plot_reliability(reliability(*data()), path, brier=ESTIMATE, slope=ESTIMATE),
    "reliability not assessable": lambda path: plot_reliability(
        reliability(np.array([True]), np.array([0.4])), path, brier=None, slope=None
    ),
    "confusion": lambda path: plot_confusion([[1261, 85], [0, 0]], LABELS, path, accuracy=ESTIMATE),
    "confusion of nine classes": lambda path: plot_confusion(
        np.eye(9, dtype=int) * 70, [f"class {index}" for index in range(9)], path, accuracy=None
    ),
    "histogram": draw_histogram,
    "errors of corruptions": lambda path: plot_error_table(
        {f"corruption_{row}": [0.02, 0.1, 0.3, 0.5, 0.7] for row in range(13)},
        path,
        title="Mean balanced error 0.073 (0.061–0.085)",
        basis="95 % interval over patients; n = 400 films of 400 patients",
    ),
    "precision and recall": lambda path: plot_precision_recall(
        precision_recall_points(*data()), ESTIMATE, path, operating_points={"balanced": 0.4}
    ),
    "risk and coverage": lambda path: plot_risk_coverage(risk(), path),
    "risk and coverage without an error": lambda path: plot_risk_coverage(risk(wrong=False), path),
    "decision curve": lambda path: plot_decision_curve(net_benefit(), path, prevalence=0.5),
    "learning curves": lambda path: plot_learning_curves([([0.6, 0.3, 0.2], [0.6, 0.4, 0.5])] * 5, [3] * 5, path),
    "learning curve of one epoch": lambda path: plot_learning_curves([([0.6], [0.7])], [1], path),
}


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_a_plot_is_a_wide_picture_with_ink_on_white(draw, tmp_path):
    draw(tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.format == "PNG"
        assert picture.width == 1200
        assert 600 <= picture.height <= 1600
        pixels = np.asarray(picture.convert("L"))
    assert pixels[0].min() == 255  # a margin: nothing is cut off at the top …
    assert pixels[-1].min() == 255  # … nor at the bottom,
    assert pixels[:, 0].min() == 255  # the left …
    assert pixels[:, -1].min() == 255  # … or the right
    assert pixels.min() < 60
    assert len(np.unique(pixels)) > 20
    assert [file.name for file in tmp_path.iterdir()] == ["plot.png"]


def test_operating_points_are_drawn(tmp_path):
    plot_roc(roc_points(*data()), ESTIMATE, tmp_path / "without.png")
    plot_roc(roc_points(*data()), ESTIMATE, tmp_path / "with.png", operating_points={"balanced": 0.4})
    without, marked = (np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")) for name in ("without", "with"))
    vermilion = np.array([0xD5, 0x5E, 0x00])
    assert not (without == vermilion).all(axis=-1).any()
    assert (marked == vermilion).all(axis=-1).sum() > 100


def test_the_contact_sheet_shows_each_film_in_its_own_cell(tmp_path):
    black, white = np.zeros((50, 50), np.uint8), np.full((30, 60), 255, np.uint8)
    grey = np.full((50, 50), 100, np.uint8)
    contact_sheet([[black, grey], [grey]], ["IM-1 $", "IM-2"], tmp_path / "sheet.png", columns=["plain", "view 1"])
    pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    height, width = pixels.shape
    assert width == 720
    assert pixels[height // 4, width // 4] == 0
    assert pixels[height // 4, 3 * width // 4] == 100  # gray levels are kept, not stretched
    assert pixels[3 * height // 4, width // 4] == 100
    assert pixels[3 * height // 4, 3 * width // 4] == 255  # a shorter row leaves its place empty
    contact_sheet([[white]], ["one"], tmp_path / "one.png")
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["one.png", "sheet.png"]


def test_captions_stand_on_the_films(tmp_path):
    black = np.zeros((50, 50), np.uint8)
    contact_sheet(
        [[black, black]], ["Truth NORMAL"], tmp_path / "sheet.png", captions=[["a $film.png\nNORMAL 0.9", ""]]
    )
    pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    lower = pixels[7 * pixels.shape[0] // 10 : -12]
    left, right = np.split(lower, 2, axis=1)
    assert left[:, 20:-20].max() > 200
    assert right[:, 20:-20].max() < 50


def test_a_long_contact_sheet_stays_within_what_a_viewer_opens(tmp_path):
    contact_sheet([films(1)] * 80, ["film"] * 80, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as picture:
        assert max(picture.size) <= 20_000


@pytest.mark.parametrize(
    ("draw", "rule"),
    [
        (lambda path: contact_sheet([], [], path), "Each row must have films and a title"),
        (lambda path: contact_sheet([films(2)], [], path), "Each row must have films and a title"),
        (lambda path: contact_sheet([films(1), []], ["a", "b"], path), "Each row must have films and a title"),
        (lambda path: contact_sheet([[np.zeros((5, 5))]], ["a"], path), "A film must be uint8"),
        (lambda path: contact_sheet([[np.zeros((5, 5, 3), np.uint8)]], ["a"], path), "A film must be uint8"),
        (lambda path: plot_confusion([[1]], LABELS, path, accuracy=None), "counts must be"),
        (lambda path: plot_learning_curves([], [], path), "Each fold must have"),
        (lambda path: plot_learning_curves([([1.0], [1.0, 0.5])], [1], path), "Each fold must have"),
        (lambda path: plot_probability_histogram([0, 1], [0.5], LABELS, path), "truth and probability must be"),
    ],
)
def test_wrong_numbers_are_refused_and_leave_no_file(draw, rule, tmp_path):
    with pytest.raises(ValueError, match=f"{rule}.*Received"):
        draw(tmp_path / "plot.png")
    assert list(tmp_path.iterdir()) == []


def test_a_drawing_that_fails_leaves_the_old_picture_and_no_temporary_file(tmp_path):
    taken = tmp_path / "plot.png"
    (taken / "a folder where the picture should go").mkdir(parents=True)
    with pytest.raises(OSError, match=r"plot\.png"):
        draw_roc(taken)
    assert [file.name for file in tmp_path.iterdir()] == ["plot.png"]
    old = tmp_path / "old.png"
    old.write_bytes(b"the old picture")
    with pytest.raises(TypeError):
        plot_learning_curves([([0.5, 0.4], ["a", None])], [1], old)
    assert old.read_bytes() == b"the old picture"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["old.png", "plot.png"]
