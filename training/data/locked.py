"""Patients that are locked away before a training, to compare bundles on; and what a bundle has learnt from.

Who is locked depends on the patient's name alone, so that the same patients stay locked in each run, whatever films come or go;
but of each class there are two at least.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.data.learnable import learnable
from training.data.manifest import Entry, Manifest
from training.data.patients import DatasetError

LEARNT_FILE: Final = "learnt_from.npz"
"""In a bundle: the first 64 bits of the SHA-256 of each film, and of each patient's name, that it was trained on."""

_FEWEST: Final = 2  # patients of a class: fewer give no interval


def lock_patients(manifest: Manifest, share: float) -> Manifest:
    """Put the films of so many of the patients into the test split, which is never learnt from; a folder that has one keeps it.

    Raises:
        DatasetError: "too_few_patients" where a class would have none to learn from.
    """
    if not share or manifest.select("test"):
        return manifest
    locked = set().union(*(_locked_of(manifest, label, share) for label in manifest.labels))
    entries = tuple(replace(entry, split="test") if entry.patient in locked else entry for entry in manifest.entries)
    for label in manifest.labels:
        if all(entry.split == "test" for entry in entries if entry.label == label):
            raise DatasetError(
                "too_few_patients",
                f"Each class needs patients to learn from beside those that are locked away, {share:.0%} of them. Received too "
                f"few of {label}. Add images of further patients, or lock fewer of them.",
            )
    return replace(manifest, entries=entries)


@dataclass(frozen=True)
class Overlap:
    """How many of some films, and of their patients, a bundle was trained on."""

    films: int
    patients: int


def save_learnt(manifest: Manifest, folder: Path) -> None:
    """Write into a bundle's folder what it was trained on."""
    entries = learnable(manifest)
    np.savez(folder / LEARNT_FILE, films=_films(entries), patients=_patients(entries))


def overlap(folder: Path, entries: Sequence[Entry]) -> Overlap | None:
    """How many of these the bundle in a folder was trained on; None where it does not say."""
    try:
        with np.load(folder / LEARNT_FILE, allow_pickle=False) as learnt:
            films, patients = learnt["films"], learnt["patients"]
    except (OSError, ValueError, KeyError):
        return None
    return Overlap(int(np.isin(_films(entries), films).sum()), int(np.isin(_patients(entries), patients).sum()))


def _locked_of(manifest: Manifest, label: str, share: float) -> set[str]:
    """The patients of a class whose digest lies in the lowest share of all that there could be; the two lowest at least."""
    drawn = sorted(
        (_digest(f"locked {patient}"), patient)
        for patient in {entry.patient for entry in manifest.entries if entry.label == label}
    )
    return {patient for place, (digest, patient) in enumerate(drawn) if place < _FEWEST or digest / 2**64 < share}


def _films(entries: Iterable[Entry]) -> NDArray[np.uint64]:
    return np.array(sorted({int(entry.sha256[:16], 16) for entry in entries}), np.uint64)


def _patients(entries: Iterable[Entry]) -> NDArray[np.uint64]:
    return np.array(sorted({_digest(entry.patient) for entry in entries}), np.uint64)


def _digest(text: str) -> int:
    return int(hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:16], 16)
