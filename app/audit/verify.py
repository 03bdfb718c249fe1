"""Whether a log is as it was written: every line that was changed, removed, moved or cut is named."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.audit.chain import LONGEST_LINE, Line, Link, read_line
from app.audit.log import read_head


@dataclass(frozen=True)
class Verified:
    """What was found.

    Attributes:
        lines: how many there are.
        last: the last one of them that can be read.
        faults: each as a sentence; none where the log is whole.
    """

    lines: int
    last: Link
    faults: tuple[str, ...]


def verify_log(path: Path, *, known: str | None = None) -> Verified:
    """Read a log from its first line to its last; a few microseconds a line, whatever its length in little memory.

    Whoever can write log and head could make both anew. A digest that was noted elsewhere shows that: no new chain has it.

    Args:
        known: the digest of a line, noted when the log was verified before; it must be there.

    Raises:
        OSError: where it cannot be read.
    """
    last, count, faults, seen = Link(), 0, [], False
    stated = read_head(path)
    at_end: Link | None = Link() if stated and not stated.link.number else None
    for count, content in enumerate(_lines(path), start=1):
        line = read_line(content)
        faults += _faults(count, line, content, last)
        last = _next(last, line)
        seen = seen or last.sha256 == known
        at_end = last if stated and line and last.number == stated.link.number else at_end
    faults += _end_faults(stated.link if stated else None, at_end, last)
    if known is not None and not seen:
        faults.append(f"No line has the digest {known}: the log is another one, or was made anew from there on.")
    return Verified(count, last, tuple(faults))


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            yield line


def _next(last: Link, line: Line | None) -> Link:
    """What the line after builds on; where one cannot be read, it counts all the same."""
    return line.link if line else Link(last.number + 1, last.time, "")


def _faults(place: int, line: Line | None, content: bytes, last: Link) -> Iterator[str]:
    if line is None:
        cut = "is cut short" if not content.endswith(b"\n") else "cannot be read: it was changed"
        yield f"Line {place} {cut}."
        return
    number, expected = line.link.number, last.number + 1
    if not line.whole:
        yield f"Line {place} was changed: its digest is not that of what it says."
    if number > expected:
        missing = f"number {expected} is" if number == expected + 1 else f"numbers {expected} to {number - 1} are"
        yield f"Before line {place}, {missing} missing: removed, or moved."
    elif number < expected:
        yield f"Line {place} is number {number}, after number {last.number}: moved, or written twice."
    elif last.sha256 and line.previous != last.sha256:
        yield f"Line {place} does not follow on the line before: one of them was changed and sealed anew."
    if line.link.time < last.time and number == expected:
        yield f"Line {place} is older than the line before."


def _end_faults(stated: Link | None, at_end: Link | None, last: Link) -> Iterator[str]:
    """Whether the last line is the one that was written last, or one that follows on it."""
    if stated is None:
        yield "The .head file beside the log is missing or cannot be read: lines cut off at the end would not be noticed."
    elif last.number < stated.number:
        first = last.number + 1
        missing = (
            f"Number {first}, the last line, is"
            if first == stated.number
            else f"Numbers {first} to {stated.number} are"
        )
        yield f"{missing} missing at the end: cut off."
    elif at_end is None or at_end.sha256 != stated.sha256:
        yield f"Line number {stated.number} is not the one that was written: it was changed, or removed."
