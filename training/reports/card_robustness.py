"""The card's section on robustness: a stress test in words, with a warning that nobody overlooks."""

from collections.abc import Mapping, Sequence
from typing import Any

from training.metrics.bootstrap import NOT_ASSESSABLE

_NOT_RUN = "## Robustness\n\nNot run. `python -m training stress` tests corruptions and shortcuts.\n"


def robustness(stress: Mapping[str, Any] | None) -> str:
    """The section, from what `stress.json` says; None: not run.

    Args:
        stress: `cells` (corruption, severity, balanced_error, low, high, n), `clean`, `mean_balanced_error` and `worst` (the
            same of all of them), `judged_by`, and `shortcuts` (test, finding, likely).
    """
    if stress is None:
        return _NOT_RUN
    worst, clean, mean = (error_text(stress[name]) for name in ("worst", "clean", "mean_balanced_error"))
    summary = (
        f"Balanced error (the mean of both error rates), with its 95 % interval by patient, judged by {stress['judged_by']}: "
        f"{clean} on films as they are, {mean} in the mean of {len(stress['cells'])} corruptions and severities, {worst} in the "
        f"worst, {_words(stress['worst']['corruption'])} of severity {stress['worst']['severity']}."
    )
    shortcuts = stress["shortcuts"]
    return f"## Robustness\n\n{_warnings(shortcuts)}{summary}\n\n{_cells(stress['cells'])}\n{_shortcuts(shortcuts)}"


def error_text(cell: Mapping[str, Any]) -> str:
    """A balanced error with its interval and the films that it rests on."""
    if cell["balanced_error"] is None:
        return NOT_ASSESSABLE
    value, low, high = (f"{cell[name]:.3f}" for name in ("balanced_error", "low", "high"))
    return f"{value} ({low}–{high}, n = {cell['n']:,})"


def _warnings(shortcuts: Sequence[Mapping[str, Any]]) -> str:
    likely = [found for found in shortcuts if found["likely"]]
    if not likely:
        return ""
    lines = "\n".join(f"> - 🔴 {_words(found['test'])}: {found['finding']}" for found in likely)
    return f"> 🔴 **A shortcut is likely: the verdict may rest on something other than the lungs.**\n>\n{lines}\n\n"


def _cells(cells: Sequence[Mapping[str, Any]]) -> str:
    severities = sorted({cell["severity"] for cell in cells})
    errors = {
        (cell["corruption"], cell["severity"]): NOT_ASSESSABLE
        if cell["balanced_error"] is None
        else f"{cell['balanced_error']:.3f}"
        for cell in cells
    }
    rows = [
        "| corruption, by severity | " + " | ".join(map(str, severities)) + " |",
        "|---|" + "--:|" * len(severities),
    ]
    rows += [
        f"| {_words(name)} | " + " | ".join(errors.get((name, severity), "") for severity in severities) + " |"
        for name in dict.fromkeys(cell["corruption"] for cell in cells)
    ]
    return "\n".join(rows) + "\n"


def _shortcuts(shortcuts: Sequence[Mapping[str, Any]]) -> str:
    if not shortcuts:
        return ""
    rows = ["| test for a shortcut | finding | shortcut likely |", "|---|---|---|"]
    rows += [
        f"| {_words(found['test'])} | {found['finding']} | {'🔴 yes' if found['likely'] else 'no'} |"
        for found in shortcuts
    ]
    return "\n".join(rows) + "\n"


def _words(name: str) -> str:
    return name.replace("_", " ")
