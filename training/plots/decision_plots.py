"""Pictures of what verdicts are worth: error by coverage, and net benefit."""

from pathlib import Path

import numpy as np

from training.metrics.bootstrap import interval_text
from training.metrics.decisions import STATED_COVERAGE, DecisionCurve, RiskCoverage
from training.plots.canvas import (
    BLUE,
    DASHES,
    FAINT,
    INK,
    VERMILION,
    add_legend,
    basis_text,
    new_figure,
    save_png,
    style_axes,
)


def plot_risk_coverage(curve: RiskCoverage, path: Path) -> None:
    """Error among the surest share of images, with its interval, and what declining a fifth of them gives."""
    full, stated = curve.at[1.0], curve.at[STATED_COVERAGE]
    figure, axes = new_figure(4.8, f"Error {interval_text(full)} when all are judged", basis_text(full))
    known = [(coverage, estimate) for coverage, estimate in curve.at.items() if estimate]
    if known:
        at = [coverage for coverage, _ in known]
        low, high = ([100 * getattr(estimate, end) for _, estimate in known] for end in ("low", "high"))
        axes.fill_between(at, low, high, color=BLUE, alpha=0.18, linewidth=0, label="95 % interval")
    axes.plot(curve.coverage, 100 * curve.error, color=BLUE, linewidth=2, label="error among the surest")
    if stated:
        label = f"at {STATED_COVERAGE:.0%} coverage: {interval_text(stated, digits=4)}"
        axes.plot(
            STATED_COVERAGE,
            100 * stated.value,
            "o",
            color=VERMILION,
            markeredgecolor="white",
            markersize=10,
            label=label,
        )
    if full:
        axes.axhline(50 * full.value, color=FAINT, linewidth=1, linestyle=DASHES[2], label="half of the error on all")
    # Few images are among the very surest, so the interval is wide there: it may leave the picture.
    highest = max(float(curve.error.max()), full.high if full else 0.0, 0.001)
    axes.set(xlim=(0, 1.01), ylim=(0, 170 * highest))
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    style_axes(axes, x="Coverage: share of images judged, the surest first", y="Wrong verdicts, %")
    add_legend(axes, loc="upper left")
    save_png(figure, path)


def plot_decision_curve(curve: DecisionCurve, path: Path, *, prevalence: float) -> None:
    """Net benefit against the probability at which one would act, beside acting on every image and on none."""
    basis = f"findings per 100 images, at the prevalence of these ({prevalence:.1%})"
    figure, axes = new_figure(4.8, "Net benefit of acting on the probability", basis)
    axes.fill_between(curve.threshold, 100 * curve.low, 100 * curve.high, color=BLUE, alpha=0.18, linewidth=0)
    axes.plot(curve.threshold, 100 * curve.model, color=BLUE, linewidth=2.2, label="the model (95 % interval)")
    axes.plot(
        curve.threshold,
        100 * curve.everyone,
        color=VERMILION,
        linewidth=1.6,
        linestyle=DASHES[1],
        label="act on every image",
    )
    axes.axhline(0, color=INK, linewidth=1.4, linestyle=DASHES[2], label="act on none")
    top = 100 * max(prevalence, float(np.max(curve.high)))
    axes.set(xlim=(0, 1), ylim=(-0.12 * top, 1.35 * top))
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    style_axes(axes, x="Probability at which one would act", y="Net benefit per 100 images")
    add_legend(axes, loc="upper right")
    save_png(figure, path)
