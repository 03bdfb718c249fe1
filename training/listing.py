"""What lies in a folder, by name."""

from pathlib import Path
from typing import Final

from training.patients import DatasetError

_JUNK: Final = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"}


def folders_and_files(parent: Path) -> tuple[list[Path], list[Path]]:
    """What a folder holds, by name, without hidden files and what operating systems leave behind.

    A broken link counts as a file, so that it is reported; a device or a pipe does not, as reading it might never end.
    """
    try:
        items = sorted(parent.iterdir())
    except OSError as error:
        raise DatasetError(
            "not_a_folder", f"Every folder of the data set must be readable. Received: {parent}, {error.strerror}."
        ) from error
    visible = [item for item in items if not item.name.startswith(".") and item.name.casefold() not in _JUNK]
    files = [item for item in visible if item.is_file() or not item.exists()]
    return [item for item in visible if item.is_dir()], files


def files_below(folder: Path) -> list[Path]:
    """All files at any depth, by path. Linked folders are followed, each real folder once, so that loops end."""
    found: list[Path] = []
    waiting, seen = [folder], {folder.resolve()}
    while waiting:
        folders, files = folders_and_files(waiting.pop())
        found += files
        for item in folders:
            if (real := item.resolve()) not in seen:
                seen.add(real)
                waiting.append(item)
    return sorted(found)
