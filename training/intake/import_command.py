"""The command `python -m training import`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from models.system.progress import progress_bar
from training.data.patients import DatasetError
from training.intake.classes import (
    READER_RULES,
    UNCERTAIN_RULES,
    Classes,
    make_classes,
    require_folder_names,
    require_known,
)
from training.intake.formats import FORMATS, RSNA_CLASSES_FILE, LabelFormat, recognise, table_format
from training.intake.image_index import ImageIndex
from training.intake.label_table import LabelTable, read_label_table
from training.intake.reading import REJECTIONS
from training.intake.sort_films import Sorted, read_rows, sort_films
from training.intake.write_folder import REJECTED_TABLE, require_new, write_folder

_IMPORT: Final = """\
Make a folder to train on of a published data set, or of any table: class folders of links, with the patients.

    python -m training import --csv Data_Entry_2017_v2020.csv --images nih --to adults --test-list test_list.txt
    python -m training import --csv train.csv valid.csv --images CheXpert-v1.0-small --to chexpert --uncertain positive
    python -m training import --csv mine.csv --images films --to mine --file name --label class --patient person

The format is told by the header: NIH ChestX-ray14, RSNA pneumonia, CheXpert, VinDr-PCXR and VinDr-CXR, PadChest. Films with
pneumonia become PNEUMONIA, films without any finding NORMAL; films with other findings, of doubt, or not taken from the front
are left out. Nothing is guessed: each row that is not taken is counted, and listed with its reason in rejected.csv. What is
taken stands in manifest.csv, with patients, age and sex; training reads it by itself, and --subgroups takes it, too.
The films stay where they are, unless --copy is given."""


def add_import(parser: argparse.ArgumentParser) -> None:
    """The options of `import`."""
    parser.description = _IMPORT
    parser.set_defaults(command=_import, stopped="stopped; nothing was written")
    parser.add_argument("--csv", type=Path, nargs="+", required=True, metavar="CSV", help="the label file, also as .gz")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the films, at any depth below DIR")
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="the folder to be made")
    parser.add_argument("--copy", action="store_true", help="copy the films (default: relative links to them)")
    parser.add_argument(
        "--format", choices=[one.name for one in FORMATS], help="the format, if not to be told by the header"
    )
    parser.add_argument(
        "--test-list",
        type=Path,
        metavar="FILE",
        help="a file whose lines begin with the names of the films of the test split",
    )
    table = parser.add_argument_group("a table of your own", "A row for each film; each label becomes a class.")
    table.add_argument("--file", metavar="COLUMN", help="the column of the file: its path below DIR, or its name")
    table.add_argument("--label", metavar="COLUMN", help="the column of the class")
    table.add_argument("--patient", metavar="COLUMN", help="the column of the patient, where there is one")
    table.add_argument(
        "--split", metavar="COLUMN", help="the column of the split (train, val, test), where there is one"
    )
    rules = parser.add_argument_group("which films are of which class")
    rules.add_argument(
        "--positive", nargs="+", metavar="FINDING", help="findings that make a film positive (default: pneumonia)"
    )
    rules.add_argument(
        "--negative", nargs="+", metavar="FINDING", help="findings that make it negative (default: that there is none)"
    )
    rules.add_argument(
        "--uncertain",
        choices=UNCERTAIN_RULES,
        default="leave-out",
        help="what a finding counts as that is neither stated nor denied, or by half of the readers; leave-out (the default): "
        "the film is left out where its class hangs on it",
    )
    rules.add_argument(
        "--readers",
        choices=READER_RULES,
        default="majority",
        help="where several readers saw a film (VinDr): majority (the default), a finding counts where more than half state it; "
        "any, where one does",
    )


def _import(options: argparse.Namespace) -> int:
    console = Console()
    require_new(options.to)
    tables = _read_tables(options.csv, console)
    kind = _format(tables, options)
    with console.status("Looking for the films …"):
        index = ImageIndex(options.images)
    classes = make_classes(kind, options.positive, options.negative, uncertain=options.uncertain)
    with console.status("Reading the labels …"):
        readings, malformed = read_rows((row for table in tables for row in table.rows()), kind)
    if classes:
        require_known(classes, readings, tables[0].columns)
    else:
        require_folder_names(sorted({reading.label for reading in readings if reading.label}))
    test = _read_names(options.test_list) if options.test_list else frozenset()
    found = sort_films(readings, index, kind, classes, readers=options.readers, test=test)
    found = Sorted(found.films, (*malformed, *found.rejected))
    _require_films(found, classes)
    with progress_bar(console, "Copying films" if options.copy else "Linking films") as advance:
        linked, copied = write_folder(found, index.root, options.to, copy=options.copy, progress=advance)
    _show(console, found, kind, classes, rows=len(readings) + len(malformed), readers=options.readers)
    for left_out in index.left_out:
        console.print(f"Left out: {left_out.path}: {left_out.reason}", style="yellow", markup=False, soft_wrap=True)
    console.print(f"{options.to}: {linked:,} links, {copied:,} copies.", markup=False, soft_wrap=True)
    console.print(f"Train on it: python -m training train {options.to} --name NAME", markup=False, soft_wrap=True)
    return 0


def _read_tables(paths: Sequence[Path], console: Console) -> list[LabelTable]:
    """The tables; where RSNA's file of classes lies beside that of boxes, it alone, since it says which films are normal."""
    tables: dict[Path, LabelTable] = {}
    for path in paths:
        table, beside = read_label_table(path), path.with_name(RSNA_CLASSES_FILE)
        if {"patientid", "target"} <= set(table.columns) and beside.is_file():
            console.print(f"{beside} says which films are normal, and is read instead of {path.name}.", markup=False)
            table = read_label_table(beside)
        tables[table.path] = table
    return list(tables.values())


