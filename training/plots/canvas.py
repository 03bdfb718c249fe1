"""The common look of all pictures.

Figures are matplotlib objects without pyplot, so they work in any thread and leave no global state. Colours are those
of Okabe & Ito (2008), which colour-blind readers tell apart; lines differ in their dashes too. Pictures are 1200 pixels
wide, with letters that are still readable at 600. A file appears whole or not at all.
"""

import os
from pathlib import Path
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from training.metrics.bootstrap import Estimate

BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
INK: Final = "#222222"
FAINT: Final = "#8A8A8A"
COLOURS: Final = (BLUE, VERMILION, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: Final = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (1, 1)))
WIDTH: Final = 6.0  # inches
_HEADLINE: Final = 0.6  # inches above the axes
DOTS_PER_INCH: Final = 200
_LONGEST_NAME: Final = 22  # characters of a label that fit beside a picture


def new_figure(height: float, title: str, basis: str) -> tuple[Figure, Any]:
    """A figure `height` inches high with a bold headline, what it rests on in small print, and one pair of axes."""
    room_below = (0, 0, 1, 1 - _HEADLINE / height)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1, rect=room_below)
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS_PER_INCH, layout=layout)
    left = 0.15 / WIDTH
    figure.text(left, 1 - 0.14 / height, title, va="top", fontsize=12.5, weight="bold", color=INK)
    figure.text(left, 1 - 0.4 / height, basis, va="top", fontsize=10, color="#555555")
    return figure, figure.subplots()


def style_axes(axes: Any, *, title: str = "", x: str = "", y: str = "") -> None:
    """The common look: light grid, no box, names in ink."""
    axes.set_title(title, loc="left", fontsize=11.5, weight="bold", color=INK)
    axes.set_xlabel(x, fontsize=11, color=INK)
    axes.set_ylabel(y, fontsize=11, color=INK)
    axes.tick_params(labelsize=10, colors=INK, length=0, pad=6)
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)


def add_legend(axes: Any, **place: Any) -> None:
    axes.legend(fontsize=10, framealpha=0.9, edgecolor="none", **place)


def basis_text(estimate: Estimate | None, n: int | None = None) -> str:
    """What an estimate rests on; where there is none, the number of images `n` if known."""
    if estimate is None:
        return "" if n is None else f"n = {n:,} images"
    return f"95 % interval over patients; n = {estimate.n:,} images of {estimate.patients:,} patients"


def plain_text(text: str, longest: int = _LONGEST_NAME) -> str:
    """Text as it is, shortened; a dollar sign would begin a formula."""
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    return short.replace("$", r"\$")


def save_png(figure: Figure, path: Path, *, compression: int = 6, description: str = "") -> None:
    """Write the PNG to a temporary file beside `path`, then rename it.

    `compression` goes from 1, the fastest, to 9; the file's text field `Description` has the description.
    """
    FigureCanvasAgg(figure)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(
            temporary,
            format="png",
            facecolor="white",
            metadata={"Description": description},
            pil_kwargs={"compress_level": compression},
        )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
