"""Tables on disk, in Parquet: whole and of the version that is asked for, or not there."""

from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from models.system.files import atomic_path

DAMAGE: Final = (OSError, ValueError, KeyError, TypeError, pa.ArrowException, NotImplementedError, MemoryError)
"""What reading a damaged file, or one of something else, may raise."""

_VERSION: Final = b"pneumolens_version"


def write_table(path: Path, table: pa.Table, *, version: int) -> None:
    """Write a table; `version` says what its columns mean."""
    about = {**(table.schema.metadata or {}), _VERSION: str(version).encode()}
    with atomic_path(path) as temporary:
        pq.write_table(table.replace_schema_metadata(about), temporary, compression="zstd", write_page_checksum=True)


def read_table(path: Path, columns: pa.Schema, *, version: int) -> pa.Table | None:
    """Read a table; None where it is missing, damaged, or of other columns or another version."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        same = table.schema.metadata[_VERSION] == str(version).encode() and table.schema.equals(columns)
        return table if same else None
    except DAMAGE:
        return None
