"""What was measured of a bundle, as rows and sentences; plain text, or Markdown where it says so."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.record import plain_name
from app.words.language import N_, _, number

MOST_OUTSIDE: Final = 0.75
"""AUROC of the surroundings alone from which the pages warn."""

_METRICS: Final = {
    "auroc": N_("AUROC"),
    "auprc": N_("Average precision"),
    "sensitivity": N_("Sensitivity"),
    "specificity": N_("Specificity"),
    "accuracy": N_("Accuracy"),
    "balanced_accuracy": N_("Balanced accuracy"),
    "ppv": N_("Positive predictive value"),
    "npv": N_("Negative predictive value"),
    "brier": N_("Brier score"),
    "calibration_slope": N_("Calibration slope"),
    "calibration_intercept": N_("Calibration intercept"),
    "macro_auroc": N_("AUROC, mean of the classes"),
}
_SURROUNDINGS: Final = {
    "exchanged": N_("Lungs on the surroundings of a film of the other class"),
    "alone": N_("Surroundings alone, the lungs blanked"),
    "readable": N_("For comparison: a regression fitted on surroundings alone"),
}
_SAID: Final = {
    "exchanged": N_("{interval} with the surroundings exchanged for those of a film of the other class"),
    "alone": N_("{interval} by the surroundings alone, without lungs"),
    "readable": N_("{interval} by a regression fitted on surroundings alone"),
}


def interval(value: float, low: float, high: float) -> str:
    """A number with its 95 % interval."""
    return _("{value} ({low} to {high})", value=number(value, 3), low=number(low, 3), high=number(high, 3))


def metric_name(name: str) -> str:
    """A metric's name for people."""
    if name.startswith("recall_"):
        return _("Sensitivity for {label}", label=name.removeprefix("recall_"))
    return _(_METRICS[name]) if name in _METRICS else plain_name(name)


def metric_rows(metrics: Mapping[str, object]) -> list[dict[str, str]]:
    """A row for each metric of a table: its name, its value with interval, and the images that it rests on."""
    return [{_("Metric"): metric_name(name), **_metric_cells(value)} for name, value in metrics.items()]


def _metric_cells(value: object) -> dict[str, str]:
    if isinstance(value, Mapping):
        found = interval(value["value"], value["low"], value["high"])
        counts = number(value["n"]), number(value["patients"])
    else:
        found, counts = _("not assessable"), ("", "")
    return {_("Value (95 % interval)"): found, _("Images"): counts[0], _("Patients"): counts[1]}


def batch_rows(scores: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row for each acquisition batch that was held out."""
    return [
        {
            _("Fitted on"): str(score["fitted_on"]),
            _("AUROC on the others"): number(score["auroc"], 4),
            _("Images"): number(score["n"]),
        }
        for score in scores
    ]


def surroundings_rows(found: Mapping[str, Mapping[str, float]]) -> list[dict[str, str]]:
    """A row for each measurement on the surroundings of the lungs."""
    return [
        {
            _("On patients it had not seen"): _(_SURROUNDINGS[name]),
            _("AUROC (95 % interval)"): interval(one["value"], one["low"], one["high"]),
            _("Images"): number(one["n"]),
        }
        for name, one in found.items()
    ]


def surroundings_sentence(found: Mapping[str, Mapping[str, float]]) -> str:
    """What the measurements on the surroundings mean; empty where there are none."""
    said = [_(_SAID[name], interval=interval(one["value"], one["low"], one["high"])) for name, one in found.items()]
    return _("AUROC (95 % interval): {numbers}. Chance is 0.5.", numbers="; ".join(said)) if said else ""


def surroundings_warning(found: Mapping[str, Mapping[str, float]]) -> str:
    """What is wrong with a bundle that reads the label outside the lungs, in Markdown; empty where it does not."""
    alone = found.get("alone")
    if alone is None or alone["value"] <= MOST_OUTSIDE:
        return ""
    return _(
        "**It reads the label outside the lungs, too**: AUROC {interval} on surroundings without any lungs, more than {most}. "
        "Its numbers will not hold where films are taken otherwise.",
        interval=interval(alone["value"], alone["low"], alone["high"]),
        most=number(MOST_OUTSIDE, 2),
    )
