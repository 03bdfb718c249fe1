"""Make a bundle the current one, or go back to the one before: `CURRENT` and its history change together, or not at all."""

from io import FileIO
from pathlib import Path

from models.bundle import BUNDLES_VARIABLE, CURRENT_FILE, Bundle, bundle_roots, load_bundle
from models.registry.history import (
    BundleRef,
    Change,
    Event,
    RegistryError,
    added_line,
    check_words,
    current_ref,
    locked_history,
    now,
    parse_changes,
)
from models.registry.served import combine, read_history
from models.system.files import fsync, write_atomically
from models.system.sentence import Sentence


def promote(bundle: Bundle, *, reason: str, by: str) -> Change | None:
    """Make a verified bundle the current one; returns None where it is that already.

    Safe to be called by many processes at once. Whoever has loaded a bundle keeps it.

    Raises:
        RegistryError: where nothing was changed, because of the disk, or as the bundle has changed since it was verified.
        BundleError: where it has become unusable since.
    """
    return _switch("promoted", bundle, reason=reason, by=by)


def rollback(bundle: Bundle, *, reason: str, by: str) -> Change | None:
    """Make `previous_bundle()` the current one again; raises as `promote`, and where it is no longer the one before."""
    return _switch("rolled back", bundle, reason=reason, by=by)


def previous_bundle() -> Bundle:
    """The bundle, verified, that a roll-back goes back to.

    Raises:
        RegistryError: where none is on record, or its files have changed since it served.
        BundleError: where it is missing or damaged.
    """
    before = read_history().before
    if before is None:
        raise RegistryError(
            "No bundle is on record that served before this one. Name one: python -m models promote NAME"
        )
    bundle = load_bundle(before.name)
    if bundle.sha256 != before.sha256:
        raise RegistryError(
            Sentence(
                "{bundle} served before, but its files have changed since: SHA-256 {before} then, {now} now. To take it as it is "
                "now: python -m models promote {bundle}",
                bundle=before.name,
                before=before.sha256,
                now=bundle.sha256,
            )
        )
    return bundle


def _switch(event: Event, bundle: Bundle, *, reason: str, by: str) -> Change | None:
    check_words("reason", reason)
    check_words("by", by)
    root = bundle_roots()[0]
    try:
        with locked_history() as file:
            _remove_leftovers(root)
            change = _next_change(file, event, BundleRef(bundle.spec.name, bundle.sha256), reason=reason, by=by)
            if change is None:
                return None
            with added_line(file, change):
                write_atomically(root / CURRENT_FILE, f"{change.bundle.name}\n")
    except OSError as error:
        raise RegistryError(
            Sentence(
                "Nothing was changed: {root} cannot be written ({why}). Make room or give leave to write there, or name another "
                "folder with {variable}; then try again.",
                root=root,
                why=error.strerror,
                variable=BUNDLES_VARIABLE,
            )
        ) from error
    fsync(root)
    return change


def _remove_leftovers(root: Path) -> None:
    """Take away what a process that was killed had begun: nobody else writes `CURRENT` while the history is locked."""
    for path in root.glob(f".{CURRENT_FILE}-*"):
        path.unlink()


def _next_change(file: FileIO, event: Event, wanted: BundleRef, *, reason: str, by: str) -> Change | None:
    """The line to be added to the locked history; None where there is nothing to change."""
    file.seek(0)
    changes, faults = parse_changes(file.read())
    current = current_ref()
    if event == "promoted" and current == wanted:
        return None
    if event == "rolled back" and combine(changes, faults, current).before != wanted:
        raise RegistryError("The current bundle was changed meanwhile. Look at the history, and try again.")
    if load_bundle(wanted.name).sha256 != wanted.sha256:
        raise RegistryError(Sentence("The files of {bundle} were changed meanwhile. Try again.", bundle=wanted.name))
    return Change(now(), event, wanted, current, by, reason)
