"""The most confident errors: what a reader should look at first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.prediction import OperatingPoint
from training.data.failed_films import read_film
from training.data.manifest import Entry
from training.metrics.judged import Judged
from training.plots.judged_plots import contact_sheet

ERROR_SHEET: Final = "errors.png"
_PER_CLASS: Final = 10
_PER_ROW: Final = 5


def confident_errors(
    judged: Judged, entries: Sequence[Entry], operating_point: OperatingPoint | None
) -> list[dict[str, Any]]:
    """Up to ten wrong verdicts for each true class, the surest first: file, truth, verdict and its probability."""
    verdicts, sureness = judged.verdicts(operating_point), judged.confidence(operating_point)
    rows = []
    for true_class, label in enumerate(judged.labels):
        wrong = np.flatnonzero((judged.truth == true_class) & (verdicts != true_class))
        for index in wrong[np.argsort(-sureness[wrong], kind="stable")][:_PER_CLASS]:
            verdict = int(verdicts[index])
            rows.append({
                "file": entries[index].path.as_posix(),
                "truth": label,
                "verdict": judged.labels[verdict],
                "probability": float(judged.probabilities[index, verdict]),
                "finding": str(judged.findings[index]) if judged.findings is not None else "",
            })  # fmt: skip
    return rows


def draw_errors(errors: Sequence[dict[str, Any]], root: Path, folder: Path) -> Path | None:
    """Write the films as a sheet, a row of five at a time by kind of error; None without errors.

    It shows patients: it belongs into a folder of the user's, never into a bundle.
    """
    if not errors:
        return None
    rows, titles, captions = [], [], []
    for truth in dict.fromkeys(error["truth"] for error in errors):
        of_class = [error for error in errors if error["truth"] == truth]
        for start in range(0, len(of_class), _PER_ROW):
            some = of_class[start : start + _PER_ROW]
            rows.append([read_film(root / error["file"]) for error in some])
            titles.append(f"Truth {truth}" + ("" if start == 0 else ", continued"))
            captions.append([_caption(error) for error in some])
    path = folder / ERROR_SHEET
    contact_sheet(rows, titles, path, captions=captions)
    return path


def _caption(error: dict[str, Any]) -> str:
    return f"{Path(error['file']).name}\n{error['verdict']} {error['probability']:.3f}"
