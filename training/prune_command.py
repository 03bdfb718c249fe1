"""The command `python -m training prune`."""

import argparse
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from models.system.progress import progress_bar
from training.embedding.prune import GRACE, prune_cache
from training.options import add_cache

_PRUNE: Final = """\
Remove from the cache what was computed of films that are gone: embeddings, lungs and digests of films that no folder held when
it was last read, and backbones in int8 that were calibrated on them. It costs nothing but the time to compute them anew, should
they come back.

    python -m training prune
    python -m training prune --forget old_films        this folder's films, too, where no other folder holds them

What was written in the last 24 hours stays, so that a training may run meanwhile."""


def add_prune(parser: argparse.ArgumentParser) -> None:
    """The options of `prune`."""
    parser.description = _PRUNE
    parser.set_defaults(command=_prune, stopped="stopped; what was removed so far is gone, all else is whole")
    parser.add_argument(
        "--forget", type=Path, action="append", default=[], metavar="FOLDER", help="a folder that is no longer wanted"
    )
    parser.add_argument(
        "--now",
        action="store_true",
        help="what was written in the last 24 hours, too; where a training runs, it may have to embed again",
    )
    add_cache(parser)


def _prune(options: argparse.Namespace) -> int:
    console = Console()
    grace = timedelta(0) if options.now else GRACE
    with progress_bar(console, "Looking through the cache") as advance:
        found = prune_cache(options.cache, forget=options.forget, grace=grace, progress=advance)
    for folder in found.kept:
        there = (
            "" if folder.root.is_dir() else f"; it is not there now: --forget '{folder.root}' if it is gone for good"
        )
        console.print(f"Kept: {len(folder.films):,} films of {folder.root}{there}", markup=False, soft_wrap=True)
    console.print(
        f"Removed: {found.removed:,} embeddings, backbones in int8 and leftovers, {found.freed / 1e6:,.1f} MB."
    )
    return 0
