"""What differs between two bundles, and what each was measured to do."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from models.bundle import Bundle
from models.registry.listing import out_of_fold
from models.system.files import digest

Pair = tuple[Any, Any]
"""What the first and the second bundle say; None where one says nothing."""

_STATED = ("labels", "positive", "data", "backbone", "field", "head", "operating_points", "default_operating_point",
           "calibration", "gate", "training", "versions")  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Two bundles side by side.

    Attributes:
        differences: by the key in `bundle.json`, such as "backbone.id".
        metrics: all metrics on patients that no head had seen, by name, each with its interval, equal or not.
        same_films: whether both were trained on the same folder, without which the metrics are of different patients.
    """

    differences: dict[str, Pair]
    metrics: dict[str, Pair]
    same_films: bool


def compare_bundles(first: Bundle, second: Bundle) -> Comparison:
    """Lay two verified bundles side by side."""
    metrics = _pairs(out_of_fold(first.spec.metrics), out_of_fold(second.spec.metrics))
    stated = _pairs(_statements(first), _statements(second))
    fingerprints = stated.get("data.fingerprint", (None, None))
    return Comparison(
        differences={key: pair for key, pair in stated.items() if pair[0] != pair[1]},
        metrics=metrics,
        same_films=fingerprints[0] is not None and fingerprints[0] == fingerprints[1],
    )


def _pairs(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Pair]:
    return {key: (first.get(key), second.get(key)) for key in [*first, *(key for key in second if key not in first)]}


def _statements(bundle: Bundle) -> dict[str, Any]:
    """What a bundle states, without nesting, and the digest of the numbers in its head."""
    spec = asdict(bundle.spec)
    spec["operating_points"] = {point.pop("name"): point for point in spec["operating_points"]}
    spec["training"] = {key: value for key, value in spec["training"].items() if key not in ("name", "head")}
    stated = _flat({key: spec[key] for key in _STATED})
    return {**stated, "head.weights_sha256": digest(bundle.head_file)}


def _flat(values: Mapping[str, Any], group: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{group}{key}.") if isinstance(value, Mapping) and value else {f"{group}{key}": value}
    return flat
