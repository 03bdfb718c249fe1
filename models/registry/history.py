"""`history.jsonl` beside the bundles: a line of JSON for each change of the current bundle, only ever added to.

Each line names the bundle that became the current one and the one that it found as such. So a line that never took effect
(a crash came between), and a `CURRENT` that was changed by hand, show when the next line is written, or `CURRENT` is read.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any, Final, Literal

from models.bundle import (
    HISTORY_FILE,
    SPEC_FILE,
    BundleError,
    bundle_roots,
    check_bundle_name,
    current_bundle,
    find_bundle_folder,
)
from models.system.files import digest
from models.system.sentence import Sentence

_LONGEST: Final = 500

Event = Literal["promoted", "rolled back"]


class RegistryError(Exception):
    """A change of the current bundle that was not made. The message says why and what to do."""


@dataclass(frozen=True)
class BundleRef:
    """A bundle as it was at some time.

    Attributes:
        name: its name.
        sha256: of its `bundle.json`, which has those of all its files; None where it had none.
    """

    name: str
    sha256: str | None

    def __post_init__(self) -> None:
        check_words("name", self.name)
        if self.sha256 is not None:
            check_words("sha256", self.sha256)


@dataclass(frozen=True)
class Change:
    """One line of the history.

    Attributes:
        time: when, ISO 8601, UTC, by the clock of that machine.
        event: "promoted" or "rolled back".
        bundle: what became the current bundle.
        before: what was the current bundle until then; None where none was.
        by: who did it.
        reason: why.
    """

    time: str
    event: Event
    bundle: BundleRef
    before: BundleRef | None
    by: str
    reason: str

    def __post_init__(self) -> None:
        for name in ("time", "by", "reason"):
            check_words(name, getattr(self, name))
        if datetime.fromisoformat(self.time).tzinfo is None:
            raise ValueError(f"time must state its zone. Received: {self.time!r}")
        if self.event not in ("promoted", "rolled back"):
            raise ValueError(f"event must be promoted or rolled back. Received: {self.event!r}")

    @classmethod
    def from_line(cls, line: bytes) -> "Change":
        """Read a line; a ValueError, TypeError or KeyError where it is none."""
        raw: dict[str, Any] = json.loads(line)
        before = raw.pop("before")
        bundle = BundleRef(**raw.pop("bundle"))
        return cls(bundle=bundle, before=None if before is None else BundleRef(**before), **raw)


def check_words(name: str, words: object) -> None:
    """Raise a ValueError where `words` cannot stand in a line that people read."""
    if not (isinstance(words, str) and words.strip() and words.isprintable() and len(words) <= _LONGEST):
        raise ValueError(f"{name} must be one line of 1 to {_LONGEST} letters. Received: {words!r}")


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def history_file() -> Path:
    """Where the history is: beside the bundles, in the folder that new ones are written to."""
    return bundle_roots()[0] / HISTORY_FILE


def current_ref() -> BundleRef | None:
    """The bundle that `CURRENT` names as it is now, unverified; None where it names none."""
    try:
        name = check_bundle_name(current_bundle())
    except (BundleError, ValueError):
        return None
    try:
        return BundleRef(name, digest(find_bundle_folder(name) / SPEC_FILE))
    except BundleError:
        return BundleRef(name, None)


@contextmanager
def locked_history() -> Iterator[FileIO]:
    """The history, open for adding; other writers, and readers, wait at the door until the block ends (flock(2))."""
    path = history_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def read_changes() -> tuple[list[Change], list[Sentence], BundleRef | None]:
    """The changes in the order of the lines, what is wrong with the file, in sentences, and the current bundle with them."""
    try:
        with history_file().open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return *parse_changes(file.read()), current_ref()
    except FileNotFoundError:
        return [], [], current_ref()


def parse_changes(content: bytes) -> tuple[list[Change], list[Sentence]]:
    """The changes in the order of the lines, and a sentence for each line that cannot be read or is out of time."""
    changes: list[Change] = []
    faults: list[Sentence] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            change = Change.from_line(line)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            faults.append(
                Sentence(
                    "Line {number} of {file} cannot be read and is left aside: a crash cut it off, or a hand.",
                    number=number,
                    file=HISTORY_FILE,
                )
            )
            continue
        if changes and datetime.fromisoformat(change.time) < datetime.fromisoformat(changes[-1].time):
            faults.append(
                Sentence(
                    "Line {number} of {file} is dated before the one above it: the clock was set back. The order is that of the "
                    "lines.",
                    number=number,
                    file=HISTORY_FILE,
                )
            )
        changes.append(change)
    return changes, faults


@contextmanager
def added_line(file: FileIO, change: Change) -> Iterator[None]:
    """Add a line to the locked history, on disk before the block begins; it goes again where the block fails."""
    length = file.seek(0, os.SEEK_END)
    line = json.dumps(asdict(change), ensure_ascii=False).encode() + b"\n"
    kept = False
    try:
        _write(file, _line_end(file, length) + line)
        os.fsync(file.fileno())
        yield
        kept = True
    finally:
        if not kept:
            file.truncate(length)
            os.fsync(file.fileno())


def _line_end(file: FileIO, length: int) -> bytes:
    """What ends a line that a crash has cut off; nothing where the last line is whole."""
    if not length:
        return b""
    file.seek(length - 1)
    return b"" if file.read(1) == b"\n" else b"\n"


def _write(file: FileIO, content: bytes) -> None:
    """Write all of it: a disk that is nearly full takes a part, and says no only to the rest."""
    while content:
        content = content[file.write(content) :]
