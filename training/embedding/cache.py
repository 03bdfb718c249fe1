"""Embeddings on disk, by content: what was embedded once is never embedded again."""

import hashlib
import uuid
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backbones.pooling import POOLED
from models.backbones.table import Backbone
from models.engines.engine import Engine
from models.system.files import atomic_path

# Raised when what happens to pixels before the backbone, or to maps behind it, changes, so that older embeddings are not
# taken for new ones.
_PREPROCESSING_VERSION: Final = 3

# What Python's reader of archives raises on damaged ones; RuntimeError, where a bit says "encrypted" or "newer version".
_DAMAGE: Final = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class ArrayCache:
    """Arrays of one shape by the content of their film.

    The folder holds shards that are written once and never changed; a run that is killed loses only what it had not yet
    written, and several runs may write at the same time.
    """

    def __init__(self, folder: Path, name: str, basis: str, shape: tuple[int, ...]) -> None:
        """`basis` is all that decides what the arrays hold; those of another one are kept apart."""
        self._folder = folder / f"{name}-{hashlib.sha256(basis.encode()).hexdigest()[:16]}"
        self._shape = shape

    def read(self, wanted: Iterable[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield keys that are there, each once, with their embeddings; a damaged shard counts as not there."""
        missing = set(wanted)
        for shard in sorted(self._folder.glob("[!.]*.npz")):
            if not missing:
                break
            for key, embedding in _read_shard(shard, self._shape).items():
                if key in missing:
                    missing.remove(key)
                    yield key, embedding

    def write(self, embeddings: Mapping[str, NDArray[np.float32]]) -> None:
        """Add a shard."""
        if not embeddings:
            return
        with atomic_path(self._folder / f"{uuid.uuid4().hex}.npz") as temporary:
            np.savez(temporary, keys=np.array(list(embeddings)), embeddings=np.stack(list(embeddings.values())))


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


def _read_shard(path: Path, shape: tuple[int, ...]) -> dict[str, NDArray[np.float32]]:
    try:
        # Opened here, since NumPy leaves its own file open where it is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            keys, embeddings = arrays["keys"], arrays["embeddings"]
    except _DAMAGE:
        return {}
    if embeddings.shape != (len(keys), *shape):
        return {}
    return dict(zip(keys.tolist(), embeddings, strict=True))
