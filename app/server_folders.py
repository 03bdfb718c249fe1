"""Folders of the server that pages may read, by name and not by upload."""

import os
from pathlib import Path
from typing import Final

from models.system.sentence import CodedError

FOLDERS_VARIABLE: Final = "PNEUMOLENS_FOLDERS"
"""Environment variable: the folders of the server that may be read, with all below them, separated as in PATH; unset, none."""

# The whole vocabulary of what is said of a folder: a stable code and a sentence.
FOLDER_CODES: Final = {
    "folder_not_allowed": "This folder is not among those that may be read here. Choose one that is offered, or one below it.",
    "folder_not_found": "There is no such folder, or it cannot be read. See how it is spelt.",
    "folder_empty": "The folder holds no file. Choose one that does.",
    "links_left_out": "{count} links that lead out of the folder, or nowhere, were left out.",
    "link_leads_out": "A link in this folder leads out of what may be read here: {path}. Take it away, or let {variable} name "
    "where it leads.",
    "too_many_files": "The folder holds more than {most} files. Choose folders below it, one after the other.",
}


class FolderError(CodedError):
    """Raised where a folder of the server is not read."""

    codes = FOLDER_CODES


def allowed_folders() -> list[Path]:
    """The folders of the server that may be read, as they really lie; those that are not there are left out."""
    named = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    return [Path(one).resolve() for one in named if one and Path(one).is_dir()]


def allowed_folder(named: str | Path, roots: list[Path]) -> Path:
    """A folder below one of `roots`, as it really lies.

    Raises:
        FolderError: where it lies elsewhere, by its name or by a link, or is not there.
    """
    try:
        folder = Path(named).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:  # absent, a zero in its name, links in a circle
        raise FolderError("folder_not_found") from error
    if not any(folder.is_relative_to(root) for root in roots):
        raise FolderError("folder_not_allowed")
    if not folder.is_dir():
        raise FolderError("folder_not_found")
    return folder
