"""What is known of each bundle that is there: a damaged one is a row like any other, with the reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.bundle import Bundle, BundleError, list_bundles, load_bundle
from models.registry.history import current_ref

_AUROCS = ("auroc", "macro_auroc")


@dataclass(frozen=True)
class ListedBundle:
    """A bundle on disk.

    Attributes:
        name: of its folder.
        current: whether it is taken where none is named.
        bundle: every file of it verified; None for a damaged one.
        fault: what is wrong with a damaged one, and what to do; empty for a whole one.
    """

    name: str
    current: bool
    bundle: Bundle | None
    fault: str


def read_bundles() -> list[ListedBundle]:
    """Verify every bundle that is there, by name."""
    current = current_ref()
    return [_read(name, current=current is not None and name == current.name) for name in list_bundles()]


def _read(name: str, *, current: bool) -> ListedBundle:
    try:
        return ListedBundle(name, current, load_bundle(name), "")
    except BundleError as error:
        return ListedBundle(name, current, None, str(error))
    except OSError as error:
        return ListedBundle(name, current, None, f"The bundle {name!r} cannot be read: {error}.")


def out_of_fold(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics on patients that no head had seen; none where a bundle states none."""
    found = metrics.get("out_of_fold")
    return dict(found) if isinstance(found, Mapping) else {}


def out_of_fold_auroc(metrics: Mapping[str, Any]) -> str:
    """AUROC, or its mean over the classes, with its 95 % interval."""
    found = out_of_fold(metrics)
    return next((estimate(found[name]) for name in _AUROCS if name in found), "not stated")


def estimate(value: object) -> str:
    """A number with its 95 % interval, as bundles state it: `{"value", "low", "high"}`, or the three in this order."""
    if isinstance(value, Mapping):
        value = [value.get(key) for key in ("value", "low", "high")]
    if isinstance(value, list | tuple) and len(value) == 3 and all(isinstance(one, int | float) for one in value):
        return f"{value[0]:.3f} ({value[1]:.3f} to {value[2]:.3f})"
    return "not assessable"
