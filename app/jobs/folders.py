"""Which folders of the server may be trained on, and whose doing that may be."""

import os
from pathlib import Path
from typing import Final

from app.server_folders import FOLDERS_VARIABLE, FolderError, allowed_folder, allowed_folders

_MOST: Final = 200


def offered_folders() -> list[str]:
    """The allowed folders and those directly below them, by their paths; hidden ones are left out."""
    found = []
    for root in allowed_folders():
        below = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        found += [str(root), *(str(path) for path in below if path.resolve().is_relative_to(root))]
    return found[:_MOST]


def trainable_folder(named: str) -> Path:
    """A folder below one of the allowed ones, as it really lies.

    Raises:
        FolderError: as of `allowed_folder`, and where a link in it leads elsewhere.
    """
    roots = allowed_folders()
    folder = allowed_folder(named.strip(), roots)
    if stray := _leading_out(folder, roots):
        raise FolderError("link_leads_out", path=stray, variable=FOLDERS_VARIABLE)
    return folder


def _leading_out(folder: Path, roots: list[Path]) -> str | None:
    """The first link below a folder that leads out of the allowed ones; None where none does."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink() and not any(path.resolve().is_relative_to(root) for root in roots):
                return path.relative_to(folder).as_posix()
    return None
