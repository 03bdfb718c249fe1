"""Figures of the degradation experiment: numbers in, PNG out. A line is the mean of the seeds, its band their range."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.plots.canvas import BLUE, INK, VERMILION, save_png

TITLES: Final = {"mnist": "MNIST", "fashion": "Fashion-MNIST", "films": "Radiographs"}
_COLOURS: Final = (BLUE, "#009E73", VERMILION, "#CC79A7")
_WINDOW: Final = 20  # steps that the training error is averaged over

Runs = Sequence[Mapping[str, Any]]
Line = tuple[NDArray[np.float64], NDArray[np.float64]]  # x (points,), y (seeds, points)


def draw(runs: Runs, folder: Path) -> None:
    """Write `errors.png`, `gradients.png` and `responses.png` for runs as the output folder holds them."""
    _grid(runs, folder / "errors.png", ("Step", f"Training error, %, mean of {_WINDOW} steps"), _errors)
    for moment in ("start", "end"):
        names = ("Layer, share of the depth", f"Gradient norm at the {moment}")
        _grid(runs, folder / f"gradients_{moment}.png", names, _gradients(moment), log=True)
    names = ("Layer, share of the depth", "Deviation of the response")
    _grid(runs, folder / "responses.png", names, _by_depth("responses"))


def _errors(own: Runs) -> Line:
    curves = np.array([run["error"] for run in own])
    kept = curves.shape[1] // _WINDOW
    means = curves[:, : kept * _WINDOW].reshape(len(own), kept, _WINDOW).mean(2)
    return (np.arange(kept) + 1) * float(_WINDOW), 100 * means


def _by_depth(key: str) -> Callable[[Runs], Line]:
    def line(own: Runs) -> Line:
        values = np.array([run[key] for run in own])
        return np.linspace(0, 1, values.shape[1]), values

    return line


def _gradients(moment: str) -> Callable[[Runs], Line]:
    def line(own: Runs) -> Line:
        return _by_depth(moment)([run["gradient_norms"] for run in own])

    return line


def _grid(runs: Runs, path: Path, names: tuple[str, str], line: Callable[[Runs], Line], *, log: bool = False) -> None:
    """One row of panels per data set: the plain networks, and the residual ones on the same scale."""
    data = [name for name in TITLES if any(run["data"] == name for run in runs)]
    depths = sorted({run["depth"] for run in runs})
    figure = Figure(figsize=(8, 0.6 + 2.6 * len(data)), dpi=110, layout="constrained")
    rows = figure.subplots(len(data), 2, sharex=True, sharey="row", squeeze=False)
    for panels, name in zip(rows, data, strict=True):
        for axes, kind in zip(panels, ("plain", "residual"), strict=True):
            for depth, colour in zip(depths, _COLOURS, strict=False):
                own = [run for run in runs if (run["data"], run["kind"], run["depth"]) == (name, kind, depth)]
                if own:
                    x, y = line(own)
                    axes.plot(x, y.mean(0), color=colour, linewidth=1.6, label=f"{depth} layers")
                    axes.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.2, linewidth=0)
            axes.set_title(f"{TITLES[name]}, {kind}", loc="left", fontsize=10.5, color=INK)
            axes.grid(color="#E4E4E4", linewidth=0.8)
            axes.spines[["top", "right"]].set_visible(False)
            if log:
                axes.set_yscale("log")
        panels[0].legend(fontsize=9, frameon=False)
    figure.supxlabel(names[0], fontsize=10, color=INK)
    figure.supylabel(names[1], fontsize=10, color=INK)
    save_png(figure, path)
