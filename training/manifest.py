"""From a folder of radiographs to a manifest: what is trained on, whose it is, and what was set aside and why.

Two layouts: `DIR/CLASS/*` or `DIR/{train,val,test}/CLASS/*`, with files directly in the class folder or anywhere below.
"""

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from models.files import atomic_path
from models.refusal import RefusedError
from training.listing import files_below, folders_and_files
from training.patients import DatasetError, name_patients, published_name, shortened
from training.prints import Prints

__all__ = ["SPLITS", "DatasetError", "Entry", "Manifest", "SetAside", "read_manifest"]

SPLITS: Final = ("train", "val", "test")

# Handing over a file that is known already takes several times as long as reading it.
_FILES_AT_ONCE: Final = 32

# Other words for splits: folders so called are never classes, and reading them as such would train nonsense silently.
_SPLIT_SYNONYMS: Final = {"training", "valid", "validation", "dev", "testing"}
_IMAGE_SUFFIXES: Final = {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom", ".dic"}


@dataclass(frozen=True)
class Entry:
    """A radiograph that was read.

    Attributes:
        path: relative to the manifest's root.
        label: the name of its class folder.
        patient: equal for all images of one patient and for no others, as far as is known.
        batch: the acquisition batch, "" if unknown.
        split: "train", "val" or "test"; "train" where the folder has no splits.
        sha256: of the file's bytes.
        facts: what the file says of itself (`modality`, `view`, `body_part`, `age_years`, `sex`).
        pixels_sha256: of the decoded pixels: equal for copies in another lossless format or with other metadata.
        perceptual_hash: `(32,)` bytes, nearly equal for copies in another encoding or size.
    """

    path: Path
    label: str
    patient: str
    batch: str
    split: str
    sha256: str
    facts: Mapping[str, str]
    pixels_sha256: str
    perceptual_hash: bytes


@dataclass(frozen=True)
class SetAside:
    """A file in a class folder that was refused; `path` is relative to the manifest's root."""

    path: Path
    code: str
    sentence: str


@dataclass(frozen=True)
class Manifest:
    """What a folder holds. `labels` gives the order of the classes, `patient_source` says where patients come from."""

    root: Path
    labels: tuple[str, ...]
    entries: tuple[Entry, ...]
    set_aside: tuple[SetAside, ...]
    patient_source: str

    def select(self, split: str) -> tuple[Entry, ...]:
        """The entries of "train", "val" or "test", in the manifest's order."""
        if split not in SPLITS:
            raise ValueError(f"A split must be one of {', '.join(SPLITS)}. Received: {split!r}")
        return tuple(entry for entry in self.entries if entry.split == split)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the sorted (label, sha256) pairs: the same data under other names has the same fingerprint."""
        pairs = sorted((entry.label, entry.sha256) for entry in self.entries)
        text = "".join(f"{label}\0{digest}\n" for label, digest in pairs)
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

    def write_csv(self, path: Path) -> None:
        """Write one row per entry, whole or not at all; it can serve as a table of patients for the same folder."""
        facts = sorted({fact for entry in self.entries for fact in entry.facts})
        columns = ["file", "label", "patient", "batch", "split", "sha256", *facts]
        with (
            atomic_path(path) as temporary,
            temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as lines,
        ):
            writer = csv.DictWriter(lines, columns, restval="", extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows({**entry.facts, **vars(entry), "file": entry.path.as_posix()} for entry in self.entries)


class _Candidate(NamedTuple):
    """A file in a class folder, not yet opened."""

    path: Path
    label: str
    split: str


def read_manifest(
    root: Path,
    *,
    patient_regex: str | None = None,
    patients_csv: Path | None = None,
    prints: Prints | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Read a folder of radiographs. What can be told from names alone is checked before any file is opened.

    Args:
        root: the data set's folder.
        patient_regex: searched in each file's name; its first group is the patient.
        patients_csv: a table with the columns `file` (relative to `root`, or a file name that occurs once) and
            `patient`. Without either, the published names of this data are known; a file of an unknown patient is
            treated as a patient of its own, together with byte-identical copies of it.
        prints: what is known of films from earlier runs, and is kept for later ones; they are not decoded again.
        progress: called in order with (files read, files in all).

    Returns:
        Entries and refused files in a fixed order: by split, label, path.

    Raises:
        DatasetError: with a code of `training.patients.DATASET_ERROR_CODES` but "too_few_patients".
    """
    labels, candidates = _list_candidates(root)
    files = [candidate.path for candidate in candidates]
    names = name_patients(files, patient_regex=patient_regex, patients_csv=patients_csv)
    names.require([file for file in files if _is_image_name(file)])
    prints = prints or Prints()
    entries: list[Entry] = []
    set_aside: list[SetAside] = []
    for number, result in enumerate(_read_all(root, candidates, names.patients, prints), start=1):
        if isinstance(result, SetAside):
            set_aside.append(result)
        else:
            entries.append(result)
        if progress is not None:
            progress(number, len(files))
    prints.save()
    _require_entries(candidates, entries, set_aside)
    kept = [entry.path for entry in entries]
    names.require(kept)
    return Manifest(root, labels, tuple(entries), tuple(set_aside), names.describe(kept))


def _read_all(
    root: Path, candidates: Sequence[_Candidate], patients: Mapping[Path, str], prints: Prints
) -> Iterator[Entry | SetAside]:
    """Read each file once, on all cores (the codecs release the interpreter), in order; no pixels are kept."""

    def read(candidate: _Candidate) -> Entry | SetAside:
        path, label, split = candidate
        try:
            sha256, seen = prints.of(root / path)
        except RefusedError as error:
            return SetAside(path, error.refusal.code, error.refusal.sentence)
        # An image of an unknown patient is named by its content: a copy of it on the other side of a split would leak.
        patient = patients.get(path, f"image:{sha256}")
        name = published_name(path.name)
        batch = name.batch if name else ""
        hashed = bytes.fromhex(seen.perceptual_hash)
        return Entry(path, label, patient, batch, split, sha256, seen.facts, seen.pixels_sha256, hashed)

    def read_some(start: int) -> list[Entry | SetAside]:
        return [read(candidate) for candidate in candidates[start : start + _FILES_AT_ONCE]]

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for some in pool.map(read_some, range(0, len(candidates), _FILES_AT_ONCE)):
            yield from some


def _require_entries(candidates: Sequence[_Candidate], entries: Sequence[Entry], set_aside: Sequence[SetAside]) -> None:
    """Refuse a class of which nothing could be read, and say why nothing could."""
    kept = {(entry.split, entry.label) for entry in entries}
    lost = [candidate for candidate in candidates if (candidate.split, candidate.label) not in kept]
    if not lost:
        return
    paths = {candidate.path for candidate in lost}
    refused = {item.code: item for item in reversed(set_aside) if item.path in paths}
    counts = Counter(item.code for item in set_aside if item.path in paths)
    reasons = "; ".join(
        f"{count} {code} (such as {refused[code].path.as_posix()}: {refused[code].sentence})"
        for code, count in counts.most_common()
    )
    splits = len({candidate.split for candidate in candidates}) > 1
    names = list(dict.fromkeys(f"{split}/{label}" if splits else label for _, label, split in lost))
    raise DatasetError(
        "empty_class" if entries else "no_images",
        f"Each class must hold readable radiographs. Received: none in {shortened(names)}. Set aside: {reasons}",
    )


def _list_candidates(root: Path) -> tuple[tuple[str, ...], list[_Candidate]]:
    """The labels in order and every file in a class folder, by names alone, or the reason why there is no data set."""
    if not root.is_dir():
        found = "which is a file" if root.exists() else "where there is nothing"
        raise DatasetError("not_a_folder", f"A data set must be a folder of class folders. Received: {root}, {found}.")
    classes: dict[str, dict[str, list[Path]]] = {}
    loose: list[Path] = []
    for split, parent in _split_folders(root).items():
        folders, files = folders_and_files(parent)
        classes[split] = {folder.name: files_below(folder) for folder in folders}
        loose += [file for file in files if _is_image_name(file)]
    _require_classes(root, classes, [file.relative_to(root).as_posix() for file in loose])
    candidates = [
        _Candidate(file.relative_to(root), label, split)
        for split, of_split in classes.items()
        for label, files in of_split.items()
        for file in files
    ]
    return tuple(classes["train"]), candidates


def _split_folders(root: Path) -> dict[str, Path]:
    """The folder with the class folders of each split, in the order of `SPLITS`; the root where there are no splits."""
    folders, _ = folders_and_files(root)
    by_split = {folder.name.casefold(): folder for folder in folders if folder.name.casefold() in SPLITS}
    others = [folder.name for folder in folders if folder not in by_split.values()]
    if not by_split and not (folders and all(name.casefold() in _SPLIT_SYNONYMS for name in others)):
        return {"train": root}
    if others:
        raise DatasetError(
            "mixed_layout",
            f"Beside the splits train, val and test there must be no further folder. Received: {shortened(others)} in "
            f"{root}. Rename or move them, or name the folder that holds the classes.",
        )
    if "train" not in by_split:
        raise DatasetError(
            "mixed_layout",
            f"Where a folder has splits, one must be train. Received: {', '.join(by_split)} in {root}. "
            f"To use one split alone, name it: {root / next(iter(by_split.values())).name}",
        )
    return {split: by_split[split] for split in SPLITS if split in by_split}


def _require_classes(root: Path, classes: Mapping[str, Mapping[str, list[Path]]], loose: Sequence[str]) -> None:
    """Refuse what names alone show to be no data set; `loose` are the images beside the class folders."""
    labels = list(classes["train"])
    if not loose and not any(files for of_split in classes.values() for files in of_split.values()):
        raise DatasetError("no_images", f"A data set must hold images in class folders. Received: none in {root}.")
    for split, of_split in classes.items():
        if set(of_split) != set(labels):
            raise DatasetError(
                "mixed_layout",
                f"Each split must have the same class folders. Received: {', '.join(labels) or 'none'} in train, "
                f"{', '.join(of_split) or 'none'} in {split}.",
            )
    if len(labels) < 2:
        found = f"only {labels[0]}" if labels else f"{len(loose)} images directly in it and no folder"
        raise DatasetError(
            "single_class", f"A data set must have two or more class folders. Received: {found} in {root}."
        )
    if loose:
        raise DatasetError(
            "mixed_layout",
            f"Each image must be in a class folder. Received: {len(loose)} beside the class folders "
            f"({shortened(loose)}). Move them into a class folder or out of {root}.",
        )
    empty: list[str] = []
    several = len(classes) > 1
    for split, of_split in classes.items():
        empty += [f"{split}/{label}" if several else label for label, files in of_split.items() if not files]
    if empty:
        raise DatasetError(
            "empty_class",
            f"Each class folder must hold images. Received: no files in {shortened(empty)}. Add images, or remove the "
            "folder if it is no class.",
        )


def _is_image_name(file: Path) -> bool:
    return file.suffix.lower() in _IMAGE_SUFFIXES
