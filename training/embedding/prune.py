"""Garbage collection of the cache: what was computed of films that no known folder holds any more.

A folder is known from when it was last read for a training or an evaluation (`training.data.known_files`). A backbone in int8
goes where no folder holds all films that it was calibrated on: none would be embedded with it. A training that runs is not
disturbed: it reads its folder first, what was written lately is kept, and a shard is replaced before it is removed.
"""

import re
import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

from models.engines.int8 import INT8_SUFFIX, calibration_films
from models.system.progress import Advance
from training.data.fingerprints import PRINTS_FILE, read_prints, write_prints
from training.data.known_files import KnownFolder, known_folders
from training.embedding.cache import drop_keys, shard_keys

GRACE: Final = timedelta(hours=24)
"""How long what was written is kept whoever names it."""

_ARRAYS: Final = re.compile(r".+-[0-9a-f]{16}")  # folders of `training.embedding.cache.ArrayCache`
_EARLIER: Final = ".npz"  # arrays of earlier versions, which nothing reads


class Pruned(NamedTuple):
    """What was done.

    Attributes:
        kept: the folders whose films stay known.
        removed: embeddings, lungs, backbones in int8 and files of earlier versions that are gone.
        freed: in bytes.
    """

    kept: tuple[KnownFolder, ...]
    removed: int
    freed: int


def prune_cache(
    cache: Path, *, forget: Sequence[Path] = (), grace: timedelta = GRACE, progress: Advance | None = None
) -> Pruned:
    """Remove what no known folder names.

    Args:
        forget: folders whose films are no longer wanted, if no other folder holds them.
        grace: what was written within this time stays.
        progress: called with the shards done and the shards there are.

    Raises:
        ValueError: where a folder to be forgotten is not known.
    """
    kept = _forget(list(known_folders(cache)), forget)
    named: set[str] = set().union(*(folder.films for folder in kept))
    before, latest = _size(cache), time.time() - grace.total_seconds()
    files = [file for folder in _folders(cache) for file in folder.iterdir() if file.is_file()]
    unused = [file for file in _quantised(cache) if file.stat().st_mtime < latest and not _is_usable(file, kept)]
    for file in unused:
        file.unlink()
    removed = len(unused)
    for number, file in enumerate(files, start=1):
        if file.stat().st_mtime < latest:
            removed += _prune_file(file, named)
        if progress is not None:
            progress(number, len(files))
    _prune_prints(cache / PRINTS_FILE, named)
    (cache / "prints.json").unlink(missing_ok=True)
    return Pruned(tuple(kept), removed, before - _size(cache))


def _forget(known: Sequence[KnownFolder], folders: Sequence[Path]) -> list[KnownFolder]:
    """Those folders that stay known."""
    roots = {folder.resolve() for folder in folders}
    if strange := sorted(map(str, roots - {one.root for one in known})):
        there = ", ".join(str(one.root) for one in known) or "none"
        raise ValueError(
            f"--forget must name a folder that the cache knows. Received: {', '.join(strange)}. Known: {there}"
        )
    for one in known:
        if one.root in roots:
            one.file.unlink()
    return [one for one in known if one.root not in roots]


def _prune_file(file: Path, named: Collection[str]) -> int:
    """Remove from a shard what nobody names, or a file that nobody reads; return how much is gone."""
    if file.name.startswith(".") or file.suffix == _EARLIER:  # what a killed run left half written
        file.unlink()
        return 1
    keys = shard_keys(file)
    if keys and all(_film(key) in named for key in keys):
        return 0
    return drop_keys(file, lambda key: _film(key) not in named)


def _is_usable(file: Path, kept: Sequence[KnownFolder]) -> bool:
    """Whether a folder would be embedded with this backbone: one that holds all films that it was calibrated on."""
    films = set(calibration_films(file))
    return bool(films) and any(films <= folder.films for folder in kept)


def _film(key: str) -> str:
    """The digest of the film that a key of the cache speaks of."""
    return key.partition(":")[0]


def _prune_prints(file: Path, named: Collection[str]) -> None:
    known = read_prints(file)
    alive = {sha256: one for sha256, one in known.items() if sha256 in named}
    if len(alive) < len(known):
        write_prints(file, alive)


def _folders(cache: Path) -> list[Path]:
    return [folder for folder in cache.glob("*-*") if folder.is_dir() and _ARRAYS.fullmatch(folder.name)]


def _quantised(cache: Path) -> list[Path]:
    return sorted(cache.glob(f"engines/*/*{INT8_SUFFIX}"))


def _size(cache: Path) -> int:
    files = [file for folder in _folders(cache) for file in folder.iterdir()]
    files += [*_quantised(cache), *cache.glob("prints.*")]
    return sum(file.stat().st_size for file in files if file.is_file())
