"""What one server process holds for all its visitors: the verified bundle with its card, and the model, loaded behind."""

import json
import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.bundle import Bundle, load_bundle
from models.predictor import Predictor

BUNDLE_VARIABLE: Final = "PNEUMOLENS_BUNDLE"
"""Environment variable: the name of the bundle that is served; unset, the current one."""

ENGINE_VARIABLE: Final = "PNEUMOLENS_ENGINE"
"""Environment variable: what runs the backbone, one of `models.engines.load.ENGINES`; unset, "auto"."""


@dataclass(frozen=True)
class ServedBundle:
    """A verified bundle, with what the Model page shows of it: read once, so that it stays of one piece.

    Attributes:
        bundle: the bundle.
        card: the text of MODEL_CARD.md, Markdown; empty where there is none.
        plots: PNG files beside it, by name.
        shortcuts: what stress tests found that the model may go by in place of the lungs; empty where there were none, or
            nothing was found.
    """

    bundle: Bundle
    card: str
    plots: Mapping[str, bytes]
    shortcuts: tuple[str, ...]


def read_served_bundle() -> ServedBundle:
    """Verify the bundle that is served and read it; raises BundleError where it is missing or damaged."""
    bundle = load_bundle(os.environ.get(BUNDLE_VARIABLE))
    card = bundle.folder / "MODEL_CARD.md"
    return ServedBundle(
        bundle=bundle,
        card=card.read_text(encoding="utf-8") if card.is_file() else "",
        plots={path.name: path.read_bytes() for path in sorted(bundle.folder.glob("*.png"))},
        shortcuts=_shortcuts(bundle.folder / "report.json"),
    )


def _shortcuts(report: Path) -> tuple[str, ...]:
    try:
        robustness = json.loads(report.read_text(encoding="utf-8"))["robustness"]
        found = robustness["shortcuts"] if robustness else []
        return tuple(f"{one['test']}: {one['finding']}" for one in found if one["likely"])
    except (OSError, ValueError, KeyError, TypeError):  # a bundle need not have a report, or one of this version
        return ()


def start_loading(bundle: Bundle) -> Future[Predictor]:
    """Load the model in a thread of its own, so that pages are served meanwhile."""
    loader = ThreadPoolExecutor(1, thread_name_prefix="model")
    loading = loader.submit(Predictor, bundle, engine=os.environ.get(ENGINE_VARIABLE, "auto"))
    loader.shutdown(wait=False)
    return loading
