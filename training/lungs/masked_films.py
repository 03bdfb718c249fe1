"""Films with their lungs drawn by people, and on which side of the fit each patient stands."""

import csv
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.films.patient_key import published_name
from training.data.failed_films import of_film, read_film
from training.data.listing import is_image_name
from training.data.patients import DatasetError

INDEX: Final = "index.csv"

CERTAIN: Final = ("", "unique size+order", "order+size")
"""How a mask may have come to its film for the film to count; the column `mapped_by` may be left out."""

_LEFT_OUT: Final = 4  # one patient in so many


@dataclass(frozen=True)
class MaskedFilm:
    """A film, the picture of its lungs, and whose it is."""

    path: Path
    mask: Path
    patient: str

    def pixels(self) -> NDArray[np.uint8]:
        """The film `(H, W)`; raises FailedFilmsError where it cannot be read."""
        return read_film(self.path)

    def lungs(self) -> NDArray[np.uint8]:
        """The drawn lungs in the film's proportions, `(h, w)`, 255 within and 0 without; raises as `pixels`."""
        drawn = of_film(self.path, lambda: np.asarray(Image.open(self.mask).convert("L")))
        return np.where(drawn > 127, np.uint8(255), np.uint8(0))

    @property
    def judges(self) -> bool:
        """Whether the film is kept from the fit to judge it by: a quarter of the patients, the same ones everywhere."""
        return zlib.crc32(self.patient.encode()) % _LEFT_OUT == 0

    @property
    def half(self) -> int:
        """0 or 1: which of the two regressions its patient teaches."""
        return zlib.crc32(self.patient.encode()) // _LEFT_OUT % 2

    def random(self) -> np.random.Generator:
        """Dice that fall the same way for the same file name, so that a fit repeats."""
        return np.random.default_rng(zlib.crc32(self.path.name.encode()))


def list_masked_films(folders: Sequence[Path], masks: Path) -> list[MaskedFilm]:
    """The films of one or several folders, at any depth, that `masks` has a drawing for, by name.

    Args:
        folders: of films; the same film may lie in several, in different forms.
        masks: a folder of `NAME.png` with a table `index.csv` whose column `film` holds the films' names.

    Raises:
        DatasetError: "not_a_folder" or "no_images".
        OSError: where the table cannot be read.
    """
    for folder in (*folders, masks):
        if not folder.is_dir():
            raise DatasetError("not_a_folder", f"Films and masks must be in folders. Received: {folder}")
    drawn = _drawn(masks)
    paths = (path for folder in folders for path in sorted(folder.rglob("*")) if is_image_name(path))
    films = [MaskedFilm(path, drawn[path.name], patient_of(path)) for path in paths if path.name in drawn]
    if not films:
        raise DatasetError(
            "no_images",
            f"Some films must have a mask of their name. Received: none of those in {', '.join(map(str, folders))} is in "
            f"{masks / INDEX}.",
        )
    return films


def patient_of(path: Path) -> str:
    """The patient that a published name tells; any other file counts as a patient of its own."""
    name = published_name(path.name)
    return name.patient if name else path.stem


def divide(films: Iterable[MaskedFilm], *, left_out: Sequence[Path] = ()) -> tuple[list[MaskedFilm], list[MaskedFilm]]:
    """Films to fit on, and films of other patients to judge by: a quarter, and all whose patients are in `left_out` folders."""
    strangers = {patient_of(path) for folder in left_out for path in folder.rglob("*") if is_image_name(path)}
    fitted: list[MaskedFilm] = []
    judging: list[MaskedFilm] = []
    for film in films:
        (judging if film.judges or film.patient in strangers else fitted).append(film)
    if not fitted or not judging:
        raise DatasetError(
            "too_few_patients",
            f"There must be films of patients to fit on and of others to judge by. Received: {len(fitted)} and {len(judging)}",
        )
    return fitted, judging


def coverage(lungs: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """The share of each of `(size, size)` places that is lung, of a drawing `(h, w)` in 0 and 255."""
    small = Image.fromarray(lungs).convert("F").resize((size, size), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


def _drawn(masks: Path) -> dict[str, Path]:
    """The masks by the names of their films."""
    with (masks / INDEX).open(encoding="utf-8-sig", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if (row.get("mapped_by") or "") in CERTAIN]
    named = {row["film"]: masks / f"{Path(row['film']).stem}.png" for row in rows if row.get("film")}
    return {film: mask for film, mask in named.items() if mask.is_file()}
