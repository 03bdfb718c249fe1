"""What one server process holds for all its visitors: the verified bundle with its card, and the model, loaded behind."""

import json
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.bundle import Bundle, load_bundle
from models.predictor import Predictor

BUNDLE_VARIABLE: Final = "PNEUMOLENS_BUNDLE"
"""Environment variable: the name of the bundle that is served; unset, the current one."""

ENGINE_VARIABLE: Final = "PNEUMOLENS_ENGINE"
"""Environment variable: what runs the backbone, one of `models.engines.load.ENGINES`; unset, "auto"."""

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


def read_served_bundle() -> ServedBundle:
    """Verify the bundle that is served and read it; raises BundleError where it is missing or damaged."""
    bundle = load_bundle(os.environ.get(BUNDLE_VARIABLE))
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


def start_loading(bundle: Bundle) -> Future[Predictor]:
    """Load the model in a thread of its own, so that pages are served meanwhile."""
    loader = ThreadPoolExecutor(1, thread_name_prefix="model")
    loading = loader.submit(Predictor, bundle, engine=os.environ.get(ENGINE_VARIABLE, "auto"))
    loader.shutdown(wait=False)
    return loading
