"""Files that are whole or not there, and the digests that prove it."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models.system.sentence import Sentence

CACHE_VARIABLE: Final = "PNEUMOLENS_CACHE"
_CHUNK = 1 << 20
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN: Final = (errno.EACCES, errno.EPERM, errno.EROFS)


def cache_folder() -> Path:
    """Where what can be computed again is kept: `$PNEUMOLENS_CACHE`, or a folder in the user's cache."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "pneumolens"


def digest(path: Path, algorithm: str = "sha256") -> str:
    """The hex digest of a file, read in pieces."""
    state = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            state.update(piece)
    return state.hexdigest()


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there takes its place when the block ends without an error.

    The temporary name keeps the suffix, by which many writers choose their format.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        fsync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a small file whole."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def disk_sentence(error: OSError) -> str:
    """What went wrong with a file, and what to do."""
    where = f"{error.filename}" if error.filename else Sentence("The disk")
    if error.errno in _FULL:
        return Sentence(
            "{where} cannot be written: the disk is full. Nothing half-written stays; make room, and try again.",
            where=where,
        )
    if error.errno in _FORBIDDEN:
        return Sentence(
            "{where} cannot be written or read: {why}. Give leave to, or name another folder.",
            where=where,
            why=error.strerror,
        )
    return str(error)


def fsync(path: Path) -> None:
    """Make what is at `path`, a file or a folder's list of names, outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put_in_place(temporary: Path, folder: Path) -> None:
    """Rename; an older bundle of that name steps aside first, and comes back should the rename fail."""
    if not folder.exists():
        temporary.rename(folder)
        return
    aside = folder.with_name(f".{folder.name}-replaced-{os.getpid()}")
    folder.rename(aside)
    try:
        temporary.rename(folder)
    except OSError:
        aside.rename(folder)
        raise
    shutil.rmtree(aside)
