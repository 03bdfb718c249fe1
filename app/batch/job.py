"""One batch on disk: a folder for its owner alone, with the films that wait and a database of what came of the others.

A process that was killed loses nothing that was written; the lock goes with it, so that a batch that says it is running while
nobody holds its lock was interrupted.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from app.batch.sentences import read_sentence, sentence_json

State = Literal["waiting", "running", "done", "cancelled", "stopped"]

_DATABASE, _LOCK, _FILMS = "batch.sqlite", "lock", "films"
_NAME: Final = re.compile("[0-9a-f]{16}")  # of a folder of ours: no other is ever deleted
_PATIENCE: Final = 20  # seconds until a database that somebody else is writing to is given up

_TABLES: Final = """
CREATE TABLE status (only INTEGER PRIMARY KEY CHECK (only = 1), text TEXT NOT NULL, cancel INTEGER NOT NULL DEFAULT 0);
CREATE TABLE film (
    place INTEGER PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL, archive INTEGER NOT NULL,
    study TEXT, sha256 TEXT, kind TEXT, verdict TEXT, positive REAL, uncertainty REAL, outcome TEXT,
    thumbnail BLOB, picture BLOB
);
CREATE INDEX kinds ON film (kind, verdict);
"""


@dataclass(frozen=True)
class Status:
    """How it stands with a batch.

    Attributes:
        user: whose it is.
        created: seconds since 1970.
        state: as it was written last; a batch may be "running" that nobody runs any more.
        code, sentence: why it was stopped; empty elsewhere.
        bundle, sha256: what judges it, name and digest of its bundle.json; empty before the first film.
        labels, points: of that bundle, the points as `points_text` writes them.
        since, done_before: when it was begun or went on last, and how many files had been judged before.
        remarks: what is to be said of archives that were refused, and files that were left out: pairs of code and sentence.
    """

    user: str
    created: float
    state: State = "waiting"
    code: str = ""
    sentence: str = ""
    bundle: str = ""
    sha256: str = ""
    labels: tuple[str, ...] = ()
    points: str = "[]"
    since: float = 0.0
    done_before: int = 0
    remarks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Waiting:
    """A file that was not judged yet, or an archive that was not unpacked yet."""

    place: int
    name: str
    path: Path
    archive: bool = False


@dataclass(frozen=True)
class Judged:
    """What is kept of a judged file; `kind` is "verdict", "withheld" or "refused"."""

    sha256: str | None
    study: str | None
    kind: str
    verdict: str | None
    positive: float | None
    uncertainty: float | None
    outcome: str
    thumbnail: bytes | None
    picture: bytes | None


class Job:
    """A batch in its folder; safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """The name of its folder, which nobody can guess."""
        return self.folder.name

    @property
    def films(self) -> Path:
        """Where films lie that were handed in, until they are judged."""
        return self.folder / _FILMS

    @classmethod
    def create(cls, spool: Path, *, user: str, remarks: Iterable[tuple[str, str]] = ()) -> "Job":
        """A new batch without files."""
        job = cls(spool / secrets.token_hex(8))
        try:
            job._make(Status(user=user, created=time.time(), remarks=tuple(remarks)))
        except (OSError, sqlite3.Error):
            job.delete()
            raise
        return job

    def _make(self, status: Status) -> None:
        self.films.mkdir(mode=0o700, parents=True)
        self.folder.chmod(0o700)
        for name in (_DATABASE, _LOCK):  # SQLite gives its journal the mode of the database
            os.close(os.open(self.folder / name, os.O_CREAT | os.O_EXCL, 0o600))
        with self.connect() as database:
            database.executescript(_TABLES)
            database.execute("INSERT INTO status (only, text) VALUES (1, ?)", (_text(status),))

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """The database, for one transaction; sqlite3.Error where it cannot be read or written."""
        address = (
            f"{(self.folder / _DATABASE).absolute().as_uri()}?mode=rw"  # never made anew after the batch was deleted
        )
        with closing(sqlite3.connect(address, timeout=_PATIENCE, uri=True)) as database, database:
            database.execute("PRAGMA secure_delete = ON")
            yield database

    def status(self) -> Status:
        """How it stands."""
        with self.connect() as database:
            [text] = database.execute("SELECT text FROM status").fetchone()
        return _status(text)

    def update(self, **changes: Any) -> Status:
        """Change some of the status."""
        with self.connect() as database:
            [text] = database.execute("SELECT text FROM status").fetchone()
            status = replace(_status(text), **changes)
            database.execute("UPDATE status SET text = ?", (_text(status),))
        return status

    def ask_to_cancel(self, *, wanted: bool = True) -> None:
        """Let whoever runs it, in whatever process, end after the film at hand; or take that back."""
        with self.connect() as database:
            database.execute("UPDATE status SET cancel = ?", (wanted,))

    def cancel_wanted(self) -> bool:
        """Whether it is to end."""
        with self.connect() as database:
            return bool(database.execute("SELECT cancel FROM status").fetchone()[0])

    def add(self, files: Iterable[tuple[str, Path]], *, archive: bool = False) -> None:
        """Add files, by name and path, after those that are there."""
        with self.connect() as database:
            rows = ((name, str(path), archive) for name, path in files)
            database.executemany("INSERT INTO film (name, path, archive) VALUES (?, ?, ?)", rows)

    def waiting(self) -> list[Waiting]:
        """What was not judged yet, in its order."""
        with self.connect() as database:
            rows = database.execute("SELECT place, name, path, archive FROM film WHERE kind IS NULL ORDER BY place")
            return [Waiting(place, name, Path(path), bool(archive)) for place, name, path, archive in rows]

    def unpacked(self, archive: Waiting, files: Iterable[tuple[str, Path]]) -> None:
        """Put the files of an archive in its place."""
        with self.connect() as database:
            database.execute("DELETE FROM film WHERE place = ?", (archive.place,))
            rows = ((name, str(path)) for name, path in files)
            database.executemany("INSERT INTO film (name, path, archive) VALUES (?, ?, 0)", rows)
        archive.path.unlink(missing_ok=True)

    def keep(self, file: Waiting, judged: Judged) -> None:
        """Write down what came of a file; its copy is not needed any more."""
        values = asdict(judged)
        names = ", ".join(f"{name} = ?" for name in values)
        with self.connect() as database:
            database.execute(f"UPDATE film SET {names} WHERE place = ?", (*values.values(), file.place))  # noqa: S608
        if file.path.is_relative_to(self.films):
            file.path.unlink(missing_ok=True)

    def counts(self) -> tuple[int, int]:
        """How many files were judged, and how many there are; an archive counts as one until it is unpacked."""
        with self.connect() as database:
            done, total = database.execute("SELECT count(kind), count(*) FROM film").fetchone()
        return done, total

    @contextmanager
    def lock(self) -> Iterator[bool]:
        """Hold the batch, so that nobody else runs it; gives False where somebody does."""
        handle = os.open(self.folder / _LOCK, os.O_RDWR)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)

    def held(self) -> bool:
        """Whether somebody runs it now, in this process or another."""
        with self.lock() as free:
            return not free

    def delete(self) -> None:
        """Take it away with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


def find_jobs(spool: Path, user: str | None = None) -> list[Job]:
    """The batches of a user, or of all, the newest first; a folder in which there is none that can be read is left out."""
    found = []
    for folder in spool.iterdir():
        job = Job(folder)
        try:
            status = job.status()
        except (sqlite3.Error, ValueError, TypeError):
            continue
        if user is None or status.user == user:
            found.append((status.created, job))
    return [job for _, job in sorted(found, key=lambda pair: pair[0], reverse=True)]


def delete_old(spool: Path, days: float) -> None:
    """Delete batches that are older than so many days and are not being judged; those that cannot be read any more, too."""
    limit = time.time() - days * 86_400
    created = {job.folder: job.status().created for job in find_jobs(spool)}
    for folder in spool.iterdir():
        if _NAME.fullmatch(folder.name) is None or created.get(folder, folder.stat().st_mtime) >= limit:
            continue
        job = Job(folder)
        if folder not in created or not job.held():
            job.delete()


def _text(status: Status) -> str:
    remarks = [(code, sentence_json(sentence)) for code, sentence in status.remarks]
    return json.dumps({**asdict(status), "sentence": sentence_json(status.sentence), "remarks": remarks})


def _status(text: str) -> Status:
    said = json.loads(text)
    said["labels"], said["sentence"] = tuple(said["labels"]), read_sentence(said["sentence"])
    said["remarks"] = tuple((code, read_sentence(sentence)) for code, sentence in said["remarks"])
    return Status(**said)
