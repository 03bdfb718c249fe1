"""What a run does about leaks: fail with the list and a picture, or regroup and say so. Never silently."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from models.films.radiograph import read_radiograph
from models.system.files import atomic_path
from training.config import RunConfig
from training.data.leaks import EmbedPlain, LeakPair, Leaks, describe, find_leaks, regroup
from training.data.manifest import Manifest
from training.data.patients import DatasetError
from training.reports.plots import contact_sheet

_PAIRS_IN_PICTURE: Final = 20
_PAIRS_IN_MESSAGE: Final = 3
_NAME_LENGTH: Final = 24
_COLUMNS: Final = ("kind", "label_conflict", *(f"{what}_{n}" for n in (1, 2) for what in ("file", "patient", "split", "label")),
                   "bits", "cosine")  # fmt: skip


def leak_gate(
    config: RunConfig, manifest: Manifest, embed_plain: EmbedPlain, console: Console
) -> tuple[Manifest, Leaks]:
    """The manifest that may be trained on, and what was found.

    Found pairs go to `leaks.csv` and `leaks.png` in the run's folder, since they name and show patients.

    Raises:
        DatasetError: "leak" where something was found and `config.regroup` is off, or where regrouping empties a class.
    """
    leaks = find_leaks(manifest, embed_plain, seed=config.seed)
    table, picture = config.run_folder / "leaks.csv", config.run_folder / "leaks.png"
    write_table(leaks.pairs, table)
    if not leaks.pairs:
        picture.unlink(missing_ok=True)
        console.print(f"Leaks: none found among {leaks.images:,} images.")
        return manifest, leaks
    draw_pairs(leaks.pairs, manifest.root, picture)
    if not config.regroup:
        raise DatasetError(
            "leak",
            f"No film and no patient may stand on both sides of a split. Received, among {leaks.images:,} images: "
            f"{describe(leaks)} ({_named(leaks.pairs)}). All of them are in {table}, and to be seen in {picture}. "
            "Remove the surplus files, or add --regroup: it merges the patients of each pair, and takes out of the "
            "training part whom the test split shows.",
        )
    manifest, leaks = regroup(manifest, leaks)
    manifest.write_csv(config.run_folder / "manifest.csv")
    console.print(
        f"Leaks: {describe(leaks)} among {leaks.images:,} images. Regrouped: patients merged into another: "
        f"{leaks.merged:,}; images taken out of the training part: {leaks.taken_out:,}. See {picture}.",
        style="yellow",
        markup=False,
        soft_wrap=True,
    )
    return manifest, leaks


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
    rows = [[read_radiograph(root / entry.path).pixels for entry in (pair.first, pair.second)] for pair in shown]
    names = [[entry.path.stem[:_NAME_LENGTH] for entry in (pair.first, pair.second)] for pair in shown]
    contact_sheet(rows, [f"{first}, {second}" for first, second in names], path)


def _named(pairs: Sequence[LeakPair]) -> str:
    words = {"exact": "equals", "near": "is nearly", "patient": "shows the patient of"}
    named = [
        f"{pair.first.path.as_posix()} {words[pair.kind]} {pair.second.path.as_posix()}"
        for pair in pairs[:_PAIRS_IN_MESSAGE]
    ]
    return "; ".join([*named, "…"] if len(pairs) > len(named) else named)
