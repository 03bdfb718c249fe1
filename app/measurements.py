"""What was measured of a bundle, as rows and sentences; plain text, or Markdown where it says so."""

from collections.abc import Mapping, Sequence
from typing import Final

from app.wording import plain_name

MOST_OUTSIDE: Final = 0.75
"""AUROC of the surroundings alone from which the pages warn."""

_METRICS: Final = {
    "auroc": "AUROC",
    "auprc": "Average precision",
    "ppv": "Positive predictive value",
    "npv": "Negative predictive value",
    "brier": "Brier score",
    "macro_auroc": "AUROC, mean of the classes",
}
_SURROUNDINGS: Final = {
    "exchanged": "Lungs on the surroundings of a film of the other class",
    "alone": "Surroundings alone, the lungs blanked",
    "readable": "For comparison: a regression fitted on surroundings alone",
}


def interval(value: float, low: float, high: float) -> str:
    """A number with its 95 % interval."""
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def metric_name(name: str) -> str:
    """A metric's name for people."""
    if name.startswith("recall_"):
        return f"Sensitivity for {name.removeprefix('recall_')}"
    return _METRICS.get(name, plain_name(name))


def metric_rows(metrics: Mapping[str, object]) -> list[dict[str, str]]:
    """A row for each metric of a table: its name, its value with interval, and the images that it rests on."""
    return [{"Metric": metric_name(name), **_metric_cells(value)} for name, value in metrics.items()]


def _metric_cells(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        number = interval(value["value"], value["low"], value["high"])
        return {"Value (95 % interval)": number, "Images": f"{value['n']:,}", "Patients": f"{value['patients']:,}"}
    return {"Value (95 % interval)": "not assessable", "Images": "", "Patients": ""}


def batch_rows(scores: Sequence[Mapping[str, object]]) -> list[dict[str, str]]:
    """A row for each acquisition batch that was held out."""
    return [
        {
            "Fitted on": str(score["fitted_on"]),
            "AUROC on the others": f"{score['auroc']:.4f}",
            "Images": f"{score['n']:,}",
        }
        for score in scores
    ]


def surroundings_rows(found: Mapping[str, Mapping[str, float]]) -> list[dict[str, str]]:
    """A row for each measurement on the surroundings of the lungs."""
    return [
        {
            "On patients it had not seen": _SURROUNDINGS[name],
            "AUROC (95 % interval)": interval(one["value"], one["low"], one["high"]),
            "Images": f"{one['n']:,.0f}",
        }
        for name, one in found.items()
    ]


def surroundings_sentence(found: Mapping[str, Mapping[str, float]]) -> str:
    """What the measurements on the surroundings mean; empty where there are none."""
    said = {
        "exchanged": "with the surroundings exchanged for those of a film of the other class",
        "alone": "by the surroundings alone, without lungs",
        "readable": "by a regression fitted on surroundings alone",
    }
    numbers = [f"{interval(one['value'], one['low'], one['high'])} {said[name]}" for name, one in found.items()]
    return f"AUROC (95 % interval): {'; '.join(numbers)}. Chance is 0.5." if numbers else ""


def surroundings_warning(found: Mapping[str, Mapping[str, float]]) -> str:
    """What is wrong with a bundle that reads the label outside the lungs, in Markdown; empty where it does not."""
    alone = found.get("alone")
    if alone is None or alone["value"] <= MOST_OUTSIDE:
        return ""
    number = interval(alone["value"], alone["low"], alone["high"])
    return (
        f"**It reads the label outside the lungs, too**: AUROC {number} on surroundings without any lungs, more than "
        f"{MOST_OUTSIDE}. Its numbers will not hold where films are taken otherwise."
    )
