"""Embeddings on disk, by content: what was embedded once is never embedded again."""

import hashlib
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.backbones.pooling import POOLED
from models.backbones.table import Backbone
from models.engines.engine import Engine
from models.system.ahead import ahead
from models.system.files import write_atomically
from models.system.tables import DAMAGE

# Raised when what happens to pixels before the backbone, or to maps behind it, changes, so that older embeddings are not
# taken for new ones.
_PREPROCESSING_VERSION: Final = 3

_SHARDS: Final = "[!.]*.parquet"
_SHARDS_AHEAD: Final = 2  # of some 14 MB each


class ArrayCache:
    """Arrays of one shape by the content of their film.

    The folder holds Parquet files that are written once and never changed; a run that is killed loses only what it had not
    yet written, and several runs may write at the same time. A file has the columns `key` and `array`, float32 as bytes, and
    is named by the digest of its content: whatever is damaged counts as not there.
    """

    def __init__(self, folder: Path, name: str, basis: str, shape: tuple[int, ...]) -> None:
        """`basis` is all that decides what the arrays hold; those of another one are kept apart, in another `self.folder`."""
        self.folder = folder / f"{name}-{hashlib.sha256(basis.encode()).hexdigest()[:16]}"
        self._shape = shape

    def read(self, wanted: Iterable[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield keys that are there, each once, with their embeddings; the next shards are read and verified meanwhile."""
        missing, seen = set(wanted), set[Path]()
        # Listed again until nothing is new: a shard may have been replaced by one without what nobody names.
        with ThreadPoolExecutor(_SHARDS_AHEAD) as pool:
            while missing and (shards := sorted(set(self.folder.glob(_SHARDS)) - seen)):
                seen.update(shards)
                for rows in ahead(pool, partial(self._read_wanted, frozenset(missing)), shards, _SHARDS_AHEAD):
                    for key, embedding in rows:
                        if key in missing:
                            missing.remove(key)
                            yield key, embedding

    def write(self, embeddings: Mapping[str, NDArray[np.float32]]) -> None:
        """Add a shard."""
        if not embeddings:
            return
        arrays = np.stack(list(embeddings.values())).astype(np.float32, copy=False)
        form = pa.binary(arrays[0].nbytes)
        column = pa.FixedSizeBinaryArray.from_buffers(form, len(arrays), [None, pa.py_buffer(arrays)])
        _write_shard(self.folder, pa.table({"key": list(embeddings), "array": column}))

    def _read_wanted(self, wanted: Collection[str], path: Path) -> list[tuple[str, NDArray[np.float32]]]:
        """What a shard holds, where it holds anything that is wanted."""
        if not any(key in wanted for key in shard_keys(path)):
            return []
        table = _whole_shard(path)
        if table is None or table.schema.field("array").type != pa.binary(4 * int(np.prod(self._shape))):
            return []
        column = table["array"].combine_chunks()
        arrays = np.frombuffer(column.buffers()[1], np.float32).reshape(len(column), *self._shape)
        return list(zip(table["key"].to_pylist(), arrays, strict=True))


class EmbeddingCache(ArrayCache):
    """Embeddings of one backbone with one set of weights, `(3, d)` a view: see `models.backbones.pooling.POOLED`."""

    def __init__(self, folder: Path, backbone: Backbone, weights_sha256: str, precision: str, field: str = "") -> None:
        """`field` names what the backbone is shown of a film, as by a lung finder's digest; "" is the whole film."""
        network = f"{backbone.id} {weights_sha256} {backbone.input_size} {backbone.taps}"
        basis = f"{network} {precision} {_PREPROCESSING_VERSION}{field}"
        super().__init__(folder, backbone.id, basis, (len(POOLED), backbone.embedding_size))

    @classmethod
    def of(cls, engine: Engine, folder: Path, *, field: str = "") -> "EmbeddingCache":
        """The embeddings that an engine makes; the engines share them where they compute alike."""
        return cls(folder, engine.backbone, engine.weights.sha256, engine.precision, field)


def shard_keys(path: Path) -> list[str]:
    """The keys in a shard, without its arrays; none where it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            return list(file.read(columns=["key"], use_threads=False)["key"].to_pylist())
    except DAMAGE:
        return []


def drop_keys(path: Path, dead: Callable[[str], bool]) -> int:
    """Put a shard without some keys in place of one, which stays where all are alive; return how many are gone.

    Whoever reads meanwhile finds what stays in the one or in the other. A damaged shard is removed.
    """
    table = _whole_shard(path)
    if table is None:
        path.unlink(missing_ok=True)
        return 0
    alive = [not dead(key) for key in table["key"].to_pylist()]
    if not all(alive):
        if any(alive):
            _write_shard(path.parent, table.filter(pa.array(alive)))
        path.unlink()
    return len(alive) - sum(alive)


def _write_shard(folder: Path, table: pa.Table) -> None:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="none", use_dictionary=False, write_statistics=False)
    content = stream.getvalue()
    write_atomically(folder / f"{_name(content)}.parquet", content)


def _whole_shard(path: Path) -> pa.Table | None:
    """A shard's table; None where its content is not what was written."""
    try:
        content = path.read_bytes()
        if _name(content) != path.stem:
            return None
        return pq.read_table(pa.BufferReader(content), use_threads=False)
    except DAMAGE:
        return None


def _name(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
