"""What divides the films of a folder into subgroups: the published names, DICOM files, and a table.

Batches come from the published file names (bacteria and virus are two), view, sex and age from DICOM files, and any of
these and more from a table with the column `file`.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from training.data.manifest import Entry
from training.metrics.subgroups import Column, age_group

_KNOWN: Final = {"batch": "acquisition batch", "view": "view", "sex": "sex", "age_years": "age"}
_NO_GROUPS: Final = {"file", "label", "patient", "split", "sha256"}


def find_columns(entries: Sequence[Entry], table: Path | None) -> list[Column]:
    """The columns of a folder: batch, view, sex and age always, further ones from the table.

    Raises:
        ValueError: a table that cannot be read, has no column `file`, or names none of the images.
    """
    known = {"batch": [entry.batch for entry in entries]}
    known |= {fact: [entry.facts.get(fact, "") for entry in entries] for fact in ("view", "sex", "age_years")}
    if table is not None:
        for name, values in _read(table, entries).items():
            before = known.get(name, [""] * len(entries))
            known[name] = [new or old for new, old in zip(values, before, strict=True)]
    return [
        Column(_KNOWN.get(name, name), tuple(map(age_group, values) if name == "age_years" else values))
        for name, values in known.items()
    ]


def _read(table: Path, entries: Sequence[Entry]) -> Mapping[str, list[str]]:
    """The values of each column of a table for each entry, "" where it says nothing."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            rows = [{key: (row.get(key) or "").strip() for key in names} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"--subgroups must be a readable CSV file in UTF-8. Received: {table}, {error}") from error
    if "file" not in names:
        raise ValueError(
            f"The header of {table.name} must hold the column file. Received: {', '.join(names) or 'an empty file'}."
        )
    by_path = {row["file"]: row for row in rows}
    occurrences = Counter(entry.path.name for entry in entries)
    found = [
        by_path.get(entry.path.as_posix())
        or (by_path.get(entry.path.name) if occurrences[entry.path.name] == 1 else None)
        for entry in entries
    ]
    if not any(found):
        raise ValueError(
            f"{table.name} must name images by their path below the data set's folder, or by a file name that occurs once. "
            f"Received: none of the {len(entries):,} images among its {len(rows):,} rows."
        )
    aliases = {"age": "age_years"}
    return {
        aliases.get(name, name): [row[name] if row else "" for row in found] for name in names if name not in _NO_GROUPS
    }
