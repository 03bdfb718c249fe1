"""Metrics in words and as rows: the same names on the screen and in the card."""

from collections.abc import Mapping
from typing import Any, Final

from rich.table import Table

from models.prediction import OperatingPoint
from training.metrics.bootstrap import Metrics, interval_text

_NAMES: Final = {
    "auroc": "AUROC",
    "macro_auroc": "AUROC, mean of the classes",
    "auprc": "AUPRC (average precision)",
    "ppv": "PPV",
    "npv": "NPV",
    "brier": "Brier score (0 is best)",
    "calibration_slope": "calibration slope (ideal 1)",
    "calibration_intercept": "calibration intercept (ideal 0)",
}


def metric_name(name: str) -> str:
    """A metric's name for people."""
    if name.startswith("recall_"):
        return f"sensitivity for {name.removeprefix('recall_')}"
    return _NAMES.get(name, name.replace("_", " "))


def metrics_table(title: str, metrics: Metrics, operating_point: OperatingPoint | None) -> Table:
    """The metrics as a table for the terminal."""
    at = f"Verdicts at the operating point {operating_point.name!r}. " if operating_point else ""
    table = Table(title=title, title_justify="left", caption=f"{at}Research use only: no diagnosis.")
    table.add_column("metric")
    table.add_column("value (95 % interval, by patient)")
    table.add_column("images", justify="right")
    for name, estimate in metrics.items():
        table.add_row(metric_name(name), interval_text(estimate), f"{estimate.n:,}" if estimate else "")
    return table


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings by name, in one line."""
    words = {True: "yes", False: "no"}
    shown = {name: words[value] if isinstance(value, bool) else value for name, value in settings.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())
