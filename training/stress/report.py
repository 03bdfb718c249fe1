"""A stress test on the screen and as pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from training.plots.judged_plots import contact_sheet, plot_error_table
from training.stress.corruptions import SEVERITIES, Film


def draw_stress(report: Mapping[str, Any], rows: Mapping[str, Sequence[Film]], out: Path) -> list[Path]:
    """Write the table of errors, and what became of one film (a patient's picture), as PNG."""
    table, sheet = out / "stress.png", out / "stress_films.png"
    title = f"Mean balanced error {_text(report['mean_balanced_error'])}"
    plot_error_table(by_corruption(report), table, title=title, basis=f"95 % interval over patients; {_basis(report)}")
    contact_sheet(
        [list(row) for row in rows.values()],
        [_words(name) for name in rows],
        sheet,
        columns=["plain", *(f"severity {severity}" for severity in SEVERITIES)],
    )
    return [table, sheet]


def show_stress(console: Console, report: Mapping[str, Any], written: Sequence[Path]) -> None:
    """Print the table, the worst cell, what was found on shortcuts, and where the files are."""
    if report["is_training_data"]:
        console.print(
            "These are the very films that the bundle was trained on. They are judged by the heads of its cross-validation, "
            "fitted again, each on patients that it has not seen: the numbers are those of the recipe, not flattered by "
            "the bundle's own head. The threshold was chosen on such predictions of these films.",
            style="yellow",
        )
    table = Table(
        title=f"{escape(report['bundle'])}: balanced error by severity",
        title_justify="left",
        caption=f"{_basis(report)}; judged by {report['judged_by']}. Research use only: no diagnosis.",
    )
    table.add_column("corruption")
    for severity in SEVERITIES:
        table.add_column(str(severity), justify="right")
    table.add_column("mean", justify="right")
    for name, errors in by_corruption(report).items():
        table.add_row(_words(name), *(f"{error:.3f}" for error in errors), f"{sum(errors) / len(errors):.3f}")
    console.print(table)
    worst = report["worst"]
    console.print(f"Films as they are: {_text(report['clean'])}")
    console.print(f"Mean of the {len(report['cells'])} cells: {_text(report['mean_balanced_error'])}", style="bold")
    gated = "" if worst["withheld"] is None else f"; the gate withholds {worst['withheld']:.0%} of these verdicts"
    console.print(f"Worst: {_words(worst['corruption'])}, severity {worst['severity']}: {_text(worst)}{gated}")
    for finding in report["shortcuts"]:
        style = "bold red" if finding["likely"] else None
        mark = "SHORTCUT LIKELY: " if finding["likely"] else ""
        console.print(f"{mark}{finding['test']}: {finding['finding']}", style=style, markup=False)
    for path in written:
        console.print(str(path), markup=False, soft_wrap=True)


def by_corruption(report: Mapping[str, Any]) -> dict[str, list[float]]:
    """The balanced errors of each corruption, by severity."""
    rows: dict[str, list[float]] = {}
    for cell in report["cells"]:
        rows.setdefault(cell["corruption"], []).append(cell["balanced_error"])
    return rows


def _text(numbers: Mapping[str, Any]) -> str:
    return "{balanced_error:.3f} ({low:.3f}\N{EN DASH}{high:.3f})".format(**numbers)


def _basis(report: Mapping[str, Any]) -> str:
    return f"n = {sum(report['images'].values()):,} films of {report['patients']:,} patients"


def _words(name: str) -> str:
    return name.replace("_", " ")
