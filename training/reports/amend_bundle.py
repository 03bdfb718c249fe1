"""What is found out about a bundle after it was made: into its report, its card and its reporting file."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from models.bundle import Bundle, save_bundle
from training.reports.card import write_card
from training.reports.reporting_guidelines import REPORTING_FILE, write_reporting

REPORT_FILE: Final = "report.json"
CARD_FILE: Final = "MODEL_CARD.md"

_MADE_ANEW: Final = ("bundle.json", REPORT_FILE, CARD_FILE, REPORTING_FILE)


def amend_bundle(bundle: Bundle, found: Mapping[str, Any]) -> Path:
    """Write a bundle again, whole or not at all, with further parts of its report; what judges stays as it is.

    Args:
        bundle: verified.
        found: parts by their name in `report.json`: `robustness`, `external`.
    """
    report = {**json.loads((bundle.folder / REPORT_FILE).read_text(encoding="utf-8")), **found}

    def write(folder: Path) -> None:
        for path in bundle.folder.iterdir():
            if path.name not in _MADE_ANEW and not path.name.startswith("."):
                shutil.copyfile(path, folder / path.name)
        write_report(report, folder)

    return save_bundle(bundle.spec, write, overwrite=True)


def amend_card(bundle: Bundle, found: Mapping[str, Any], console: Console) -> None:
    """Amend a bundle and say where its card is."""
    folder = amend_bundle(bundle, found)
    console.print(f"Into the card: {folder / CARD_FILE}", markup=False, soft_wrap=True)


def external_result(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """What of `evaluation.json` goes into the card; a ValueError where the bundle was trained on these very images."""
    if evaluation["is_training_data"]:
        raise ValueError(
            "An external result must come from images that the bundle was not trained on. Received: its own training data."
        )
    kept = ("created", "data_fingerprint", "images", "patients", "metrics")
    return {**{name: evaluation[name] for name in kept}, "abstention": evaluation["abstention"]["counts"]}


def write_report(report: Mapping[str, Any], folder: Path) -> None:
    """Write a report as JSON, as a card, and as the items of the reporting guidelines."""
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    write_card(report, folder / CARD_FILE)
    write_reporting(report, folder / REPORTING_FILE)
