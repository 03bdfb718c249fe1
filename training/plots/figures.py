"""The plots of a judged set of images, the same in a run and in an evaluation."""

from collections.abc import Mapping
from pathlib import Path

from models.prediction import OperatingPoint
from training.metrics.assessment import Assessment, has_both_classes
from training.metrics.curves import precision_recall_points, reliability, roc_points
from training.metrics.judged import Judged
from training.plots.decision_plots import plot_decision_curve, plot_risk_coverage
from training.plots.judged_plots import (
    plot_confusion,
    plot_precision_recall,
    plot_probability_histogram,
    plot_reliability,
    plot_roc,
)


def draw_judged(
    judged: Judged,
    assessment: Assessment,
    operating_point: OperatingPoint | None,
    folder: Path,
    *,
    thresholds: Mapping[str, float],
    prefix: str = "",
) -> list[Path]:
    """Write the plots as PNG; for more than two classes, or one class alone, only confusion and risk by coverage."""

    def place(name: str) -> Path:
        return folder / f"{prefix}{name}.png"

    metrics = assessment.metrics
    common = [place("risk_coverage"), place("confusion")]
    plot_risk_coverage(assessment.risk_coverage, common[0])
    plot_confusion(assessment.confusion, judged.labels, common[1], accuracy=metrics["accuracy"])
    if operating_point is None or not has_both_classes(judged):
        return common
    positive, probability = judged.is_positive, judged.positive_probability
    curves = [place(name) for name in ("roc", "precision_recall", "reliability", "histogram")]
    plot_roc(roc_points(positive, probability), metrics["auroc"], curves[0], operating_points=thresholds)
    points = precision_recall_points(positive, probability)
    plot_precision_recall(points, metrics["auprc"], curves[1], operating_points=thresholds)
    reliable = reliability(positive, probability)
    plot_reliability(reliable, curves[2], brier=metrics["brier"], slope=metrics["calibration_slope"])
    plot_probability_histogram(judged.truth, probability, judged.labels, curves[3], operating_points=thresholds)
    if assessment.decision_curve:
        curves.append(place("decision_curve"))
        plot_decision_curve(assessment.decision_curve, curves[4], prevalence=float(positive.mean()))
    return [*curves, *common]
