"""Jobs on disk: a row of SQLite for each, and a folder for what it writes. Safe for several processes at once."""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from models.jobs.lock import BusyError, JobError, held_lock, lock_holder
from models.system.sentence import Sentence

WAITING, RUNNING, DONE = "waiting", "running", "done"
FAILED, STOPPED, KILLED = "failed", "stopped", "killed"
OPEN: Final = (WAITING, RUNNING)

LOG_FILE: Final = "log.txt"
PROGRESS_FILE: Final = "progress.jsonl"

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, steps TEXT NOT NULL, settings TEXT NOT NULL, by TEXT NOT NULL,
    state TEXT NOT NULL, message TEXT NOT NULL, pid INTEGER NOT NULL, created TEXT NOT NULL, ended TEXT NOT NULL
)"""
_WAIT_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        id: its number.
        kind: what is done, in a word, for whoever shows it.
        steps: the commands of `python -m training`, one after the other.
        settings: what was asked for, for whoever shows it.
        by: who began it.
        state: "waiting", "running", "done", "failed", "stopped" or "killed".
        message: why it is not done, a sentence; empty where it is, or runs.
        pid: of its process; before there is one, of the process that begins it.
        created, ended: ISO 8601, UTC; the second is empty until it has ended.
        folder: what it writes lies there.
    """

    id: int
    kind: str
    steps: tuple[tuple[str, ...], ...]
    settings: Mapping[str, Any]
    by: str
    state: str
    message: str
    pid: int
    created: str
    ended: str
    folder: Path

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in OPEN


class JobStore:
    """The jobs of one folder."""

    def __init__(self, folder: Path) -> None:
        """Raises JobError where the folder cannot be written."""
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise JobError(
                Sentence(
                    "Jobs are kept in {folder}, which cannot be written ({why}).", folder=folder, why=error.strerror
                )
            ) from error
        with self._connected() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(_TABLE)

    def add(self, kind: str, settings: Mapping[str, Any], *, by: str) -> Job:
        """A new job that waits, without steps yet, as these name its folder; raises BusyError where another one is open."""
        with self._connected() as connection:
            _refuse_second(connection)
            row = (kind, "[]", json.dumps(dict(settings)), by, WAITING, "", os.getpid(), _now(), "")
            added = connection.execute(f"INSERT INTO jobs VALUES (NULL{', ?' * len(row)})", row)  # noqa: S608
        job = self.get(int(added.lastrowid or 0))
        job.folder.mkdir(mode=0o700, exist_ok=True)
        return job

    def get(self, number: int) -> Job:
        """A job by its number; a JobError where there is none."""
        found = self._select("WHERE id = ?", number)
        if not found:
            raise JobError(Sentence("There is no job {number}.", number=number))
        return found[0]

    def latest(self, kind: str | None = None) -> Job | None:
        """The last job, or the last of a kind; one whose process is gone is told to be so."""
        found = self._select("WHERE kind = ? OR ? IS NULL ORDER BY id DESC LIMIT 1", kind, kind)
        return self._settled(found[0]) if found else None

    def set_steps(self, job: Job, steps: Sequence[Sequence[str]]) -> Job:
        """Say what it does."""
        self._update(job, steps=json.dumps(steps))
        return self.get(job.id)

    def set_settings(self, job: Job, settings: Mapping[str, Any]) -> Job:
        """Say what was asked for."""
        self._update(job, settings=json.dumps(dict(settings)))
        return self.get(job.id)

    def set_waiting_pid(self, job: Job, pid: int) -> None:
        """It waits for this process to say that it has begun; nothing is changed where it has."""
        with self._connected() as connection:
            connection.execute("UPDATE jobs SET pid = ? WHERE id = ? AND state = ?", (pid, job.id, WAITING))

    def wait(self, job: Job) -> None:
        """It waits for a process, which this one is about to begin; raises BusyError where another job is open."""
        with self._connected() as connection:
            _refuse_second(connection, job.id)
            connection.execute(
                "UPDATE jobs SET state = ?, pid = ?, message = '', ended = '' WHERE id = ?",
                (WAITING, os.getpid(), job.id),
            )

    def begin(self, job: Job, pid: int) -> None:
        """It is run by a process."""
        self._update(job, state=RUNNING, pid=pid, message="", ended="")

    def finish(self, job: Job, state: str, message: str = "") -> None:
        """It has ended."""
        self._update(job, state=state, message=message, ended=_now())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other job out; raises BusyError where one is running."""
        with held_lock(self._lock):
            yield

    @property
    def is_busy(self) -> bool:
        """Whether some process runs a job."""
        return lock_holder(self._lock) is not None

    def stop(self, job: Job, *, at_once: bool = False) -> None:
        """Ask its process to end, which it does in good order; or end it `at_once`. One that waits does not begin."""
        if lock_holder(self._lock) == job.pid:
            with suppress(ProcessLookupError):
                os.kill(job.pid, signal.SIGKILL if at_once else signal.SIGTERM)
        elif job.state == WAITING:
            self.finish(job, STOPPED)

    @property
    def _lock(self) -> Path:
        return self.folder / "lock"

    def _settled(self, job: Job) -> Job:
        """As it is on disk, or killed, where its process went without saying so."""
        holder = lock_holder(self._lock)
        alive = holder == job.pid if job.state == RUNNING else _lives(job.pid)
        if not job.is_open or alive:
            return job
        now = self.get(job.id)  # it may have ended since it was read
        if now.is_open:
            self.finish(
                now, KILLED, "Its process was ended from outside: killed, out of memory, or the machine went down."
            )
        return self.get(job.id)

    def _select(self, where: str, *values: object) -> list[Job]:
        with self._connected() as connection:
            return [self._job(row) for row in connection.execute(f"SELECT * FROM jobs {where}", values)]  # noqa: S608

    def _job(self, row: sqlite3.Row) -> Job:
        steps = tuple(tuple(step) for step in json.loads(row["steps"]))
        found = {**dict(row), "steps": steps, "settings": json.loads(row["settings"])}
        return Job(**found, folder=self.folder / str(row["id"]))

    def _update(self, job: Job, **values: object) -> None:
        columns = ", ".join(f"{name} = ?" for name in values)
        with self._connected() as connection:
            connection.execute(f"UPDATE jobs SET {columns} WHERE id = ?", (*values.values(), job.id))  # noqa: S608

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.folder / "jobs.sqlite", timeout=_WAIT_SECONDS)) as connection, connection:
                connection.row_factory = sqlite3.Row
                yield connection
        except sqlite3.Error as error:
            raise JobError(
                Sentence(
                    "The state of jobs in {folder} cannot be read or written ({why}). Make room, or give leave to write.",
                    folder=self.folder,
                    why=error,
                )
            ) from error


def _refuse_second(connection: sqlite3.Connection, number: int = 0) -> None:
    """Raise BusyError where a job other than this one is open, in a transaction that no other process can come between."""
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT 1 FROM jobs WHERE state IN (?, ?) AND id != ?", (*OPEN, number)).fetchone():
        raise BusyError


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
