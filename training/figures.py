"""The plots of a judged set of images, the same in a run and in an evaluation."""

from collections.abc import Mapping
from pathlib import Path

from models.prediction import OperatingPoint
from training.curves import reliability, roc_points
from training.plots import plot_confusion, plot_probability_histogram, plot_reliability, plot_roc
from training.validation import Judged, Metrics


def draw_judged(
    judged: Judged,
    metrics: Metrics,
    operating_point: OperatingPoint | None,
    folder: Path,
    *,
    thresholds: Mapping[str, float],
    prefix: str = "",
) -> list[Path]:
    """Write ROC, reliability, histogram and confusion (more than two classes: the confusion alone) as PNG."""
    confusion = folder / f"{prefix}confusion.png"
    plot_confusion(judged.confusion(operating_point), judged.labels, confusion, accuracy=metrics["accuracy"])
    if operating_point is None or not 0 < judged.is_positive.sum() < len(judged.truth):
        return [confusion]
    positive, probability = judged.is_positive, judged.positive_probability
    roc, reliable, histogram = (folder / f"{prefix}{name}.png" for name in ("roc", "reliability", "histogram"))
    plot_roc(roc_points(positive, probability), metrics["auroc"], roc, operating_points=thresholds)
    plot_reliability(
        reliability(positive, probability),
        reliable,
        brier=metrics["brier"],
        slope=metrics["calibration_slope"],
    )
    plot_probability_histogram(judged.truth, probability, judged.labels, histogram, operating_points=thresholds)
    return [roc, reliable, histogram, confusion]
