"""Embeddings on disk, by content: what was embedded once is never embedded again."""

import hashlib
import os
import uuid
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.backbones import Backbone
from models.files import atomic_path

CACHE_VARIABLE: Final = "PNEUMOLENS_CACHE"

# Raised when what happens to pixels before the backbone changes, so that older embeddings are not taken for new ones.
_PREPROCESSING_VERSION: Final = 1

# What Python's reader of archives raises on damaged ones; RuntimeError, where a bit says "encrypted" or "newer version".
_DAMAGE: Final = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def default_cache() -> Path:
    """`$PNEUMOLENS_CACHE`, or a folder in the user's cache."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "pneumolens"


class EmbeddingCache:
    """Embeddings of one backbone with one set of weights.

    The folder holds shards that are written once and never changed; a run that is killed loses only what it had not yet
    written, and several runs may write at the same time.
    """

    def __init__(self, folder: Path, backbone: Backbone, weights_sha256: str) -> None:
        basis = f"{backbone.id} {weights_sha256} {backbone.input_size} {backbone.taps} {_PREPROCESSING_VERSION}"
        self._folder = folder / f"{backbone.id}-{hashlib.sha256(basis.encode()).hexdigest()[:16]}"
        self._size = backbone.embedding_size

    def read(self, wanted: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """The embeddings `(d,)` that are there, by key; a damaged shard counts as not there."""
        missing = set(wanted)
        found: dict[str, NDArray[np.float32]] = {}
        for shard in sorted(self._folder.glob("[!.]*.npz")):
            if not missing:
                break
            for key, embedding in _read_shard(shard, self._size).items():
                if key in missing:
                    found[key] = embedding
                    missing.remove(key)
        return found

    def write(self, embeddings: Mapping[str, NDArray[np.float32]]) -> None:
        """Add a shard."""
        if not embeddings:
            return
        with atomic_path(self._folder / f"{uuid.uuid4().hex}.npz") as temporary:
            np.savez(temporary, keys=np.array(list(embeddings)), embeddings=np.stack(list(embeddings.values())))


def _read_shard(path: Path, size: int) -> dict[str, NDArray[np.float32]]:
    try:
        # Opened here, since NumPy leaves its own file open where it is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            keys, embeddings = arrays["keys"], arrays["embeddings"]
    except _DAMAGE:
        return {}
    if embeddings.shape != (len(keys), size):
        return {}
    return dict(zip(keys.tolist(), embeddings, strict=True))
