"""What was found of leaks, as a table and as a picture."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from models.system.files import atomic_path
from training.data.failed_films import read_film
from training.leaks.find import LeakPair, Leaks
from training.plots.judged_plots import contact_sheet

_PAIRS_IN_PICTURE: Final = 20
_NAME_LENGTH: Final = 24
_COLUMNS: Final = ("kind", "label_conflict", *(f"{what}_{n}" for n in (1, 2) for what in ("file", "patient", "split", "label")),
                   "bits", "cosine")  # fmt: skip


def report_leaks(leaks: Leaks, root: Path, table: Path, picture: Path) -> None:
    """Write what was found below `root` into the run's folder, since it names and shows patients."""
    write_table(leaks.pairs, table)
    if leaks.pairs:
        draw_pairs(leaks.pairs, root, picture)
    else:
        picture.unlink(missing_ok=True)


def write_table(pairs: Sequence[LeakPair], path: Path) -> None:
    """Write one row per pair, whole or not at all; the header alone where there are none."""
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as lines,
    ):
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for pair in pairs:
            films = [
                value
                for entry in (pair.first, pair.second)
                for value in (entry.path.as_posix(), entry.patient, entry.split, entry.label)
            ]
            cosine = "" if pair.cosine is None else f"{pair.cosine:.3f}"
            writer.writerow([pair.kind, int(pair.conflict), *films, "" if pair.bits is None else pair.bits, cosine])


def draw_pairs(pairs: Sequence[LeakPair], root: Path, path: Path) -> None:
    """Draw the first pairs side by side."""
    shown = pairs[:_PAIRS_IN_PICTURE]
    rows = [[read_film(root / entry.path) for entry in (pair.first, pair.second)] for pair in shown]
    names = [[entry.path.stem[:_NAME_LENGTH] for entry in (pair.first, pair.second)] for pair in shown]
    contact_sheet(rows, [f"{first}, {second}" for first, second in names], path)
