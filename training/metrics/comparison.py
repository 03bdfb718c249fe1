"""How a result elsewhere differs from the one before: the external drop."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from training.metrics.bootstrap import NOT_ASSESSABLE, Estimate, Metrics

FOLLOWS_PREVALENCE: Final = ("accuracy", "auprc", "ppv", "npv", "brier")
"""Metrics that change with the share of images that have the finding, even where the model is as good as before."""

METHOD: Final = (
    "Difference of two estimates on different patients; its 95 % interval is put together from their two intervals by the "
    "method of variance estimates recovery (MOVER; Zou & Donner 2008, doi:10.1002/sim.3095), which keeps their skewness. "
    "It takes the two sets of patients to be independent."
)


@dataclass(frozen=True)
class Earlier:
    """A result to compare with.

    Attributes:
        kind: "out of fold" (a bundle's report.json) or "evaluation" (an evaluation.json).
        bundle: the name of the bundle.
        fingerprint: of the images.
        metrics: by name.
    """

    kind: str
    bundle: str
    fingerprint: str
    metrics: Metrics


@dataclass(frozen=True)
class Difference:
    """`value` is the later result less the earlier one, with the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def difference(later: Estimate, earlier: Estimate) -> Difference:
    """The difference of two independent estimates, with an interval (MOVER; Zou & Donner 2008)."""
    value = later.value - earlier.value
    below = math.hypot(later.value - later.low, earlier.high - earlier.value)
    above = math.hypot(later.high - later.value, earlier.value - earlier.low)
    return Difference(value, value - below, value + above)


def difference_text(raw: Mapping[str, float] | None, *, digits: int = 3) -> str:
    """A difference with its sign and its interval; "not assessable" for None."""
    if raw is None:
        return NOT_ASSESSABLE
    # Adding 0 takes the sign from a zero.
    value, low, high = (f"{round(raw[end], digits) + 0.0:+.{digits}f}" for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})".replace("-", "\N{MINUS SIGN}")


def compare(metrics: Metrics, earlier: Earlier, *, bundle: str, fingerprint: str) -> dict[str, Any]:
    """The comparison as a report holds it.

    Where both results are of the very same images they are not independent, and no interval is given.
    """
    same_images = earlier.fingerprint == fingerprint
    rows = [
        _row(name, metrics[name], earlier.metrics[name], with_interval=not same_images)
        for name in metrics
        if name in earlier.metrics
    ]
    return {
        "kind": earlier.kind,
        "bundle": earlier.bundle,
        "same_bundle_name": earlier.bundle == bundle,
        "same_images": same_images,
        "method": METHOD,
        "rows": rows,
    }


def _row(name: str, later: Estimate | None, earlier: Estimate | None, *, with_interval: bool) -> Mapping[str, Any]:
    both = difference(later, earlier) if later and earlier and with_interval else None
    return {
        "metric": name,
        "here": later.as_json() if later else None,
        "before": earlier.as_json() if earlier else None,
        "difference": asdict(both) if both else None,
        "follows_prevalence": name in FOLLOWS_PREVALENCE,
    }
