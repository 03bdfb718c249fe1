"""The log as a file: lines are added under a lock, whole and on the disk, or not at all."""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.audit.chain import LONGEST_LINE, Link, follows, read_line, seal
from models.system.files import fsync
from models.system.sentence import CodedError

AUDIT_VARIABLE: Final = "PNEUMOLENS_AUDIT"
"""Environment variable: the file of the audit log; unset, there is none."""

# The whole vocabulary: a stable code, and what is said under it.
AUDIT_CODES: Final = {
    "audit_unwritable": "The audit log cannot be written ({reason}), and without it no result is given. Whoever runs this server "
    "must make room for it, or make it writable; then try again.",
    "audit_broken": "The audit log is not as it was left, and without it no result is given. Whoever runs this server must look "
    "at it with `python -m app audit verify`, put it and its .head file aside, and let a new one begin.",
}

_HEAD_BYTES: Final = 256  # within one sector of a disk: written whole or not at all


class AuditError(CodedError):
    """Raised where nothing can be added to the log."""

    codes = AUDIT_CODES


@dataclass(frozen=True)
class Head:
    """What the small file beside the log states of its end, so that lines cut off are missed.

    Attributes:
        link: of the last line.
        end: bytes of the log up to there.
    """

    link: Link = field(default_factory=Link)
    end: int = 0


class AuditLog:
    """A log that several threads and processes may add to at once."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path = path
        self._clock = clock

    def check(self) -> None:
        """Raise an AuditError where nothing could be added; what a killed process left half written is taken away."""
        self.append([])

    def append(self, entries: Sequence[Mapping[str, object]]) -> None:
        """Add lines: all of them are on the disk when this returns, or none is there.

        Raises:
            AuditError: where the disk is full, or the file cannot be written, or is not as it was left.
        """
        try:
            with _locked(self.path) as (log, head_file):
                head = _end_of_log(log, head_file)
                lines, link = seal(entries, head.link, self._clock())
                _add(log, head.end, lines)
                _write_head(head_file, Head(link, head.end + len(lines)))
        except OSError as error:
            raise AuditError("audit_unwritable", reason=error.strerror or type(error).__name__) from error


def configured_log() -> AuditLog | None:
    """The log that the environment names; None where there is none."""
    named = os.environ.get(AUDIT_VARIABLE)
    return AuditLog(Path(named)) if named else None


def head_path(path: Path) -> Path:
    """Where the end of a log is stated."""
    return path.with_name(f"{path.name}.head")


def read_head(path: Path) -> Head | None:
    """What is stated of the end of a log; None where nothing readable is."""
    try:
        return _parse_head(head_path(path).read_bytes())
    except FileNotFoundError:
        return None


@contextmanager
def _locked(path: Path) -> Iterator[tuple[int, int]]:
    """Log and head, open for this thread of this process alone; both are for their owner's eyes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    log = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(log, fcntl.LOCK_EX)
        head = os.open(head_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if new:
                fsync(path.parent)
            yield log, head
        finally:
            os.close(head)
    finally:
        os.close(log)


def _end_of_log(log: int, head_file: int) -> Head:
    """Where the next line comes. Whole lines beyond the stated end were written by a process that was killed before it could
    state them; half a line goes.
    """
    stated, size = _parse_head(os.pread(head_file, _HEAD_BYTES, 0)), os.fstat(log).st_size
    if stated is None:
        if size:
            raise AuditError("audit_broken")
        stated = Head()
        _write_head(head_file, stated)  # before the first line: from then on a log without a head is one that lost it
    if size < stated.end:
        raise AuditError("audit_broken")
    head = stated
    while line := _line_at(log, head.end):
        read = read_line(line)
        if not line.endswith(b"\n"):
            os.ftruncate(log, head.end)
            break
        if read is None or not follows(read, head.link):
            raise AuditError("audit_broken")
        head = Head(read.link, head.end + len(line))
    return head


def _line_at(log: int, place: int) -> bytes:
    """The bytes from a place to the end of its line, or of the file."""
    found = os.pread(log, LONGEST_LINE, place)
    line, end, _ = found.partition(b"\n")
    return line + end


def _add(log: int, end: int, lines: bytes) -> None:
    """Write at the end and see it on the disk; the log is as it was where that fails."""
    try:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(log, rest) :]
        os.fsync(log)
    except OSError:
        os.ftruncate(log, end)
        raise


def _write_head(head_file: int, head: Head) -> None:
    content = json.dumps({**asdict(head.link), "end": head.end}).encode().ljust(_HEAD_BYTES - 1) + b"\n"
    if os.pwrite(head_file, content, 0) < len(
        content
    ):  # the first time, on a full disk; later its place is taken already
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _parse_head(content: bytes) -> Head | None:
    try:
        stated = json.loads(content)
        return Head(Link(int(stated["number"]), str(stated["time"]), str(stated["sha256"])), int(stated["end"]))
    except (ValueError, KeyError, TypeError):
        return None
