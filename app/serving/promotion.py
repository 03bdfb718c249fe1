"""Which bundle serves, changed from the page: proven first, on record afterwards."""

from collections.abc import Callable

from models.bundle import Bundle, load_bundle
from models.registry.history import Change
from models.registry.promotion import previous_bundle, promote, rollback
from models.registry.proof import prove_bundle


def promote_by_name(name: str, *, reason: str, by: str) -> Change | None:
    """Load, prove and promote a bundle; None where it is the current one already. Raises as `models.registry.promotion`."""
    return _change(load_bundle(name), promote, reason, by)


def roll_back(*, reason: str, by: str) -> Change | None:
    """Prove the bundle that served before, and go back to it; raises as `models.registry.promotion`."""
    return _change(previous_bundle(), rollback, reason, by)


def _change(bundle: Bundle, step: Callable[..., Change | None], reason: str, by: str) -> Change | None:
    prove_bundle(bundle)
    return step(bundle, reason=reason.strip(), by=by)
