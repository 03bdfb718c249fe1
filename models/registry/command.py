"""`python -m models list`, `promote`, `rollback`, `history` and `diff` at the terminal."""

import argparse
import getpass
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.bundle import Bundle, load_bundle
from models.registry.comparison import compare_bundles
from models.registry.history import Change, RegistryError
from models.registry.listing import read_bundles
from models.registry.promotion import previous_bundle, promote, rollback
from models.registry.served import read_history
from models.registry.tables import Row, bundle_row, difference_rows, metric_rows, period_row, short_digest

TAKES_EFFECT = (
    "An app that is running takes it within seconds, once it has loaded and proven it. One that was started with --bundle keeps "
    "to that."
)
_WIDE = 240  # columns where nobody looks: what is piped into a program is not folded


def add_registry_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands to those of `python -m models`."""
    listing = commands.add_parser("list", help="the bundles that are there, verified, and which is the current one")
    listing.set_defaults(command=_list)

    promotion = commands.add_parser("promote", help="make a bundle the current one, once it has been loaded and tried")
    promotion.add_argument("name", metavar="NAME", help="the bundle, one of `python -m models list`")
    promotion.add_argument("--reason", required=True, metavar="TEXT", help="why, for the history")
    promotion.set_defaults(command=_promote)

    back = commands.add_parser(
        "rollback", help="go back to the bundle that was there before the last promotion; again, to the one before that"
    )
    back.add_argument("--reason", default="not stated", metavar="TEXT", help="why, for the history")
    back.set_defaults(command=_rollback)
    for parser in (promotion, back):
        parser.add_argument("--by", metavar="WHO", help="who does it (default: the user of this machine)")

    history = commands.add_parser("history", help="which bundle was the current one from when to when, by whom and why")
    history.set_defaults(command=_history)

    diff = commands.add_parser("diff", help="what two bundles state differently, and their metrics side by side")
    diff.add_argument("first", metavar="A")
    diff.add_argument("second", metavar="B")
    diff.add_argument("--json", action="store_true", help="for programs, with all digits")
    diff.set_defaults(command=_diff)


def _list(_: argparse.Namespace) -> int:
    with Console(stderr=True).status("Verifying the bundles …"):
        found = read_bundles()
    if not found:
        raise RegistryError("No bundles are there. Train one: python -m training train --help")
    console = _console()
    _print_rows(console, [bundle_row(listed) for listed in found])
    for listed in found:
        if listed.fault:
            console.print(f"damaged: {listed.fault}", style="yellow", markup=False)
    return 0


def _promote(options: argparse.Namespace) -> int:
    bundle = load_bundle(options.name)
    _prove(bundle)
    _report(bundle, promote(bundle, reason=options.reason, by=options.by or _user()))
    return 0


def _rollback(options: argparse.Namespace) -> int:
    bundle = previous_bundle()
    _prove(bundle)
    _report(bundle, rollback(bundle, reason=options.reason, by=options.by or _user()))
    return 0


def _history(_: argparse.Namespace) -> int:
    history = read_history()
    console = _console()
    if history.periods:
        _print_rows(console, [period_row(period) for period in history.periods])
    else:
        console.print("No bundle is the current one, and none is on record.")
    for note in history.notes:
        console.print(note, style="yellow", markup=False)
    _say(TAKES_EFFECT)
    return 0


def _diff(options: argparse.Namespace) -> int:
    first, second = load_bundle(options.first), load_bundle(options.second)
    comparison = compare_bundles(first, second)
    if options.json:
        bundles = [
            {"name": one.spec.name, "sha256": one.sha256, "created": one.spec.created} for one in (first, second)
        ]
        _say(json.dumps({"bundles": bundles, **asdict(comparison)}, indent=2))
        return 0
    console, names = _console(), (first.spec.name, second.spec.name)
    if comparison.differences:
        _print_rows(console, difference_rows(comparison, names))
    else:
        console.print("They state the same, and their heads are the same.")
    if comparison.metrics:
        _print_rows(console, metric_rows(comparison, names))
    if not comparison.same_films:
        console.print(
            "Trained on different films: their metrics are of different patients, and do not say which is better."
        )
    return 0


def _prove(bundle: Bundle) -> None:
    from models.registry.proof import prove_bundle

    with Console(stderr=True).status(f"Loading {bundle.spec.name} …"):
        prove_bundle(bundle)


def _report(bundle: Bundle, change: Change | None) -> None:
    named = f"{bundle.spec.name} ({short_digest(bundle.sha256)})"
    if change is None:
        _say(f"{named} is the current bundle already: nothing was changed.")
    else:
        _say(f"{named} is the current bundle{f' after {change.before.name}' if change.before else ''}. {TAKES_EFFECT}")


def _say(text: str) -> None:
    """A sentence, or JSON, as it is: not folded, nothing in it taken for markup."""
    _console().print(text, markup=False, highlight=False, soft_wrap=True)


def _user() -> str:
    """Who is logged in; in a container, a user may have a number alone."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDE)


def _print_rows(console: Console, rows: Sequence[Row]) -> None:
    """A table with the columns that any of the rows has; nothing in it is taken for markup."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = Table(*(escape(column) for column in columns))
    for row in rows:
        table.add_row(*(escape(row.get(column, "")) for column in columns))
    console.print(table)
