"""Where batches lie, which folders of the server may be judged, and how long results are kept."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from models.command_line.screening import find_files
from models.system.files import cache_folder
from models.system.sentence import Sentence

SPOOL_VARIABLE: Final = "PNEUMOLENS_BATCHES"
"""Environment variable: the folder that batches are kept in; unset, one in `$PNEUMOLENS_CACHE`."""

FOLDERS_VARIABLE: Final = "PNEUMOLENS_FOLDERS"
"""Environment variable: the folders of the server that may be judged, with all below them, separated as in PATH; unset, none."""

DAYS_VARIABLE: Final = "PNEUMOLENS_BATCH_DAYS"
"""Environment variable: after how many days a batch is deleted, whatever became of it; unset, `DEFAULT_DAYS`."""

DEFAULT_DAYS: Final = 7.0
MOST_FILES: Final = 20_000
"""Of one batch."""

# The whole vocabulary of what is said of a folder: a stable code and a sentence.
FOLDER_CODES: Final = {
    "folder_not_allowed": "This folder is not among those that may be judged here. Choose one that is offered, or one below it.",
    "folder_not_found": "There is no such folder, or it cannot be read. See how it is spelt.",
    "folder_empty": "The folder holds no file. Choose one that does.",
    "links_left_out": "{count} links that lead out of the folder, or nowhere, were left out.",
    "too_many_files": "The folder holds more than {most} files. Choose folders below it, one after the other.",
}


class FolderError(Exception):
    """Raised where a folder of the server is not judged.

    Attributes:
        code: one of `FOLDER_CODES`.
    """

    def __init__(self, code: str, **values: int) -> None:
        super().__init__(Sentence(FOLDER_CODES[code], **values))
        self.code = code

    @property
    def sentence(self) -> str:
        """What is wrong and what to do."""
        said: str = self.args[0]  # a `Sentence`, which other languages look up
        return said


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


def allowed_folders() -> list[Path]:
    """The folders of the server that may be judged, as they really lie; those that are not there are left out."""
    named = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    return [Path(one).resolve() for one in named if one and Path(one).is_dir()]


def films_below(root: Path, below: str) -> tuple[list[Path], int]:
    """The files of a folder below one of `allowed_folders()`, and how many were left out for being links that lead out of it.

    Raises:
        FolderError: where the folder lies elsewhere, by its name or by a link, or holds nothing, or too much.
    """
    if root not in allowed_folders():
        raise FolderError("folder_not_allowed")
    try:
        folder = (root / below.strip().strip("/")).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:  # absent, a zero in its name, links in a circle
        raise FolderError("folder_not_found") from error
    if not folder.is_relative_to(root):
        raise FolderError("folder_not_allowed")
    if not folder.is_dir():
        raise FolderError("folder_not_found")
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
