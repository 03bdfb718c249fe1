"""The published archive of paediatric films from Kaggle, by Kaggle's own client."""

import csv
import shutil
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from models.system.download import check_reachable
from models.system.files import digest
from training.data.find_data_set import find_data_set
from training.data.listing import Listing, list_candidates
from training.data.patients import DatasetError
from training.intake.write_folder import new_folder

HANDLE: Final = "paultimothymooney/chest-xray-pneumonia"
PAGE: Final = f"https://www.kaggle.com/datasets/{HANDLE}"

DIGESTS_TABLE: Final = "digests.csv"

FILMS: Final = {
    ("train", "NORMAL"): 1341,
    ("train", "PNEUMONIA"): 3875,
    ("val", "NORMAL"): 8,
    ("val", "PNEUMONIA"): 8,
    ("test", "NORMAL"): 234,
    ("test", "PNEUMONIA"): 390,
}
"""How many films of each split and class the archive has. Nobody publishes a digest of it."""


def fetch_kaggle(folder: Path, *, progress: Callable[[int, int], None]) -> str:
    """Download the archive, check the number of films, and write their digests; return the digest over all of them.

    Raises:
        DatasetError: "no_client", "not_empty", or "download" where it cannot be reached or something else came; nothing is left.
    """
    if find_spec("kagglehub") is None:
        raise DatasetError(
            "no_client",
            "Kaggle's client is not installed. Install it: .venv/bin/python -m pip install --require-hashes --requirement "
            f"requirements-download.lock. Or unpack the archive from {PAGE} yourself; training finds the films in it.",
        )
    with new_folder(folder) as made:
        unpacked = made / "download"
        unpacked.mkdir()
        _download(unpacked)
        return arrange(unpacked, made, progress=progress)


def _download(unpacked: Path) -> None:
    from kagglesdk.kaggle_env import get_endpoint, get_env

    try:
        check_reachable(get_endpoint(get_env()))  # the client itself would wait for as long as the network lets it
    except OSError as error:
        raise _failed(error) from error
    import kagglehub
    from kagglehub.exceptions import (
        BackendError,
        CredentialError,
        DataCorruptionError,
        NotFoundError,
        UnauthenticatedError,
    )

    try:
        kagglehub.dataset_download(HANDLE, output_dir=str(unpacked))
    except (OSError, BackendError, CredentialError, DataCorruptionError, NotFoundError, UnauthenticatedError) as error:
        raise _failed(error) from error


def _failed(error: Exception) -> DatasetError:
    return DatasetError(
        "download",
        f"The archive could not be fetched from Kaggle: {error}. Try again with a network; or fetch it from {PAGE} on another "
        "machine, unpack it here, and name the folder: training finds the films in it.",
    )


def arrange(unpacked: Path, made: Path, *, progress: Callable[[int, int], None]) -> str:
    """Check what was unpacked within `made`, take its splits there, write `digests.csv`, and return a digest of that table.

    Raises:
        DatasetError: "download" where it does not hold the published number of films.
    """
    found = _listing(unpacked)
    counts = Counter((one.split, one.label) for one in found.candidates)
    if counts != FILMS:
        raise DatasetError(
            "download",
            f"The archive must hold {sum(FILMS.values()):,} films: {_described(FILMS)}. Received: {_described(counts)}. Kaggle "
            f"may have another version now; look at {PAGE}.",
        )
    for split in dict.fromkeys(split for split, _ in FILMS):
        (found.root / split).rename(made / split)
    shutil.rmtree(unpacked)
    table = made / DIGESTS_TABLE
    with table.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["file", "sha256"])
        for done, one in enumerate(sorted(found.candidates), start=1):
            writer.writerow([one.path.as_posix(), digest(made / one.path)])
            progress(done, len(found.candidates))
    return digest(table)


def _listing(unpacked: Path) -> Listing:
    """The films of the archive, which holds them twice, once within a folder of its own name."""
    try:
        return find_data_set(unpacked)
    except DatasetError as error:
        if not error.candidates:
            raise DatasetError("download", f"The archive must hold class folders. {error}") from error
        return list_candidates(error.candidates[0])


def _described(counts: "dict[tuple[str, str], int] | Counter[tuple[str, str]]") -> str:
    return ", ".join(f"{count:,} {split}/{label}" for (split, label), count in counts.items()) or "none"
