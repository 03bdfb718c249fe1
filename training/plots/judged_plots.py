"""Pictures of an evaluation and of a training run: numbers in, one PNG out, nothing kept."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from training.metrics.bootstrap import Estimate, interval_text
from training.metrics.curves import Curve, Reliability
from training.plots.canvas import (
    BLUE,
    COLOURS,
    DASHES,
    DOTS_PER_INCH,
    FAINT,
    INK,
    VERMILION,
    WIDTH,
    add_legend,
    basis_text,
    new_figure,
    plain_text,
    save_png,
    style_axes,
)

SHEET_DOTS_PER_INCH: Final = 150
_TALLEST_SHEET: Final = 20_000  # pixels


def plot_roc(
    roc: Curve, auroc: Estimate | None, path: Path, *, operating_points: Mapping[str, float] | None = None
) -> None:
    """ROC curve with the operating points (name to threshold) on it."""
    figure, axes = new_figure(5.8, f"AUROC {interval_text(auroc)}", basis_text(auroc))
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=DASHES[2])
    axes.plot(roc.x, roc.y, color=BLUE, linewidth=2.2)
    for (name, threshold), marker in zip((operating_points or {}).items(), cycle("osD^v"), strict=False):
        at = np.flatnonzero(roc.threshold >= threshold)[-1]
        legend = (
            f"{plain_text(name)}: p ≥ {threshold:.3g}\nsensitivity {roc.y[at]:.3f}, specificity {1 - roc.x[at]:.3f}"
        )
        axes.plot(roc.x[at], roc.y[at], marker, color=VERMILION, markeredgecolor="white", markersize=10, label=legend)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    style_axes(axes, x="1 \N{MINUS SIGN} specificity", y="Sensitivity")
    if operating_points:
        add_legend(axes, loc="lower right")
    save_png(figure, path)


def plot_precision_recall(
    curve: Curve, auprc: Estimate | None, path: Path, *, operating_points: Mapping[str, float] | None = None
) -> None:
    """Precision-recall curve with the operating points on it; the dotted line is a model that knows nothing."""
    figure, axes = new_figure(5.2, f"AUPRC {interval_text(auprc)}", basis_text(auprc))
    prevalence = curve.y[-1]
    axes.axhline(prevalence, color=FAINT, linewidth=1, linestyle=DASHES[2], label=f"by chance: {prevalence:.3f}")
    axes.plot(curve.x, curve.y, color=BLUE, linewidth=2.2)
    for (name, threshold), marker in zip((operating_points or {}).items(), cycle("osD^v"), strict=False):
        at = np.flatnonzero(curve.threshold >= threshold)[-1]
        label = f"{plain_text(name)}: PPV {curve.y[at]:.3f}, sensitivity {curve.x[at]:.3f}"
        axes.plot(
            curve.x[at], curve.y[at], marker, color=VERMILION, markeredgecolor="white", markersize=10, label=label
        )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
    style_axes(axes, x="Sensitivity (recall)", y="PPV (precision)")
    add_legend(axes, loc="lower left")
    save_png(figure, path)


def plot_reliability(curve: Reliability, path: Path, *, brier: Estimate | None, slope: Estimate | None) -> None:
    """Observed share against mean predicted probability of each bin, with Wilson intervals."""
    basis = basis_text(brier, int(curve.count.sum()))
    figure, axes = new_figure(5.2, f"Brier score {interval_text(brier)}", basis)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1.4, linestyle=DASHES[2], label="perfectly calibrated")
    spread = np.stack([curve.observed - curve.low, curve.high - curve.observed])
    sizes = " to ".join(f"{size:,}" for size in sorted({curve.count.min(), curve.count.max()}))
    label = f"observed, 95 % Wilson interval ({sizes} images each)"
    axes.errorbar(curve.predicted, curve.observed, spread, fmt="o-", color=BLUE, markersize=6, capsize=3, label=label)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.19), yticks=np.linspace(0, 1, 6))
    axes.text(0.98, 0.04, f"calibration slope\n{interval_text(slope, digits=2)}", ha="right", fontsize=11, color=INK)
    style_axes(axes, x="Predicted probability", y="Share with the finding")
    add_legend(axes, loc="upper left")
    save_png(figure, path)


def plot_confusion(counts: ArrayLike, labels: Sequence[str], path: Path, *, accuracy: Estimate | None) -> None:
    """Confusion matrix `(classes, classes)`, truth in rows: images in each cell and their share of the row."""
    table = np.asarray(counts)
    if table.shape != (len(labels), len(labels)):
        raise ValueError(f"counts must be (classes, classes) = {(len(labels),) * 2}. Received: {table.shape}")
    of_class = table.sum(axis=1, keepdims=True)
    shares = table / np.maximum(of_class, 1)
    figure, axes = new_figure(5.4, f"Accuracy {interval_text(accuracy)}", basis_text(accuracy, int(table.sum())))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = min(15.0, 62 / len(labels))
    for (row, column), count in np.ndenumerate(table):
        colour = "white" if shares[row, column] > 0.55 else INK
        text = f"{count:,}\n{100 * shares[row, column]:.1f} %" if of_class[row, 0] else f"{count:,}"
        axes.text(column, row, text, ha="center", va="center", fontsize=size, color=colour)
    names = [plain_text(label) for label in labels]
    axes.set_xticks(
        range(len(names)), names, rotation=0 if len(names) <= 3 else 40, ha="center" if len(names) <= 3 else "right"
    )
    axes.set_yticks(range(len(names)), names)
    style_axes(axes, x="Verdict", y="Truth")
    axes.grid(visible=False)
    save_png(figure, path)


def plot_probability_histogram(
    truth: ArrayLike,
    probability: ArrayLike,
    labels: Sequence[str],
    path: Path,
    *,
    operating_points: Mapping[str, float] | None = None,
) -> None:
    """Predicted probabilities `(n,)`, one panel per true class `(n,)`, with the operating points as lines."""
    classes, scores = np.asarray(truth), np.asarray(probability, dtype=np.float64)
    if classes.shape != scores.shape or classes.ndim != 1:
        raise ValueError(f"truth and probability must be (n,). Received: {classes.shape} and {scores.shape}")
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(WIDTH, 1.6 + 1.5 * len(labels)), dpi=DOTS_PER_INCH, layout=layout)
    panels = figure.subplots(len(labels), 1, sharex=True, squeeze=False)[:, 0]
    for index, (axes, label) in enumerate(zip(panels, labels, strict=True)):
        chosen = scores[classes == index]
        axes.hist(chosen, bins=np.linspace(0, 1, 41), color=COLOURS[index % len(COLOURS)])
        for (name, threshold), dash in zip((operating_points or {}).items(), cycle(DASHES[1:]), strict=False):
            axes.axvline(
                threshold, color=INK, linewidth=1.5, linestyle=dash, label=f"{plain_text(name)}: {threshold:.3g}"
            )
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        style_axes(axes, title=f"{plain_text(label)} (n = {len(chosen):,})", y="Images")
    panels[-1].set_xlim(0, 1)
    panels[-1].set_xlabel("Predicted probability")
    if operating_points:
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside upper center", ncols=2, frameon=False, fontsize=10)
    save_png(figure, path)


def plot_learning_curves(
    losses: Sequence[tuple[Sequence[float], Sequence[float]]], kept: Sequence[int], path: Path
) -> None:
    """Training and validation loss by epoch, one colour per fold; the epoch, from 1, whose weights are kept is marked."""
    if not losses or any(not training or len(training) != len(validation) for training, validation in losses):
        received = [(len(training), len(validation)) for training, validation in losses]
        raise ValueError(f"Each fold must have one training and one validation loss per epoch. Received: {received}")
    ends = [validation[epoch - 1] for (_, validation), epoch in zip(losses, kept, strict=True)]
    title = f"Validation loss {np.mean(ends):.3f} ({min(ends):.3f} to {max(ends):.3f})"
    folds = "fold" if len(losses) == 1 else "folds"
    basis = f"{len(losses)} {folds}: solid validation, dotted training; the dot is the epoch that is kept"
    figure, axes = new_figure(4.5, title, basis)
    for index, (training, validation) in enumerate(losses):
        colour, epochs = COLOURS[index % len(COLOURS)], np.arange(1, len(training) + 1)
        axes.plot(epochs, training, color=colour, linewidth=1.2, linestyle=DASHES[2])
        axes.plot(epochs, validation, color=colour, linewidth=1.8, label=f"fold {index + 1}")
        axes.plot(kept[index], ends[index], "o", color=colour, markeredgecolor="white", markersize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style_axes(axes, x="Epoch", y="Loss")
    axes.set_xlim(left=0.5)
    add_legend(axes, loc="best", ncols=2)
    save_png(figure, path)


def plot_error_table(errors: Mapping[str, Sequence[float]], path: Path, *, title: str, basis: str) -> None:
    """Balanced errors as a table of colours: a row for each corruption, a column for each severity from 1."""
    table = np.array(list(errors.values()), dtype=np.float64)
    figure, axes = new_figure(1.9 + 0.36 * len(table), title, basis)
    # 0.5 is what chance gives between two classes.
    axes.imshow(table, cmap="OrRd", vmin=0, vmax=0.5, aspect="auto")
    for (row, column), error in np.ndenumerate(table):
        axes.text(column, row, f"{error:.2f}", ha="center", va="center", color="white" if error > 0.3 else INK)
    axes.set_xticks(range(table.shape[1]), [str(column + 1) for column in range(table.shape[1])])
    axes.set_yticks(range(len(table)), [plain_text(name.replace("_", " ")) for name in errors])
    style_axes(axes, x="Severity")
    axes.grid(visible=False)
    save_png(figure, path)


def contact_sheet(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    titles: Sequence[str],
    path: Path,
    *,
    columns: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    description: str = "",
) -> None:
    """Thumbnails of films: one row per film (plain, then its augmented views), one title per row.

    Args:
        rows: uint8 `(H, W)` luminance; films may differ in size, rows in length.
        titles: one per row, set above it.
        path: the PNG.
        columns: headings, set above the first row; none by default.
        captions: one per film, set into its lower edge, in lines; none by default.
        description: for programs, in the file's text field of that name.
    """
    _check_films(rows, titles)
    across = max(len(row) for row in rows)
    cell = min(2.4, max(8 / across, 1.5))
    width, height = max(2 * 2.4, cell * across), (cell + 0.25) * len(rows) + 0.3
    figure = Figure(figsize=(width, height), dpi=min(SHEET_DOTS_PER_INCH, _TALLEST_SHEET / height))
    for down, (row, title) in enumerate(zip(rows, titles, strict=True)):
        top = height - 0.3 - (cell + 0.25) * down
        figure.text(0.05 / width, (top - 0.04) / height, plain_text(title, 50), va="top", fontsize=11, color=INK)
        for right, film in enumerate(row):
            box = (right * cell + 0.03, top - 0.25 - cell + 0.03, cell - 0.06, cell - 0.06)
            axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
            axes.imshow(film, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
            axes.set_axis_off()
            if captions:
                _write_into(axes, captions[down][right])
    for right, heading in enumerate(columns):
        place = ((right + 0.5) * cell / width, 1 - 0.06 / height)
        figure.text(*place, plain_text(heading), ha="center", va="top", fontsize=11, weight="bold", color=INK)
    # Films hardly get smaller, and higher levels take most of a second.
    save_png(figure, path, compression=1, description=description)


def _write_into(axes: Any, caption: str) -> None:
    box = {"facecolor": "black", "alpha": 0.65, "edgecolor": "none", "pad": 2}
    text = "\n".join(plain_text(line, 28) for line in caption.splitlines())
    axes.text(
        0.5, 0.02, text, transform=axes.transAxes, ha="center", va="bottom", fontsize=6.5, color="white", bbox=box
    )


def _check_films(rows: Sequence[Sequence[NDArray[np.uint8]]], titles: Sequence[str]) -> None:
    if not rows or len(titles) != len(rows) or not all(rows):
        raise ValueError(f"Each row must have films and a title. Received: {len(rows)} rows, {len(titles)} titles")
    for film in (film for row in rows for film in row):
        if film.dtype != np.uint8 or film.ndim != 2 or not film.size:
            raise ValueError(f"A film must be uint8 (H, W). Received: {film.dtype} {film.shape}")
