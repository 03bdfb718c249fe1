"""`python -m app audit verify`: whether the log is as it was written."""

import argparse
import os
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from app.audit.log import AUDIT_VARIABLE
from app.audit.verify import verify_log

WHOLE, NOT_WHOLE, WRONG_USAGE = 0, 1, 2
_SHOWN: Final = 50


def add_audit_command(commands: Any) -> None:
    """Add `audit verify` to the commands of a parser."""
    audit = commands.add_parser("audit", help="look at the audit log")
    verbs = audit.add_subparsers(required=True, metavar="verify")
    verify = verbs.add_parser(
        "verify",
        help="say whether any line was changed, removed, moved or cut off, and which",
        description="Reads the log from its first line to its last. The exit status is 0 where it is whole, 1 where it is not.",
    )
    verify.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help=f"default: the one that {AUDIT_VARIABLE} names"
    )
    verify.add_argument(
        "--known",
        metavar="DIGEST",
        help="the digest that was printed the last time, and noted elsewhere: shows a log that was made anew as a whole",
    )
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    file = options.file or os.environ.get(AUDIT_VARIABLE)
    if not file:
        _say(f"error: Name the log, or set {AUDIT_VARIABLE} to it.", error=True)
        return WRONG_USAGE
    try:
        found = verify_log(Path(file), known=options.known)
    except OSError as error:
        _say(f"error: The log cannot be read ({error}).", error=True)
        return WRONG_USAGE
    for fault in found.faults[:_SHOWN]:
        _say(fault)
    if len(found.faults) > _SHOWN:
        _say(f"And {len(found.faults) - _SHOWN} more.")
    if found.faults:
        _say(f"The log is not as it was written: {len(found.faults)} faults in {found.lines} lines.", error=True)
        return NOT_WHOLE
    _say(f"Whole: {found.lines} lines. Note the digest of the last one for --known: {found.last.sha256}")
    return WHOLE


def _say(words: str, *, error: bool = False) -> None:
    Console(stderr=error, soft_wrap=True).print(words, markup=False, highlight=False)
