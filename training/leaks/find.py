"""The leak gate: no film, and no patient, may stand on both sides of a split.

A leak is a pair of films that would be learnt from and judged by as if they were independent: of two patients, whom
cross-validation may put apart, or of the training part (train and val, which are learnt from together, by patient) and the
test split. Pairs of one patient in one part are none, as a patient is never divided. One film under two labels always is.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.data.manifest import Entry, Manifest
from training.data.patients import DatasetError
from training.leaks.near_pairs import near_pairs

EmbedPlain = Callable[[Sequence[Entry]], NDArray[np.float32]]
"""Gives the embeddings `(n, d)` of plain films."""

# Between what copies differ in (14 bits of 256 at most) and what patients do (39 at least; see `perceptual_hash`).
NEAR_BITS: Final = 30
# Of films of two patients that the hash took for copies, the embedding would turn away this share; it keeps the copies at
# JPEG quality 60 and 0.7 of the size, some of which a stricter threshold (0.99) loses.
COSINE_QUANTILE: Final = 0.95
_REFERENCE_FILMS: Final = 400


@dataclass(frozen=True)
class LeakPair:
    """Two films that must not stand on two sides.

    Attributes:
        kind: "exact" (equal pixels), "near" (another encoding or size), "patient" (one patient in the training part and in
            the test split; the pair shows one film of each).
        bits: in how many of 256 bits the perceptual hashes differ; None for "patient".
        cosine: of the standardised embeddings; only where it decided, in "near".
    """

    first: Entry
    second: Entry
    kind: str
    bits: int | None = None
    cosine: float | None = None

    @property
    def conflict(self) -> bool:
        """Whether one film has two labels."""
        return self.kind == "exact" and self.first.label != self.second.label


@dataclass(frozen=True)
class Leaks:
    """What was found among `images` films, and what was done about it.

    Attributes:
        pairs: label conflicts first, then by kind.
        cosine_threshold: above it a near-duplicate counts as confirmed; None where the hash found none to confirm.
        merged: patients that were found to be another one, as `regroup` counts them.
        taken_out: films taken out of the training part because the test split shows their patient.
    """

    images: int
    pairs: tuple[LeakPair, ...]
    cosine_threshold: float | None = None
    merged: int = 0
    taken_out: int = 0

    def count(self, kind: str) -> int:
        return sum(pair.kind == kind for pair in self.pairs)

    @property
    def conflicts(self) -> int:
        return sum(pair.conflict for pair in self.pairs)

    def as_json(self) -> dict[str, Any]:
        """Counts for the report; no file or patient is named."""
        return {
            "images": self.images,
            "exact": self.count("exact"),
            "near": self.count("near"),
            "patients": self.count("patient"),
            "label_conflicts": self.conflicts,
            "merged": self.merged,
            "taken_out": self.taken_out,
            "near_bits": NEAR_BITS,
            "cosine_threshold": self.cosine_threshold,
        }


def find_leaks(manifest: Manifest, embed_plain: EmbedPlain, *, seed: int) -> Leaks:
    """Search all films of a manifest. Only where the hash finds near-duplicates are films embedded, to confirm them."""
    near, threshold = _near_duplicates(manifest.entries, embed_plain, seed=seed)
    found = [*_exact_duplicates(manifest.entries), *near, *_divided_patients(manifest.entries)]
    pairs = sorted((pair for pair in found if _is_leak(pair)), key=lambda pair: not pair.conflict)
    return Leaks(len(manifest.entries), tuple(pairs), threshold)


def regroup(manifest: Manifest, leaks: Leaks) -> tuple[Manifest, Leaks]:
    """Merge the patients of each pair into one, and keep from the training part whoever is then in the test split.

    The films of the test split all stay. A film under two labels stays under both, with one patient.

    Raises:
        DatasetError: "leak" where a class has nothing left to learn from.
    """
    names = _merge((pair.first.patient, pair.second.patient) for pair in leaks.pairs)
    entries = [replace(entry, patient=names.get(entry.patient, entry.patient)) for entry in manifest.entries]
    tested = {entry.patient for entry in entries if _in_test(entry)}
    kept = tuple(entry for entry in entries if _in_test(entry) or entry.patient not in tested)
    if lost := [label for label in manifest.labels if all(_in_test(entry) or entry.label != label for entry in kept)]:
        raise DatasetError(
            "leak",
            "Each class must have films of patients whom the test split does not show. Received: none of "
            f"{', '.join(lost)} after --regroup. Divide the folder into train and test by patient.",
        )
    merged = sum(name != patient for patient, name in names.items())
    return replace(manifest, entries=kept), replace(leaks, merged=merged, taken_out=len(entries) - len(kept))


def _in_test(entry: Entry) -> bool:
    return entry.split == "test"


def _is_leak(pair: LeakPair) -> bool:
    sides = _in_test(pair.first) + _in_test(pair.second)
    return pair.conflict or sides == 1 or (sides == 0 and pair.first.patient != pair.second.patient)


def _exact_duplicates(entries: Sequence[Entry]) -> list[LeakPair]:
    """Each further film of the same pixels with the first one: films of the training part come first in a manifest."""
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.pixels_sha256].append(entry)
    return [LeakPair(first, other, "exact", 0) for first, *others in groups.values() for other in others]


def _divided_patients(entries: Sequence[Entry]) -> list[LeakPair]:
    """Patients with films in the training part and in the test split, by the first film in each."""
    learnt: dict[str, Entry] = {}
    tested: dict[str, Entry] = {}
    for entry in entries:
        (tested if _in_test(entry) else learnt).setdefault(entry.patient, entry)
    return [LeakPair(learnt[patient], tested[patient], "patient") for patient in learnt if patient in tested]


def _near_duplicates(
    entries: Sequence[Entry], embed_plain: EmbedPlain, *, seed: int
) -> tuple[list[LeakPair], float | None]:
    """Pairs by the perceptual hash that the embedding confirms, and the cosine above which it does."""
    films = list({entry.pixels_sha256: entry for entry in reversed(entries)}.values())[::-1]  # the first of equal ones
    hashes = np.frombuffer(b"".join(film.perceptual_hash for film in films), np.uint8).reshape(len(films), -1)
    places, bits = near_pairs(hashes, most_bits=NEAR_BITS)
    likely = partial(LeakPair, kind="near")
    candidates = [
        pair
        for (first, second), distance in zip(places.tolist(), bits.tolist(), strict=True)
        if _is_leak(pair := likely(films[first], films[second], bits=distance))
    ]
    if not candidates:
        return [], None
    cosines, threshold = _cosines(candidates, films, embed_plain, seed=seed)
    pairs = [replace(pair, cosine=cosine) for pair, cosine in zip(candidates, cosines.tolist(), strict=True)]
    return [pair for pair in pairs if pair.cosine is not None and pair.cosine > threshold], threshold


def _cosines(
    candidates: Sequence[LeakPair], films: Sequence[Entry], embed_plain: EmbedPlain, *, seed: int
) -> tuple[NDArray[np.float32], float]:
    """The cosine `(n,)` of each candidate, and the threshold that films of different patients give.

    Embeddings are standardised first: as they come, those of any two chest films have a cosine above 0.97.
    """
    draw = np.random.default_rng(seed)
    chosen = draw.choice(len(films), min(_REFERENCE_FILMS, len(films)), replace=False)
    reference = [films[place] for place in np.sort(chosen)]
    count = len(reference)
    embeddings = embed_plain([*reference, *(film for pair in candidates for film in (pair.first, pair.second))])
    spread = embeddings[:count].std(axis=0)
    standard = (embeddings - embeddings[:count].mean(axis=0)) / np.where(spread > 0, spread, 1)
    standard /= np.maximum(np.linalg.norm(standard, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    patients = np.unique([film.patient for film in reference], return_inverse=True)[1]
    strangers = patients[:, None] != patients[None, :]
    hashes = np.frombuffer(b"".join(film.perceptual_hash for film in reference), np.uint8).reshape(count, -1)
    alike, _ = near_pairs(hashes, most_bits=NEAR_BITS)
    strangers[alike[:, 0], alike[:, 1]] = strangers[alike[:, 1], alike[:, 0]] = False
    between = (standard[:count] @ standard[:count].T)[strangers]
    threshold = float(np.quantile(between, COSINE_QUANTILE)) if between.size else -1.0
    return (standard[count::2] * standard[count + 1 :: 2]).sum(axis=1), threshold


def _merge(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The name that each patient in `pairs` has once those of each pair are one: union-find; the first name wins."""
    parent: dict[str, str] = {}

    def root(patient: str) -> str:
        while (above := parent.setdefault(patient, patient)) != patient:
            parent[patient] = parent[above]
            patient = above
        return patient

    for first, second in pairs:
        parent[root(second)] = root(first)
    return {patient: root(patient) for patient in list(parent)}


def describe(leaks: Leaks) -> str:
    """The counts in words: "2 exact duplicates, 1 near-duplicate"; "none" where there is nothing."""
    counts = Counter({kind: leaks.count(kind) for kind in ("exact", "near", "patient")})
    words = [
        _counted(counts["exact"], "exact duplicate", "exact duplicates"),
        _counted(counts["near"], "near-duplicate", "near-duplicates"),
        _counted(counts["patient"], "patient", "patients") + " in both the training part and the test split",
        _counted(leaks.conflicts, "film", "films") + " under two labels",
    ]
    numbers = (counts["exact"], counts["near"], counts["patient"], leaks.conflicts)
    return ", ".join(word for word, number in zip(words, numbers, strict=True) if number) or "none"


def _counted(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
