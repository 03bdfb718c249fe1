"""The card's section on robustness: a stress test in words, with a warning that nobody overlooks."""

from collections.abc import Mapping, Sequence
from typing import Any

_NOT_RUN = "## Robustness\n\nNot run. `python -m training stress` tests corruptions and shortcuts.\n"


def robustness(stress: Mapping[str, Any] | None) -> str:
    """The section, from what `stress.json` says; None: not run.

    Args:
        stress: `cells` (corruption, severity, balanced_error, n), `mean_balanced_error`, `worst` (one of the cells) and
            `shortcuts` (test, finding, likely).
    """
    if stress is None:
        return _NOT_RUN
    worst = stress["worst"]
    summary = (
        f"Balanced error (the mean of both error rates) over {len(stress['cells'])} corruptions and severities: "
        f"{stress['mean_balanced_error']:.3f} in the mean; worst {worst['balanced_error']:.3f}, {_words(worst['corruption'])} of "
        f"severity {worst['severity']} (n = {worst['n']:,})."
    )
    shortcuts = stress["shortcuts"]
    return f"## Robustness\n\n{_warnings(shortcuts)}{summary}\n\n{_cells(stress['cells'])}\n{_shortcuts(shortcuts)}"


def _warnings(shortcuts: Sequence[Mapping[str, Any]]) -> str:
    likely = [found for found in shortcuts if found["likely"]]
    if not likely:
        return ""
    lines = "\n".join(f"> - 🔴 {_words(found['test'])}: {found['finding']}" for found in likely)
    return f"> 🔴 **A shortcut is likely: the verdict may rest on something other than the lungs.**\n>\n{lines}\n\n"


def _cells(cells: Sequence[Mapping[str, Any]]) -> str:
    severities = sorted({cell["severity"] for cell in cells})
    errors = {(cell["corruption"], cell["severity"]): f"{cell['balanced_error']:.3f}" for cell in cells}
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
