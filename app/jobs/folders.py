"""Which folders of the server may be trained on, and whose doing that may be."""

import os
from pathlib import Path
from typing import Final

from app.batch.places import FOLDERS_VARIABLE, allowed_folders
from models.system.sentence import Sentence

_MOST: Final = 200


class FolderError(Exception):
    """A folder that is not trained on. The message says why and what to do.

    Attributes:
        sentence: the same, for whoever translates.
    """

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def offered_folders() -> list[str]:
    """The allowed folders and those directly below them, by their paths; hidden ones are left out."""
    found = []
    for root in allowed_folders():
        below = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
        found += [str(root), *(str(path) for path in below if path.resolve().is_relative_to(root))]
    return found[:_MOST]


def allowed_folder(named: str) -> Path:
    """A folder below one of the allowed ones, as it really lies.

    Raises:
        FolderError: where it lies elsewhere, by its name or by a link, or a link in it leads elsewhere, or it is not there.
    """
    roots = allowed_folders()
    try:
        folder = Path(named.strip()).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:  # absent, a zero in its name, links in a circle
        raise FolderError(Sentence("There is no such folder, or it cannot be read. See how it is spelt.")) from error
    root = next((one for one in roots if folder.is_relative_to(one)), None)
    if root is None or not folder.is_dir():
        raise FolderError(
            Sentence(
                "This folder is not among those that may be read here. Choose one that is offered, or one below it."
            )
        )
    if stray := _leading_out(folder, roots):
        raise FolderError(
            Sentence(
                "A link in this folder leads out of what may be read here: {path}. Take it away, or let {variable} name where it "
                "leads.",
                path=stray,
                variable=FOLDERS_VARIABLE,
            )
        )
    return folder


def _leading_out(folder: Path, roots: list[Path]) -> str | None:
    """The first link below a folder that leads out of the allowed ones; None where none does."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            if path.is_symlink() and not any(path.resolve().is_relative_to(root) for root in roots):
                return path.relative_to(folder).as_posix()
    return None
