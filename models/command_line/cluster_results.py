"""Results of a run on a cluster, in a folder of Parquet files: written as they come, and where a run that was stopped goes on."""

import csv
import hashlib
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from models.command_line.csv_table import PROBABILITY_DIGITS, csv_header, csv_name
from models.system.files import atomic_path, write_atomically
from models.system.tables import read_table, write_table

_RUN: Final = "run.json"
_VERSION: Final = 1
_ROWS: Final = 4096
_SECONDS: Final = 10.0  # of work that a run which is killed loses at most


class ResultsFolder:
    """The results of one bundle on one list of files.

    Each part has the columns of `models.command_line.cluster_worker.result_columns`, and `file`.
    """

    def __init__(self, folder: Path, columns: pa.Schema, files: Sequence[str], run: Mapping[str, Any]) -> None:
        """`run` is all that decides what the results are.

        Raises:
            ValueError: where the folder holds something else.
        """
        self._folder, self._files = folder, files
        self._columns = columns.append(pa.field("file", pa.string()))
        self._waiting: list[pa.Table] = []
        self._written = time.monotonic()
        self._claim({**run, "files": _digest(files)})

    def __enter__(self) -> "ResultsFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self._write()

    def add(self, part: pa.Table) -> None:
        """Take results that have come; they are on disk when this object's block ends, or earlier."""
        names = [self._files[number] for number in part["id"].to_pylist()]
        self._waiting.append(part.append_column("file", pa.array([_utf8(name) for name in names], pa.string())))
        if sum(map(len, self._waiting)) >= _ROWS or time.monotonic() - self._written > _SECONDS:
            self._write()

    def read(self) -> pa.Table:
        """All results that are there, in the order of the files, each once."""
        parts = [read_table(path, self._columns, version=_VERSION) for path in self._folder.glob("[!.]*.parquet")]
        whole = pa.concat_tables([self._columns.empty_table(), *(part for part in parts if part is not None)])
        return whole.sort_by("id")

    def write_csv(self, target: Path, bundle: str) -> None:
        """The results as `python -m models predict --csv` writes them."""
        labels = [name.removeprefix("p_") for name in self._columns.names if name.startswith("p_")]
        rows = self.read()
        cells = [rows[name].to_pylist() for name in ("verdict", "refusal_code", *(f"p_{label}" for label in labels))]
        with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(csv_header(labels))
            for number, verdict, code, *values in zip(rows["id"].to_pylist(), *cells, strict=True):
                written = ["" if value is None else f"{value:.{PROBABILITY_DIGITS}f}" for value in values]
                writer.writerow([csv_name(self._files[number]), verdict, code, *written, bundle])

    def _write(self) -> None:
        if any(map(len, self._waiting)):
            table = pa.concat_tables(self._waiting).select(self._columns.names)
            write_table(self._folder / f"part-{uuid.uuid4().hex}.parquet", table, version=_VERSION)
        self._waiting, self._written = [], time.monotonic()

    def _claim(self, run: Mapping[str, Any]) -> None:
        """Make the folder this run's; one of the same run is gone on with."""
        stamp, text = self._folder / _RUN, json.dumps(dict(run), indent=2) + "\n"
        if stamp.is_file() and stamp.read_text(encoding="utf-8") == text:
            return
        if self._folder.exists() and any(self._folder.iterdir()):
            raise ValueError(
                f"--results must be a new folder, or one where the same run was begun: same bundle, files and options. "
                f"Received: {self._folder}, which holds something else."
            )
        write_atomically(stamp, text)


def refused(results: pa.Table) -> int:
    """How many files were refused: of those there are no probabilities."""
    first = next(name for name in results.column_names if name.startswith("p_"))
    return int(results[first].null_count)


def counts(results: pa.Table) -> list[tuple[str, int]]:
    """How often each verdict, and the code where there is none, came out; the most frequent first."""
    told = pc.if_else(pc.equal(results["verdict"], ""), results["refusal_code"], results["verdict"])
    found = [(one["values"].as_py(), one["counts"].as_py()) for one in pc.value_counts(told)]
    return sorted(found, key=lambda one: -one[1])


def _digest(files: Sequence[str]) -> str:
    state = hashlib.sha256()
    for name in files:
        state.update(name.encode(errors="surrogateescape") + b"\0")
    return state.hexdigest()


def _utf8(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
