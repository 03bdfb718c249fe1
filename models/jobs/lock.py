"""One job at a time: a lock that a process holds for as long as it lives, and that the system takes back when it is killed."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models.system.sentence import Sentence

_WAIT_SECONDS: Final = 5.0  # longer than anybody looks at the lock


class JobError(Exception):
    """A job that cannot be begun, or whose state cannot be read or written. The message says why and what to do."""


class BusyError(JobError):
    """Raised where another job is running."""

    def __init__(self) -> None:
        super().__init__(Sentence("Another job is running. Wait for its end, or stop it first."))


@contextmanager
def held_lock(file: Path) -> Iterator[None]:
    """Hold the lock, with the number of this process in the file; raises BusyError where another process holds it."""
    with file.open("a+", encoding="ascii") as lock:
        deadline = time.monotonic() + _WAIT_SECONDS
        while not _try(lock.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise BusyError
            time.sleep(0.05)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def lock_holder(file: Path) -> int | None:
    """The number of the process that holds the lock; None where nobody does."""
    try:
        with file.open("r", encoding="ascii") as lock:
            if _try(lock.fileno(), fcntl.LOCK_SH):
                return None
            return int(lock.read() or 0)
    except FileNotFoundError:
        return None


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
