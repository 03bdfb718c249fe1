"""A table of labels as text: its header and its rows, whatever program wrote it."""

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from training.data.patients import DatasetError

_DELIMITERS: Final = ",;\t"


class Source(NamedTuple):
    """Where a row stands: the name of the file, and the line in which the row ends."""

    table: str
    line: int


@dataclass(frozen=True)
class Row:
    """One row of a table: its cells by column, or None where they do not fit the header."""

    source: Source
    cells: Mapping[str, str] | None

    def __getitem__(self, column: str) -> str:
        """A cell, stripped; "" where the table has no such column."""
        return (self.cells or {}).get(column, "")


@dataclass(frozen=True)
class LabelTable:
    """A table of labels, a CSV file or one packed as .gz: in UTF-8, with or without a byte order mark, with any line ends, and
    separated by commas, semicolons or tabs, of which the header tells which.

    Attributes:
        path: the file.
        header: the names of the columns, as they are written.
    """

    path: Path
    header: tuple[str, ...]
    delimiter: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The names in lower case."""
        return tuple(name.lower() for name in self.header)

    def rows(self) -> Iterator[Row]:
        """The rows as they come; those without any cell are passed over.

        Raises:
            DatasetError: "labels_csv" where the file breaks off.
        """
        with _opened(self.path) as lines:
            lines.readline()
            reader = csv.reader(lines, delimiter=self.delimiter)
            for cells in reader:
                if cells:
                    yield _row(Source(self.path.name, reader.line_num + 1), self.columns, cells)


def read_label_table(path: Path) -> LabelTable:
    """Read the header of a table.

    Raises:
        DatasetError: "labels_csv" where it is none.
    """
    with _opened(path) as lines:
        first = lines.readline()
    delimiter = max(_DELIMITERS, key=first.count)
    header = tuple(name.strip() for name in next(csv.reader([first], delimiter=delimiter), []))
    if not any(header):
        raise DatasetError(
            "labels_csv", f"--csv must begin with the names of the columns. Received: {path}, without any."
        )
    return LabelTable(path, header, delimiter)


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """The file as text; whatever is wrong with it while it is open is a DatasetError."""
    opened: Callable[..., Any] = partial(gzip.open, path, "rt") if path.suffix.lower() == ".gz" else path.open
    try:
        with opened(encoding="utf-8-sig", newline="") as lines:
            yield lines
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(
            "labels_csv",
            f"--csv must be a readable CSV file in UTF-8. Received: {path}, {error}. Save it as CSV UTF-8.",
        ) from error


def _row(source: Source, columns: tuple[str, ...], cells: list[str]) -> Row:
    """A row by column; a writer may leave out, or add, blank cells below a header that ends in a comma."""
    named = len(columns) if columns[-1] else len(columns) - 1
    if len(cells) < named or any(cell.strip() for cell in cells[len(columns) :]):
        return Row(source, None)
    pairs = zip(columns, cells, strict=False)
    return Row(source, {column: cell.strip() for column, cell in pairs if column})
