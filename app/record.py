"""What a bundle, and the registry, have on record, as names and values for people; what people wrote stands as they did."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from app.words.language import N_, _, day_and_time
from models.registry.served import Period
from models.registry.tables import short_digest

# What training writes; what is not among it is shown as it is written.
NAMES: Final = (
    N_("Fingerprint"), N_("Images"), N_("Patients"), N_("Patient source"), N_("Population"), N_("View"), N_("Label source"),
    N_("Prevalence"), N_("Test images"), N_("Set aside"), N_("Name"), N_("Backbone"), N_("Field"), N_("Views"),
    N_("Positive"), N_("Folds"), N_("Seed"), N_("Search"), N_("Fine tune"), N_("Scratch"), N_("Regroup"), N_("Patient regex"),
    N_("Augmentation"), N_("Rotation"), N_("Shift"), N_("Zoom"), N_("Shear"), N_("Brightness"), N_("Contrast"), N_("Gamma"),
    N_("Noise"), N_("Degradation"), N_("Flip"), N_("Exchange"), N_("Reduction"), N_("Head"), N_("Width"), N_("Dropout"),
    N_("Pooling"), N_("Head training"), N_("Learning rate"), N_("L2"), N_("Label smoothing"), N_("Batch size"), N_("Epochs"),
    N_("Class weights"), N_("Engine"), N_("Precision"), N_("Lock"),
)  # fmt: skip
VALUES: Final = (
    N_("not stated"), N_("anterior-posterior"), N_("posterior-anterior"), N_("lungs"), N_("film"), N_("vendored"),
    N_("published"), N_("quantised"), N_("fine-tuned"), N_("from-scratch"), N_("platt"), N_("temperature"), N_("none"),
    N_("children of 1 to 5 years, Guangzhou Women and Children’s Medical Center"),
    N_("two physicians, after films of low quality had been left out (Kermany et al. 2018, doi:10.1016/j.cell.2018.02.010)"),
)  # fmt: skip
PLOTS: Final = (
    N_("confusion"), N_("decision curve"), N_("histogram"), N_("learning curves"), N_("precision recall"), N_("reliability"),
    N_("risk coverage"), N_("roc"),
)  # fmt: skip
EVENTS: Final = (N_("promoted"), N_("rolled back"))


def plain_name(key: str) -> str:
    """A key of a file for people: "weights_sha256" → "Weights sha256"."""
    words = key.replace("_", " ")
    return _(words[:1].upper() + words[1:])


def plot_title(file: str) -> str:
    """What a plot shows, by the name of its file: risk_coverage.png → risk coverage."""
    return _(file.removesuffix(".png").replace("_", " "))


def moment(time: str) -> str:
    """A time of the record, ISO 8601, as people write it."""
    return day_and_time(datetime.fromisoformat(time))


def described(values: Mapping[str, object], group: str = "") -> list[tuple[str, str]]:
    """Name and value of each entry of a nested mapping, in its order."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = _("{group}, {name}", group=group, name=plain_name(str(key))) if group else plain_name(str(key))
        rows += described(value, name) if isinstance(value, Mapping) else [(name, _plain_value(value))]
    return rows


def history_row(period: Period) -> dict[str, str]:
    """A time in which one bundle was the current one."""
    change, unknown = period.change, _("not recorded")
    until = moment(period.until) if period.until else unknown
    return {
        _("bundle"): period.bundle.name,
        _("SHA-256"): short_digest(period.bundle.sha256),
        _("from (UTC)"): moment(period.since) if period.since else unknown,
        _("to (UTC)"): _("now") if period.current else until,
        _("how"): _(change.event) if change else unknown,
        _("by"): change.by if change else "",
        _("reason"): change.reason if change else "",
    }


def _plain_value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: _("yes"), False: _("no"), None: _("none")}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain_value(item) for item in value) or _("none")
    return _(str(value))
