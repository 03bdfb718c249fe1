"""PneumoniaMNIST: the same films, cut to squares and made small, in one file with a published digest."""

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.system.download import download
from models.system.files import digest
from training.data.listing import SPLITS
from training.data.patients import DatasetError
from training.intake.write_folder import new_folder

SIZES: Final = (64, 128, 224)
"""Pixels of a side; the films of 28 pixels are too small to be judged."""

_LABELS: Final = {"normal": "NORMAL", "pneumonia": "PNEUMONIA"}


class Source(NamedTuple):
    """Where the file lies, its MD5, the names of its labels by number, and how many films each split has."""

    url: str
    md5: str
    labels: Mapping[str, str]
    films: Mapping[str, int]


def find_source(size: int) -> Source:
    """What the client `medmnist` says of the films of this size. It needs no torch for that, and says so on import.

    Raises:
        DatasetError: "no_client".
    """
    if find_spec("medmnist") is None:
        raise DatasetError(
            "no_client",
            'The client medmnist is not installed. Install it: .venv/bin/python -m pip install --no-deps "medmnist>=3,<4" '
            "(what else it asks for, torch among it, is not used here).",
        )
    with redirect_stdout(io.StringIO()):
        from medmnist import INFO
    info: Any = INFO["pneumoniamnist"]
    return Source(info[f"url_{size}"], info[f"MD5_{size}"], info["label"], info["n_samples"])


def fetch_medmnist(source: Source, folder: Path, *, file: Path | None, progress: Callable[[int, int], None]) -> int:
    """Download the films, or take a `file` that was downloaded elsewhere; check its digest and write the films as PNG files.

    Args:
        progress: called with the bytes that have come and those expected, then with films.

    Returns:
        How many films were written.

    Raises:
        DatasetError: "not_empty", or "download" where the file cannot be had or is another one; nothing is left.
    """
    with new_folder(folder) as made:
        packed = file or made / "films.npz"
        if file is None:
            _download(source, packed, progress)
        _check(source, packed)
        count = _unpack(source, packed, made, progress)
        if file is None:
            packed.unlink()
    return count


def _download(source: Source, packed: Path, progress: Callable[[int, int], None]) -> None:
    try:
        download(source.url, packed, progress)
    except (OSError, HTTPException) as error:
        raise DatasetError(
            "download",
            f"The films could not be fetched from {source.url}: {error}. Try again with a network; or fetch that file on "
            "another machine, and name it with --file.",
        ) from error


def _check(source: Source, packed: Path) -> None:
    try:
        found = digest(packed, "md5")
    except OSError as error:
        raise DatasetError("download", f"--file must be readable. Received: {packed}, {error.strerror}.") from error
    if found != source.md5:
        raise DatasetError(
            "download",
            f"The file must be the published one, of MD5 {source.md5}. Received: {found}. Fetch it again from {source.url}",
        )


def _unpack(source: Source, packed: Path, made: Path, progress: Callable[[int, int], None]) -> int:
    """Write `SPLIT/CLASS/SPLIT_00001.png` …; numbers are those in the file, from 1."""
    total, done = sum(source.films.values()), 0
    with np.load(packed, allow_pickle=False) as arrays:
        for split in SPLITS:
            films: NDArray[np.uint8] = arrays[f"{split}_images"]
            labels = arrays[f"{split}_labels"].reshape(-1)
            if not len(films) == len(labels) == source.films[split]:
                raise DatasetError(
                    "download",
                    f"{split} must have {source.films[split]} films. Received: {len(films)}, {len(labels)} labels.",
                )
            for number, (film, label) in enumerate(zip(films, labels, strict=True), start=1):
                place = made / split / _LABELS[source.labels[str(int(label))]]
                place.mkdir(parents=True, exist_ok=True)
                Image.fromarray(film).save(place / f"{split}_{number:05}.png", compress_level=1)
                done += 1
                progress(done, total)
    return done
