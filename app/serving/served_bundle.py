"""What the pages show of a bundle besides its answers: its card, its plots, and what was measured of its surroundings."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.bundle import Bundle

SURROUNDINGS: Final = ("exchanged", "alone", "readable")
"""What a report says of the surroundings of the lungs."""


@dataclass(frozen=True)
class ServedBundle:
    """A verified bundle, with what the Model page shows of it: read once, so that it stays of one piece.

    Attributes:
        bundle: the bundle.
        card: the text of MODEL_CARD.md, Markdown; empty where there is none.
        plots: PNG files beside it, by name.
        shortcuts: what stress tests found that the model may go by in place of the lungs; empty where there were none, or
            nothing was found.
        surroundings: AUROC where the surroundings of the lungs are exchanged, where they stand alone, and of what can be read
            in them, each with value, low, high and n; empty where that was not measured.
    """

    bundle: Bundle
    card: str
    plots: Mapping[str, bytes]
    shortcuts: tuple[str, ...]
    surroundings: Mapping[str, Mapping[str, float]]


def read_served_bundle(bundle: Bundle) -> ServedBundle:
    """Read what lies beside the head of a verified bundle."""
    card = bundle.folder / "MODEL_CARD.md"
    report = _read_report(bundle.folder / "report.json")
    return ServedBundle(
        bundle=bundle,
        card=card.read_text(encoding="utf-8") if card.is_file() else "",
        plots={path.name: path.read_bytes() for path in sorted(bundle.folder.glob("*.png"))},
        shortcuts=_shortcuts(report),
        surroundings=_surroundings(report),
    )


def _read_report(path: Path) -> Any:
    """What a run wrote; None where there is none, or none that can be read: a bundle need not have a report."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _shortcuts(report: Any) -> tuple[str, ...]:
    try:
        robustness = report["robustness"]
        found = robustness["shortcuts"] if robustness else []
        return tuple(f"{one['test']}: {one['finding']}" for one in found if one["likely"])
    except (KeyError, TypeError):  # a report of another version
        return ()


def _surroundings(report: Any) -> dict[str, dict[str, float]]:
    try:
        measured = {name: report["surroundings"][name] for name in SURROUNDINGS}
        return {
            name: {key: float(value[key]) for key in ("value", "low", "high", "n")}
            for name, value in measured.items()
            if value is not None
        }
    except (KeyError, TypeError, ValueError):  # not measured, or a report of another version
        return {}
