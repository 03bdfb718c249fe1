"""Where the lungs of the films of a folder are: one pass of the finder's backbone for each film, kept for next time."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.backbones.weights import find_weights
from models.bundle import Bundle
from models.engines.batching import SharedEngine
from models.engines.load import load_engine
from models.films.radiograph import read_radiograph
from models.films.refusal import REFUSAL_CODES, Refusal, attempt
from models.lungs.box import Box
from models.lungs.finder import CHANNELS, FINDER_FILE, PLACES, LungFinder, finder_backbone
from models.lungs.findings import Finding
from models.lungs.search import FoundLungs, find_lungs
from models.system.ahead import ahead
from models.system.files import digest
from models.system.progress import Advance, progress_bar
from training.config import RunConfig
from training.data.failed_films import FailedFilmsError
from training.data.manifest import Entry, Manifest, SetAside
from training.data.patients import DatasetError
from training.embedding.cache import ArrayCache
from training.embedding.folder_lungs import FolderLungs

LungPass = Callable[[Mapping[str, Path]], Iterator[tuple[str, FoundLungs | Refusal]]]
"""Gives the lungs of films, or why they cannot be looked for, by the films' digests, as they come."""

_FILMS_AT_ONCE: Final = 16
_READERS: Final = 2
_SHARD: Final = 512
_FIELD_FORM: Final = 2  # raised when films are cut to their lungs otherwise than before
_FORM: Final = 3  # raised when something else is found on them
_CODES: Final = ("no_lungs", "turned", "inverted", "lungs_cut_off")
_LENGTH: Final = 1 + 4 + 4 + PLACES**2 + CHANNELS


def find_folder_lungs(
    root: Path,
    entries: Sequence[Entry],
    cache: Path,
    *,
    engine: str = "auto",
    progress: Advance | None = None,
    search: LungPass | None = None,
) -> FolderLungs:
    """Find the lungs of films; what the cache has is not looked for again.

    `progress` is called with the films done and the films to do; `search` looks for them instead of `engine`.

    Raises:
        FailedFilmsError: at the end, where it failed on some films; the cache then has the others.
    """
    finder = f"{digest(FINDER_FILE)} {_FIELD_FORM}"
    kept = ArrayCache(cache, "lungs", f"{finder} {_FORM}", (_LENGTH,))
    paths = {entry.sha256: root / entry.path for entry in entries}
    found = {sha256: unpack_lungs(row) for sha256, row in kept.read(paths)}
    missing = [sha256 for sha256 in paths if sha256 not in found]
    if missing:
        looked_for = (search or partial(_search_here, engine))({sha256: paths[sha256] for sha256 in missing})
        new, failed = _keep(looked_for, {sha256: paths[sha256] for sha256 in missing}, kept, progress)
        if failed:
            raise FailedFilmsError(failed)
        found |= new
    return FolderLungs.of(finder, found, root, entries)


def _keep(
    looked_for: Iterator[tuple[str, FoundLungs | Refusal]],
    films: Mapping[str, Path],
    kept: ArrayCache,
    progress: Advance | None,
) -> tuple[dict[str, FoundLungs], dict[Path, Refusal]]:
    """Keep the lungs of films, by their digests, as they are found; with the films on which that failed."""
    found: dict[str, FoundLungs] = {}
    failed: dict[Path, Refusal] = {}
    unwritten: dict[str, NDArray[np.float32]] = {}
    for sha256, lungs in looked_for:
        if isinstance(lungs, Refusal):
            failed[films[sha256]] = lungs
        else:
            unwritten[sha256] = pack_lungs(lungs)
            found[sha256] = unpack_lungs(unwritten[sha256])  # as a later run will find them, to the last digit
        if progress is not None:
            progress(len(found) + len(failed), len(films))
        if len(unwritten) == _SHARD:
            kept.write(unwritten)
            unwritten = {}
    kept.write(unwritten)
    return found, failed


def lungs_for(
    bundle: Bundle, root: Path, entries: Sequence[Entry], cache: Path, engine: str, console: Console
) -> FolderLungs | None:
    """Where the lungs of films are that a bundle is to judge; None for a bundle that judges whole films."""
    if bundle.spec.field != "lungs":
        return None
    with progress_bar(console, "Finding the lungs") as advance:
        lungs = find_folder_lungs(root, entries, cache, engine=engine, progress=advance)
        advance(len(entries), len(entries))
    return lungs


