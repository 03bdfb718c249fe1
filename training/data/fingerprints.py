"""What decoding a file told, kept by the digest of its bytes: a folder that was read once is not decoded again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final

import pyarrow as pa

from models.films.radiograph import read_radiograph
from models.system.tables import read_table, write_table
from training.data.perceptual_hash import perceptual_hash, pixels_sha256

PRINTS_FILE: Final = "prints.parquet"
"""Of a cache."""

# Raised when files are decoded or hashed in another way, so that what was told before is not believed.
_VERSION: Final = 1


@dataclass(frozen=True)
class Print:
    """A film without its pixels; attributes as those of `training.data.manifest.Entry`, the hash in hexadecimal digits."""

    pixels_sha256: str
    perceptual_hash: str
    facts: Mapping[str, str]


_COLUMNS: Final = tuple(field.name for field in fields(Print))
_TABLE: Final = pa.schema(dict.fromkeys(("sha256", *_COLUMNS), pa.string()))


class Prints:
    """The prints of films, in a file where they are kept; without a file, of this run alone.

    They go by the bytes of a file, so that a changed file is always noticed. Threads may share it.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known = read_prints(file) if file else {}
        self._new: dict[str, Print] = {}

    def find(self, sha256: str) -> Print | None:
        """The print of a film by the SHA-256 of its file's bytes, where it is known."""
        if (row := self._known.get(sha256)) is None:
            return None
        return Print(row[0], row[1], json.loads(row[2]))

    def make(self, content: bytes, sha256: str) -> Print:
        """Decode a film that is not known yet.

        Raises:
            RefusedError: where the file is not one readable radiograph; that is found out anew each time.
        """
        radiograph = read_radiograph(content)
        hashed = perceptual_hash(radiograph.pixels).hex()
        found = Print(pixels_sha256(radiograph.pixels), hashed, dict(radiograph.facts))
        self._new[sha256] = found
        return found

    def save(self) -> None:
        """Keep what is new; a run that saves at the same time may take its place, and is then repeated."""
        if self._file is None or not self._new:
            return
        new = {sha256: (*astuple(one)[:2], json.dumps(dict(one.facts))) for sha256, one in self._new.items()}
        write_prints(self._file, {**read_prints(self._file), **self._known, **new})


Row = tuple[str, str, str]
"""A print as it is kept: `(pixels_sha256, perceptual_hash, facts in JSON)`."""


def write_prints(file: Path, rows: Mapping[str, Row]) -> None:
    """Write the prints of films, by the digests of their files, whole or not at all."""
    columns = zip(*rows.values(), strict=True) if rows else [()] * len(_COLUMNS)
    kept = {"sha256": list(rows), **dict(zip(_COLUMNS, columns, strict=True))}
    write_table(file, pa.Table.from_pydict(kept, _TABLE), version=_VERSION)


def read_prints(file: Path) -> dict[str, Row]:
    """What a file of prints holds; nothing where it is missing, damaged or of another version."""
    if (table := read_table(file, _TABLE, version=_VERSION)) is None:
        return {}
    rows = zip(*(table[name].to_pylist() for name in _COLUMNS), strict=True)
    return dict(zip(table["sha256"].to_pylist(), rows, strict=True))


def sha256_of(content: bytes) -> str:
    """The digest by which films are known."""
    return hashlib.sha256(content).hexdigest()
