"""Where batches lie, which films of a folder of the server are judged, and how long results are kept."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.server_folders import FolderError, allowed_folder, allowed_folders
from models.command_line.screening import find_files
from models.system.files import cache_folder

SPOOL_VARIABLE: Final = "PNEUMOLENS_BATCHES"
"""Environment variable: the folder that batches are kept in; unset, one in `$PNEUMOLENS_CACHE`."""

DAYS_VARIABLE: Final = "PNEUMOLENS_BATCH_DAYS"
"""Environment variable: after how many days a batch is deleted, whatever became of it; unset, `DEFAULT_DAYS`."""

DEFAULT_DAYS: Final = 7.0
MOST_FILES: Final = 20_000
"""Of one batch."""


def spool_folder() -> Path:
    """Where batches are kept; made for its owner alone."""
    named = os.environ.get(SPOOL_VARIABLE)
    folder = Path(named) if named else cache_folder() / "batches"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def kept_days() -> float:
    """After how many days a batch is deleted; a ValueError says what is wrong with the variable."""
    named = os.environ.get(DAYS_VARIABLE)
    try:
        days = float(named) if named else DEFAULT_DAYS
    except ValueError:
        days = 0.0
    if not 0 < days < 36_500:
        raise ValueError(f"{DAYS_VARIABLE} must be a number of days above 0. Received: {named!r}")
    return days


def films_below(root: Path, below: str) -> tuple[list[Path], int]:
    """The files of a folder below one of `allowed_folders()`, and how many were left out for being links that lead out of it.

    Raises:
        FolderError: where the folder lies elsewhere, by its name or by a link, or holds nothing, or too much.
    """
    if root not in allowed_folders():
        raise FolderError("folder_not_allowed")
    folder = allowed_folder(root / below.strip().strip("/"), [root])
    found = find_files([folder])
    inside = list(_inside(root, found))
    if not inside:
        raise FolderError("folder_empty")
    if len(inside) > MOST_FILES:
        raise FolderError("too_many_files", most=MOST_FILES)
    return inside, len(found) - len(inside)


def _inside(root: Path, files: list[Path]) -> Iterator[Path]:
    """The ordinary files that lie below the root when all links are followed."""
    for file in files:
        with suppress(OSError, RuntimeError):  # links that lead nowhere, or in a circle
            real = file.resolve(strict=True)
            if real.is_relative_to(root) and real.is_file():
                yield real