def without_lungless(
    config: RunConfig, manifest: Manifest, console: Console, search: LungPass | None = None
) -> tuple[Manifest, FolderLungs]:
    """The films in which lungs were found, upright and not inverted, and where they are; the others are set aside and said."""
    with progress_bar(console, "Finding the lungs") as advance:
        lungs = find_folder_lungs(
            manifest.root, manifest.entries, config.cache, engine=config.engine, progress=advance, search=search
        )
        advance(len(manifest.entries), len(manifest.entries))
    kept = tuple(entry for entry in manifest.entries if lungs.hindrance(entry.sha256) is None)
    if len(kept) < len(manifest.entries):
        aside = [
            SetAside(entry.path, finding.code, finding.sentence)
            for entry in manifest.entries
            if (finding := lungs.hindrance(entry.sha256)) is not None
        ]
        _say_set_aside(manifest, kept, aside, console)
        manifest = replace(manifest, entries=kept, set_aside=(*manifest.set_aside, *aside))
    return manifest, lungs


def _say_set_aside(manifest: Manifest, kept: Sequence[Entry], aside: Sequence[SetAside], console: Console) -> None:
    """Say what was set aside; refuse a folder of which a class would be gone with it."""
    counts = Counter(one.code for one in aside)
    text = ", ".join(f"{count:,} {code}" for code, count in counts.most_common())
    if gone := sorted(set(manifest.labels) - {entry.label for entry in kept}):
        raise DatasetError(
            "no_lungs",
            f"Lungs must be found in films of every class. Received none for {', '.join(gone)} ({text}). If these are frontal "
            "chest films, look at them; for pictures of anything else, train with --field film.",
        )
    console.print(f"Set aside: {text} of {len(manifest.entries):,} films; the report lists them.", style="yellow")


def _search_here(engine: str, films: Mapping[str, Path]) -> Iterator[tuple[str, FoundLungs | Refusal]]:
    """A `LungPass` on this machine."""
    return zip(films, LungSearch(engine)(list(films.values())), strict=True)


class LungSearch:
    """The lung finder, ready to look for the lungs of films."""

    def __init__(self, engine: str, *, threads: int | None = None) -> None:
        """See `models.engines.load.load_engine`."""
        backbone = finder_backbone()
        self._engine = SharedEngine(load_engine(backbone, find_weights(backbone), engine=engine, threads=threads))
        self._finder = LungFinder.load()

    def __call__(self, paths: Sequence[Path]) -> Iterator[FoundLungs | Refusal]:
        """The lungs of each film in order, or why they cannot be looked for."""
        with ThreadPoolExecutor(_READERS) as readers:
            read = ahead(readers, _read, paths, 2 * _FILMS_AT_ONCE)
            while pictures := list(islice(read, _FILMS_AT_ONCE)):
                there = [one for one in pictures if not isinstance(one, Refusal)]
                found = iter(_found(self._engine, self._finder, there))
                yield from (one if isinstance(one, Refusal) else next(found) for one in pictures)


def _found(
    engine: SharedEngine, finder: LungFinder, pictures: Sequence[NDArray[np.uint8]]
) -> Sequence[FoundLungs | Refusal]:
    """Look for the lungs of pictures, all in one; where that fails, one by one."""

    def alone(picture: NDArray[np.uint8]) -> FoundLungs | Refusal:
        return attempt(lambda: find_lungs(engine, finder, [picture])[0])

    def together() -> Sequence[FoundLungs | Refusal]:
        return find_lungs(engine, finder, pictures)

    found = attempt(together, otherwise=lambda: [alone(picture) for picture in pictures])
    return [found] * len(pictures) if isinstance(found, Refusal) else found


def pack_lungs(lungs: FoundLungs, *, embedding: bool = True) -> NDArray[np.float32]:
    """A film's lungs as one row, with or without the description of the whole film; a box that is not there as not-a-number."""
    box = lungs.box
    edges = (np.nan,) * 4 if box is None else (box.top, box.left, box.bottom, box.right)
    frame = lungs.frame.top, lungs.frame.left, lungs.frame.bottom, lungs.frame.right
    code = _CODES.index(lungs.finding.code) if lungs.finding else -1
    described = lungs.embedding if embedding else ()
    return np.concatenate([[code], frame, edges, lungs.map.ravel(), described]).astype(np.float32)


def unpack_lungs(row: NDArray[np.float32]) -> FoundLungs:
    """A film's lungs of a row that `pack_lungs` made."""
    code, frame, edges = int(row[0]), _box(row[1:5]), row[5:9]
    finding = Finding(_CODES[code], REFUSAL_CODES[_CODES[code]]) if code >= 0 else None
    lung_map, embedding = row[9 : 9 + PLACES**2].reshape(PLACES, PLACES), row[9 + PLACES**2 :]
    return FoundLungs(frame, lung_map, None if np.isnan(edges).any() else _box(edges), embedding, finding, None)


def _box(edges: NDArray[np.float32]) -> Box:
    top, left, bottom, right = (min(max(float(edge), 0.0), 1.0) for edge in edges)
    return Box(top, left, bottom, right)


def _read(path: Path) -> NDArray[np.uint8] | Refusal:
    return attempt(lambda: read_radiograph(path).pixels)
