"""Which bytes the files of a folder held when they were last read: a film that did not change is not read again.

It is told by size, times and number of the file (inode), as git tells it: all but the time of its last change of any kind
(ctime) could be set by a program, and that one only by setting the clock.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.system.tables import read_table, write_table

KNOWN_FOLDERS: Final = "folders"
"""Where in the cache the tables of folders lie: what none of them names, nobody needs."""

_VERSION: Final = 1
_NUMBERS: Final = ("size", "mtime_ns", "ctime_ns", "inode")
_COLUMNS: Final = pa.schema({"path": pa.string(), "sha256": pa.string(), **dict.fromkeys(_NUMBERS, pa.int64())})
_COARSEST: Final = 2_000_000_000  # nanoseconds in which a file system may not tell two changes apart (FAT)
_LARGEST: Final = 2**63 - 1  # that a table's numbers hold
_ROOT: Final = b"root"


class Stamp(NamedTuple):
    """What the file system says of a file."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class KnownFiles:
    """The digests of a folder's files, in a table where they are kept; without one, nothing is known."""

    def __init__(self, cache: Path | None, root: Path) -> None:
        """`root`: the folder whose files are read."""
        self._root = root.resolve()
        name = hashlib.sha256(str(self._root).encode(errors="surrogateescape")).hexdigest()[:16]
        self._file = cache / KNOWN_FOLDERS / f"{name}.parquet" if cache else None
        self._known: dict[str, int] = {}
        self._digests: list[str] = []
        self._stamps: NDArray[np.int64] = np.empty((0, len(_NUMBERS)), np.int64)
        self._seen: dict[str, tuple[Stamp, str]] = {}
        if self._file and (table := read_table(self._file, _COLUMNS, version=_VERSION)) is not None:
            self._known = {path: row for row, path in enumerate(table["path"].to_pylist())}
            self._digests = table["sha256"].to_pylist()
            self._stamps = np.stack([table[name].to_numpy() for name in _NUMBERS], axis=1)

    def stamp(self, path: Path) -> Stamp | None:
        """What the file system says of a file, by its path below the folder; None where it says nothing."""
        try:
            found = os.stat(os.path.join(self._root, path))  # noqa: PTH116, PTH118 - a path made of paths takes as long as all else
        except OSError:
            return None
        return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino & _LARGEST)

    def find(self, path: Path, stamp: Stamp | None) -> str | None:
        """The SHA-256 of a file that did not change since it was read; None where that is not known."""
        row = self._known.get(path.as_posix())
        if row is None or stamp is None or tuple(self._stamps[row].tolist()) != stamp:
            return None
        self._seen[path.as_posix()] = stamp, self._digests[row]
        return self._digests[row]

    def note(self, path: Path, stamp: Stamp | None, sha256: str) -> None:
        """Keep what was read of a file; `stamp` as it was before."""
        if stamp is not None:
            self._seen[path.as_posix()] = stamp, sha256

    def save(self) -> None:
        """Keep what this run has seen, in place of what earlier ones have.

        A file that changed a moment ago could change once more and show the same times: it is read again.
        """
        if self._file is None:
            return
        latest = time.time_ns() - _COARSEST
        stamps = [
            Stamp(-1, 0, 0, 0) if max(one.mtime_ns, one.ctime_ns) > latest else one for one, _ in self._seen.values()
        ]
        rows: dict[str, list[Any]] = {name: [one[place] for one in stamps] for place, name in enumerate(_NUMBERS)}
        rows |= {"path": [*map(_utf8, self._seen)], "sha256": [sha256 for _, sha256 in self._seen.values()]}
        table = pa.Table.from_pydict(rows, _COLUMNS)
        about = {_ROOT: json.dumps(str(self._root))}
        write_table(self._file, table.replace_schema_metadata(about), version=_VERSION)


class KnownFolder(NamedTuple):
    """A folder whose films are known.

    Attributes:
        file: the table of its files.
        root: where the folder is, or was.
        films: digests of its films.
    """

    file: Path
    root: Path
    films: frozenset[str]


def known_folders(cache: Path) -> Iterator[KnownFolder]:
    """The folders whose films a cache knows; a table that cannot be read is left out."""
    for file in sorted((cache / KNOWN_FOLDERS).glob("[!.]*.parquet")):
        if (table := read_table(file, _COLUMNS, version=_VERSION)) is not None:
            root = Path(json.loads(table.schema.metadata[_ROOT]))
            yield KnownFolder(file, root, frozenset(table["sha256"].to_pylist()))


def _utf8(path: str) -> str:
    """A path for a table: a name that is not UTF-8 is kept as an escape, and its file is read each time."""
    return path.encode("utf-8", "backslashreplace").decode()
