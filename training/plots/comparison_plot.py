"""A picture of two bundles on the same patients: each one's numbers, and the difference with its interval."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from training.metrics.bootstrap import Estimate, Metrics
from training.plots.canvas import (
    BLUE,
    FAINT,
    VERMILION,
    add_legend,
    basis_text,
    new_figure,
    plain_text,
    save_png,
    style_axes,
)

_NAMES: Final = {
    ("films", "auroc"): "AUROC",
    ("films", "sensitivity"): "sensitivity",
    ("films", "specificity"): "specificity",
    ("films", "brier"): "Brier score",
    ("exchanged", "auroc"): "AUROC, surroundings exchanged",
    ("alone", "auroc"): "AUROC, surroundings alone",
}


def plot_comparison(rows: Mapping[str, Mapping[str, Metrics]], names: tuple[str, str], path: Path) -> None:
    """Draw `training.metrics.paired.paired_metrics` of each thing that both were shown; the first name is the later one."""
    lines = [(shown, metric) for shown, metric in _NAMES if shown in rows]
    basis = basis_text(rows["films"]["later"]["auroc"])
    figure, axes = new_figure(1.6 + 0.55 * len(lines), "On the same locked patients", basis)
    for place, (kind, name, colour) in enumerate(
        zip(("earlier", "later"), reversed(names), (FAINT, BLUE), strict=True)
    ):
        _draw(
            axes, [rows[shown][kind][metric] for shown, metric in lines], 0.14 - 0.28 * place, colour, plain_text(name)
        )
    axes.axvline(0.5, color=VERMILION, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(lines)), [_NAMES[line] for line in lines])
    axes.set_xlim(-0.02, 1.02)
    axes.invert_yaxis()
    style_axes(axes)
    add_legend(axes, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    save_png(figure, path)


def _draw(axes: object, estimates: list[Estimate | None], shift: float, colour: str, name: str) -> None:
    known = [(place - shift, one) for place, one in enumerate(estimates) if one is not None]
    values = [one.value for _, one in known]
    ends = [[one.value - one.low for _, one in known], [one.high - one.value for _, one in known]]
    axes.errorbar(values, [place for place, _ in known], xerr=ends, fmt="o", color=colour, capsize=3, label=name)  # type: ignore[attr-defined]
