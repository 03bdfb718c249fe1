"""What came of a batch, a page of lines at a time: filtered and sorted by the database, never all of it in memory."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from app.batch.job import Job, Status
from app.batch.outcomes import Outcome, read_outcome, read_points
from app.screening import named_counts
from models.command_line.csv_table import csv_row, write_csv
from models.prediction import OperatingPoint

Order = Literal["place", "uncertain", "probable"]

ORDERS: Final[dict[Order, str]] = {
    "place": "place",
    "uncertain": "uncertainty IS NULL, uncertainty DESC, place",
    "probable": "positive IS NULL, positive DESC, place",
}

WITHHELD, REFUSED = "withheld", "refused"


@dataclass(frozen=True)
class Row:
    """One judged file."""

    place: int
    name: str
    study: str | None
    sha256: str | None
    uncertainty: float | None
    outcome: Outcome
    thumbnail: bytes | None


@dataclass(frozen=True)
class Study:
    """Films of one patient or study, or a film by itself: the place of the first, its name, and how many there are."""

    place: int
    name: str
    films: int


def count_kinds(job: Job, status: Status) -> dict[str, int]:
    """How many files came to which verdict, as the page has it."""
    with job.connect() as database:
        found = database.execute("SELECT kind, verdict, count(*) FROM film WHERE kind NOT NULL GROUP BY kind, verdict")
        counted = {(kind, verdict): number for kind, verdict, number in found}
    verdicts = {verdict: number for (kind, verdict), number in counted.items() if kind != REFUSED}
    return named_counts(verdicts, counted.get((REFUSED, None), 0), status.labels)


def count_rows(job: Job, show: str | None = None) -> int:
    """How many lines a filter leaves; see `read_rows`."""
    where, values = _where(show)
    with job.connect() as database:
        return int(database.execute(f"SELECT count(*) FROM film WHERE {where}", values).fetchone()[0])  # noqa: S608


def read_rows(
    job: Job, status: Status, *, show: str | None = None, order: Order = "place", first: int = 0, most: int = -1
) -> Iterator[Row]:
    """The lines of judged files, one after the other.

    Args:
        show: a verdict, or `WITHHELD` or `REFUSED` with a leading colon; None: all.
        first: how many are left out at the start.
        most: how many there are at most; -1: all.
    """
    where, values = _where(show)
    points = read_points(status.points)
    query = f"SELECT {_COLUMNS} FROM film WHERE {where} ORDER BY {ORDERS[order]} LIMIT ? OFFSET ?"  # noqa: S608
    with job.connect() as database:
        for found in database.execute(query, (*values, most, first)):
            yield _row(found, points)


def read_studies(job: Job) -> list[Study]:
    """The studies of a batch, by their first film."""
    with job.connect() as database:
        found = database.execute(
            "SELECT min(place), name, count(*) FROM film WHERE kind NOT NULL "
            "GROUP BY coalesce(study, place) ORDER BY min(place)"
        )
        return [Study(*values) for values in found]


def read_study(job: Job, status: Status, place: int) -> list[tuple[Row, bytes | None]]:
    """The films of the study that the film at a place belongs to, each with its larger picture."""
    points = read_points(status.points)
    query = (
        f"SELECT {_COLUMNS}, picture FROM film WHERE kind NOT NULL AND (place = ? OR study = "  # noqa: S608
        "(SELECT study FROM film WHERE place = ?)) ORDER BY place"
    )
    with job.connect() as database:
        return [(_row(values[:-1], points), values[-1]) for values in database.execute(query, (place, place))]


def batch_csv(job: Job, status: Status) -> bytes:
    """All lines as the CSV file that `python -m models predict --csv` writes."""
    stream = io.StringIO(newline="")
    rows = read_rows(job, status)
    write_csv(stream, status.labels, (csv_row(row.name, row.outcome, status.labels, status.bundle) for row in rows))
    return stream.getvalue().encode()


_COLUMNS: Final = "place, name, study, sha256, uncertainty, outcome, thumbnail"


def _row(values: tuple, points: tuple[OperatingPoint, ...]) -> Row:
    place, name, study, sha256, uncertain, outcome, thumbnail = values
    return Row(place, name, study, sha256, uncertain, read_outcome(outcome, points), thumbnail)


def _where(show: str | None) -> tuple[str, tuple[str, ...]]:
    if show is None:
        return "kind NOT NULL", ()
    if show.startswith(":"):
        return "kind = ?", (show[1:],)
    return "kind = 'verdict' AND verdict = ?", (show,)