def _format(tables: Sequence[LabelTable], options: argparse.Namespace) -> LabelFormat:
    if (options.file is None) != (options.label is None):
        raise ValueError("--file and --label go together: the columns of a table of your own. Received: one of them.")
    if options.file is not None:
        if options.format:
            raise ValueError("--format is for published label files, --file and --label for others. Received: both.")
        columns = {name: getattr(options, name) for name in ("file", "label", "patient", "split")}
        return next(table_format(table, **columns) for table in tables)
    kinds = {kind.name: kind for kind in (recognise(table, options.format) for table in tables)}
    if len(kinds) > 1:
        raise DatasetError("labels_csv", f"All of --csv must be of one format. Received: {', '.join(kinds)}.")
    return next(iter(kinds.values()))


def _read_names(path: Path) -> frozenset[str]:
    """The first cell of each line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--test-list must be a text file in UTF-8. Received: {path}, {error}") from error
    return frozenset(name for line in lines if (name := line.partition(",")[0].strip().strip('"')))


def _require_films(found: Sorted, classes: Classes | None) -> None:
    """Refuse to write what could not be trained on, and say where the films went."""
    labels = {film.label for film in found.films}
    if len(labels) >= 2:
        return
    reasons = "; ".join(f"{count:,} {reason} ({REJECTIONS[reason]})" for reason, count in found.reasons().items())
    rule = f" The rule: {classes.describe()}." if classes else ""
    raise DatasetError(
        "single_class",
        f"There must be films of two classes. Received: {', '.join(sorted(labels)) or 'none'}.{rule} Not taken: {reasons}.",
    )


def _show(
    console: Console, found: Sorted, kind: LabelFormat, classes: Classes | None, *, rows: int, readers: str
) -> None:
    """What was taken and what was not, in numbers."""
    used = sum(len(film.sources) for film in found.films)
    console.print(f"{kind.title}: {rows:,} rows; {used:,} of them speak of the films that are taken.", markup=False)
    if classes:
        console.print(f"Rule: {classes.describe()}.", markup=False)
    if kind.rows == "readers":
        console.print(f"Several readers of one film: {readers}.", markup=False)
    taken = Table("split", "class", "films", "patients")
    for (split, label), count in found.counts().items():
        of_class = [film for film in found.films if (film.split, film.label) == (split, label)]
        patients = "not known" if of_class[0].patient is None else f"{len({film.patient for film in of_class}):,}"
        taken.add_row(split, label, f"{count:,}", patients)
    console.print(taken)
    if kind.patients:
        console.print(f"{kind.patients}.", style="yellow", markup=False)
    if found.rejected:
        table = Table("not taken", "rows", "meaning", caption=f"Each of them is listed in {REJECTED_TABLE}")
        for reason, count in found.reasons().items():
            table.add_row(reason, f"{count:,}", REJECTIONS[reason])
        console.print(table)
