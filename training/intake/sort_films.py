"""From rows to films: each with its class, patient and split, or with the reason why it has none."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.intake.classes import Classes, votes
from training.intake.formats import LabelFormat
from training.intake.image_index import ImageIndex
from training.intake.label_table import Row, Source
from training.intake.reading import FRONTAL, LATERAL, MalformedError, Reading


@dataclass(frozen=True)
class Film:
    """A film that is taken: `file` is relative to the folder of images; `sources` are the rows that speak of it."""

    file: Path
    label: str
    patient: str | None
    split: str
    sources: tuple[Source, ...]
    facts: dict[str, str]


@dataclass(frozen=True)
class Rejected:
    """A row that is not taken, or a picture of which no row speaks (without source); `reason` is one of `REJECTIONS`."""

    source: Source | None
    image: str
    reason: str


@dataclass(frozen=True)
class Sorted:
    """All films of a label file: those that are taken, in the order of their files, and each row that is not."""

    films: tuple[Film, ...]
    rejected: tuple[Rejected, ...]

    def counts(self) -> dict[tuple[str, str], int]:
        """Films by split and label."""
        return dict(sorted(Counter((film.split, film.label) for film in self.films).items(), key=_by_split))

    def reasons(self) -> dict[str, int]:
        """Rows, or pictures, by the reason why they are not taken; the most frequent first."""
        return dict(Counter(one.reason for one in self.rejected).most_common())


def read_rows(rows: Iterable[Row], kind: LabelFormat) -> tuple[list[Reading], list[Rejected]]:
    """What each row says, and the rows that cannot be read."""
    readings: list[Reading] = []
    rejected: list[Rejected] = []
    for row in rows:
        try:
            if row.cells is None:
                raise MalformedError("cells that do not fit the header")
            reading = kind.read(row)
            if not any(reading.places):
                raise MalformedError("no image")
            readings.append(reading)
        except MalformedError:
            rejected.append(Rejected(row.source, "", "malformed_row"))
    return readings, rejected


def sort_films(
    readings: Sequence[Reading],
    index: ImageIndex,
    kind: LabelFormat,
    classes: Classes | None,
    *,
    readers: str,
    test: frozenset[str] = frozenset(),
) -> Sorted:
    """Find the file of each row and the class of each film.

    Args:
        classes: None where each row's own label is the class.
        readers: one of `READER_RULES`, for formats of several readers.
        test: names of images, with or without suffix, that go to the test split whatever the rows say.
    """
    rejected: list[Rejected] = []
    of_file: defaultdict[Path, list[Reading]] = defaultdict(list)
    listed: set[Path] = set()
    for reading in readings:
        found = index.find(reading.places)
        listed.update(found)
        if reason := _reason(reading, len(found)):
            rejected.append(Rejected(reading.source, reading.places[0], reason))
        else:
            of_file[found[0]].append(reading)
    films: list[Film] = []
    for file, of_film in sorted(of_file.items()):
        once, again = (_once(of_film), of_film) if kind.rows == "films" else (of_film, of_film)
        rejected += [Rejected(one.source, file.as_posix(), "duplicate_row") for one in again if one not in once]
        label, reason = _class_of(once, kind, classes, readers)
        if reason:
            rejected += [Rejected(one.source, file.as_posix(), reason) for one in once]
        else:
            films.append(_film(file, label, once, test))
    rejected += [Rejected(None, file.as_posix(), "unlisted_image") for file in index.files if file not in listed]
    return Sorted(tuple(films), tuple(sorted(rejected, key=_by_line)))


def _reason(reading: Reading, files: int) -> str:
    """Why a row is of no use by itself; "" where it is."""
    if reading.view != FRONTAL:
        return "lateral" if reading.view == LATERAL else "other_view"
    if reading.excluded:
        return "excluded"
    if reading.patient == "":
        return "no_patient"
    return ("missing_image", "", "several_images")[min(files, 2)]


def _class_of(readings: Sequence[Reading], kind: LabelFormat, classes: Classes | None, readers: str) -> tuple[str, str]:
    """The label of a film, or the reason why it has none."""
    if len({reading.patient for reading in readings}) > 1 or (kind.rows == "films" and len(readings) > 1):
        return "", "contradictory"
    if classes is None:
        label = readings[0].label
        return label, "" if label else "no_statement"
    if kind.rows == "readers":
        return classes.of(*votes(readings, readers, normal=kind.negative))
    present = frozenset[str]().union(*(reading.present for reading in readings))
    return classes.of(present, readings[0].uncertain)


def _once(readings: Sequence[Reading]) -> list[Reading]:
    """The readings without those that say the same as an earlier one."""
    said: dict[tuple[object, ...], Reading] = {}
    for one in readings:
        said.setdefault((one.patient, one.present, one.uncertain, one.label, one.split), one)
    return list(said.values())


def _film(file: Path, label: str, readings: Sequence[Reading], test: frozenset[str]) -> Film:
    first = readings[0]
    in_test = any(name in test for name in (file.name, file.stem, file.as_posix()))
    split = "test" if in_test else first.split or "train"
    return Film(file, label, first.patient, split, tuple(one.source for one in readings), dict(first.facts))


_SPLITS: Final = ("train", "val", "test")


def _by_split(counted: tuple[tuple[str, str], int]) -> tuple[int, str]:
    (split, label), _ = counted
    return _SPLITS.index(split), label


def _by_line(one: Rejected) -> tuple[bool, Source, str]:
    return one.source is None, one.source or Source("", 0), one.image
