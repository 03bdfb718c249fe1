"""The lines of the log: JSON, each with the digest of the one before and its own. Knows nothing of files."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

FIRST: Final = "0" * 64
"""What the first line names as the digest of the line before."""

LONGEST_LINE: Final = 1 << 16  # bytes; ours have some 600

_LINE: Final = re.compile(rb'(\{.*),"sha256":"([0-9a-f]{64})"\}\n', re.DOTALL)


@dataclass(frozen=True)
class Link:
    """What the next line builds on.

    Attributes:
        number: of the line, from 1; 0 before the first.
        time: when it was written, ISO 8601 in UTC to the microsecond; empty before the first.
        sha256: the line's own digest.
    """

    number: int = 0
    time: str = ""
    sha256: str = FIRST


@dataclass(frozen=True)
class Line:
    """A line as it was read.

    Attributes:
        link: what it states of itself.
        previous: the digest that it states of the line before.
        whole: whether its digest is that of what stands in it.
    """

    link: Link
    previous: str
    whole: bool


def seal(entries: Sequence[Mapping[str, object]], last: Link, now: datetime) -> tuple[bytes, Link]:
    """Entries as lines that follow `last`, and the last of them.

    Time does not run backwards in the log: where the clock does, the time of the line before stays, and `clock` says what
    the clock said.
    """
    said, lines = _iso(now), []
    for entry in entries:
        time = max(said, last.time)
        clock = {"clock": said} if said < time else {}
        content = {"n": last.number + 1, "time": time, **clock, **entry, "previous": last.sha256}
        body = json.dumps(content, ensure_ascii=True, separators=(",", ":"))[:-1].encode()
        last = Link(last.number + 1, time, hashlib.sha256(body).hexdigest())
        lines.append(b'%s,"sha256":"%s"}\n' % (body, last.sha256.encode()))
    return b"".join(lines), last


def read_line(line: bytes) -> Line | None:
    """What a line states; None where it is none of ours, or none that is whole."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    try:
        content = json.loads(line)
        link = Link(int(content["n"]), str(content["time"]), found[2].decode())
        previous = str(content["previous"])
    except (ValueError, KeyError, TypeError):
        return None
    return Line(link, previous, hashlib.sha256(found[1]).hexdigest() == link.sha256)


def follows(line: Line | None, last: Link) -> bool:
    """Whether a line is whole and the one that comes after `last`."""
    return line is not None and line.whole and (line.previous, line.link.number) == (last.sha256, last.number + 1)


def _iso(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
