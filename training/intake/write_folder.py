"""A folder of class folders, made of links or copies: whole, or not there."""

import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from training.data.listing import SPLITS
from training.data.manifest import OWN_TABLE
from training.data.patients import DatasetError
from training.intake.reading import REJECTIONS
from training.intake.sort_films import Film, Rejected, Sorted

REJECTED_TABLE: Final = "rejected.csv"


def require_new(folder: Path) -> None:
    """Raise `DatasetError("not_empty")` where something lies at `folder` already, an empty folder excepted."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise DatasetError(
            "not_empty",
            f"--to must name a folder to be made. Received: {folder}, which is there. Name another, or remove it.",
        )


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder beside `folder`, which takes its name when the block ends without an error, and else is removed."""
    require_new(folder)
    parent = folder.absolute().parent
    parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=parent.resolve(), prefix=f".{folder.name}-"))
    try:
        yield temporary
        temporary.chmod(0o755)
        if folder.is_dir():
            folder.rmdir()
        temporary.rename(parent.resolve() / folder.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_folder(
    found: Sorted, images: Path, folder: Path, *, copy: bool, progress: Callable[[int, int], None]
) -> tuple[int, int]:
    """Write the class folders, `manifest.csv` and `rejected.csv`; return how many films were linked, and how many copied.

    Films lie in `folder/LABEL/*`, or in `folder/SPLIT/LABEL/*` where there are several splits, each under its path below
    `images` without folders named as splits. Links are relative, so that both folders can be moved together; where the file
    system knows no links, films are copied.
    """
    divided = len({film.split for film in found.films}) > 1
    linked = 0
    with new_folder(folder) as temporary:
        rows: list[dict[str, str]] = []
        taken: set[Path] = set()
        for done, film in enumerate(found.films, start=1):
            place = _place(film, taken, divided=divided)
            taken.add(place)
            linked += _put(images / film.file, temporary / place, copy=copy)
            rows.append(_manifest_row(film, place))
            progress(done, len(found.films))
        _write_table(temporary / OWN_TABLE, rows)
        _write_table(temporary / REJECTED_TABLE, [_rejected_row(one) for one in found.rejected])
    return linked, len(found.films) - linked


def _place(film: Film, taken: Collection[Path], *, divided: bool) -> Path:
    """Where a film is to lie. A folder named as a split is no part of it: below a class it would look like another data set."""
    parts = [part for part in film.file.parts if part.casefold() not in SPLITS]
    place = Path(film.split if divided else "", film.label, *parts)
    while place in taken:
        place = place.with_name(f"_{place.name}")
    return place


def _put(source: Path, target: Path, *, copy: bool) -> bool:
    """Link a film, or copy it; whether it was linked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        try:
            target.symlink_to(os.path.relpath(source, target.parent))
            return True
        except OSError:  # a file system without links, or a user who may not make any
            target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    return False


def _manifest_row(film: Film, place: Path) -> dict[str, str]:
    row = {"file": place.as_posix(), "label": film.label}
    if film.patient is not None:
        row["patient"] = film.patient
    return row | {"split": film.split, "source": film.file.as_posix(), **film.facts}


def _rejected_row(one: Rejected) -> dict[str, str]:
    table, line = (one.source.table, str(one.source.line)) if one.source else ("", "")
    return {"table": table, "line": line, "image": one.image, "reason": one.reason, "meaning": REJECTIONS[one.reason]}


def _write_table(path: Path, rows: Sequence[dict[str, str]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row)) or [
        "table",
        "line",
        "image",
        "reason",
        "meaning",
    ]
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as lines:
        writer = csv.DictWriter(lines, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
