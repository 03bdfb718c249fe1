"""From a folder of radiographs to a manifest: what is trained on, whose it is, and what was set aside and why.

Two layouts: `DIR/CLASS/*` or `DIR/{train,val,test}/CLASS/*`, with files directly in the class folder or anywhere below. `DIR` may
lie one or two levels below the folder that is named.
"""

import csv
import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.films.patient_key import published_name
from models.films.radiograph import read_bytes
from models.films.refusal import Refusal, attempt
from models.system.files import atomic_path
from training.data.find_data_set import find_data_set
from training.data.fingerprints import PRINTS_FILE, Print, Prints, sha256_of
from training.data.known_files import KnownFiles
from training.data.listing import SPLITS, Candidate, LeftOut, is_image_name
from training.data.patients import DatasetError, name_patients, names_patients, shortened

__all__ = ["SPLITS", "DatasetError", "Entry", "Manifest", "SetAside", "read_manifest"]

OWN_TABLE: Final = "manifest.csv"
"""A table of patients that lies in the data set's folder itself, as `python -m training import` writes it."""

_FILES_AHEAD: Final = 16  # in memory, while the first of them is decoded


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
    """What a folder holds.

    Attributes:
        root: the folder of the class folders or splits; it may lie below the folder that was named.
        labels: the classes in their order.
        patient_source: where patients come from, a sentence.
        left_out: folders that were not looked into and links that were not followed, by their paths.
    """

    root: Path
    labels: tuple[str, ...]
    entries: tuple[Entry, ...]
    set_aside: tuple[SetAside, ...]
    patient_source: str
    left_out: tuple[LeftOut, ...] = ()

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


def read_manifest(
    root: Path,
    *,
    patient_regex: str | None = None,
    patients_csv: Path | None = None,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Read a folder of radiographs. What can be told from names alone is checked before any file is opened.

    Args:
        root: the data set's folder, or one that holds it one or two levels below, and nothing else with images.
        patient_regex: searched in each file's name; its first group is the patient.
        patients_csv: a table with the columns `file` (relative to `root`, or a file name that occurs once) and
            `patient`. Without either, such a table `manifest.csv` in `root` is read; without it, the published names of this
            data are known; a file of an unknown patient is treated as a patient of its own, together with byte-identical
            copies of it.
        cache: where is kept what was told by files and films: those that did not change are not read, and those that are known
            not decoded, again.
        progress: called in order with (files read, files in all).

    Returns:
        Entries and refused files in a fixed order: by split, label, path.

    Raises:
        DatasetError: with a code of `training.data.patients.DATASET_ERROR_CODES` but "too_few_patients".
    """
    root, labels, candidates, left_out = find_data_set(root)
    files = [candidate.path for candidate in candidates]
    if patient_regex is None and patients_csv is None and names_patients(root / OWN_TABLE):
        patients_csv = root / OWN_TABLE
    names = name_patients(files, patient_regex=patient_regex, patients_csv=patients_csv)
    names.require([file for file in files if is_image_name(file)])
    prints, known = Prints(cache / PRINTS_FILE if cache else None), KnownFiles(cache, root)
    entries: list[Entry] = []
    set_aside: list[SetAside] = []
    for number, result in enumerate(_read_all(root, candidates, names.patients, prints, known), start=1):
        if isinstance(result, SetAside):
            set_aside.append(result)
        else:
            entries.append(result)
        if progress is not None:
            progress(number, len(files))
    known.save()
    prints.save()
    _require_entries(candidates, entries, set_aside)
    kept = [entry.path for entry in entries]
    names.require(kept)
    return Manifest(root, labels, tuple(entries), tuple(set_aside), names.describe(kept), tuple(left_out))


def _read_all(
    root: Path, candidates: Sequence[Candidate], patients: Mapping[Path, str], prints: Prints, known: KnownFiles
) -> Iterator[Entry | SetAside]:
    """Read each file that changed once, in order, and decode on all cores what is not known yet; no pixels are kept.

    What is known is told by this thread: to hand a small file over takes longer than to read it.
    """

    def decoded(candidate: Candidate, content: bytes, sha256: str) -> Entry | SetAside:
        seen = attempt(lambda: prints.make(content, sha256))
        if isinstance(seen, Refusal):
            return SetAside(candidate.path, seen.code, seen.sentence)
        return _entry(candidate, sha256, seen, patients)

    def begun(candidate: Candidate) -> Entry | SetAside | Future[Entry | SetAside]:
        stamp = known.stamp(candidate.path)
        if (sha256 := known.find(candidate.path, stamp)) and (seen := prints.find(sha256)):
            return _entry(candidate, sha256, seen, patients)
        content = attempt(lambda: read_bytes(root / candidate.path))
        if isinstance(content, Refusal):
            return SetAside(candidate.path, content.code, content.sentence)
        sha256 = sha256_of(content)
        known.note(candidate.path, stamp, sha256)
        seen = prints.find(sha256)
        return _entry(candidate, sha256, seen, patients) if seen else pool.submit(decoded, candidate, content, sha256)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        coming: deque[Entry | SetAside | Future[Entry | SetAside]] = deque()
        try:
            for candidate in candidates:
                coming.append(begun(candidate))
                if len(coming) > _FILES_AHEAD:
                    yield _done(coming.popleft())
            while coming:
                yield _done(coming.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _done(result: "Entry | SetAside | Future[Entry | SetAside]") -> Entry | SetAside:
    return result.result() if isinstance(result, Future) else result


def _entry(candidate: Candidate, sha256: str, seen: Print, patients: Mapping[Path, str]) -> Entry:
    path, label, split = candidate
    # An image of an unknown patient is named by its content: a copy of it on the other side of a split would leak.
    patient = patients.get(path, f"image:{sha256}")
    name = published_name(path.name)
    batch = name.batch if name else ""
    hashed = bytes.fromhex(seen.perceptual_hash)
    return Entry(path, label, patient, batch, split, sha256, seen.facts, seen.pixels_sha256, hashed)


def _require_entries(candidates: Sequence[Candidate], entries: Sequence[Entry], set_aside: Sequence[SetAside]) -> None:
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
