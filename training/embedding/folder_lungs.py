"""Where the lungs of each film of a folder are, and on whose surroundings they are shown."""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.films.refusal import Refusal
from models.lungs.search import FoundLungs
from training.config import NO_VIEWS, AugmentationConfig
from training.data.manifest import Entry, Manifest
from training.embedding.views import Film, Probe, View


@dataclass(frozen=True, eq=False)
class FolderLungs:
    """The lungs of a folder.

    Attributes:
        finder: digest of the finder; a part of the name under which embeddings are kept.
        found: by the digest of the film.
        rings: by class, the films as sorted digests, with patient and path. The donor of a film is the next in a ring: for
            each view drawn evenly from the classes, and changed by no other film that comes or goes.
    """

    finder: str
    found: Mapping[str, FoundLungs]
    rings: Mapping[str, Sequence[tuple[str, str, Path]]]

    @classmethod
    def of(cls, finder: str, found: Mapping[str, FoundLungs], root: Path, entries: Sequence[Entry]) -> "FolderLungs":
        """Make the rings of those films in which lungs were found."""
        labels = sorted({entry.label for entry in entries})
        rings = {
            label: sorted(
                {
                    (entry.sha256, entry.patient, root / entry.path)
                    for entry in entries
                    if entry.label == label and found[entry.sha256].box is not None
                }
            )
            for label in labels
        }
        return cls(finder, found, rings)

    def hindrance(self, sha256: str) -> Refusal | None:
        """Why nothing can be learnt from a film as it is; None where something can."""
        finding = self.found[sha256].finding
        return finding if finding is not None and finding.code != "lungs_cut_off" else None

    def usable(self, manifest: Manifest) -> Manifest:
        """The films of a manifest from which something can be learnt as they are."""
        return replace(manifest, entries=tuple(one for one in manifest.entries if self.hindrance(one.sha256) is None))

    def whole(self, entries: Sequence[Entry]) -> NDArray[np.float32]:
        """What the finder's network sees of each whole film, `(n, 1392)`."""
        return np.stack([self.found[entry.sha256].embedding for entry in entries])

    def film(
        self, root: Path, entry: Entry, views: Sequence[View], augmentation: AugmentationConfig, seed: int
    ) -> Film:
        """A film with its lungs, and the donor of each of its views that has one."""
        donors = {view: donor for view in views if (donor := self._donor(entry, view, augmentation, seed)) is not None}
        return Film(root / entry.path, entry.sha256, lungs=self.found[entry.sha256], donors=donors)

    def _donor(self, entry: Entry, view: View, augmentation: AugmentationConfig, seed: int) -> Film | None:
        if view is Probe.EXCHANGED:
            others = [label for label in self.rings if label != entry.label]
            return self._next(entry, others[_draw(entry, view, seed) % len(others)])
        if isinstance(view, Probe) or view == 0:
            return None
        if _draw(entry, f"exchange {view}", seed) / 2**32 >= augmentation.exchange:
            return None
        return self._next(entry, list(self.rings)[_draw(entry, view, seed) % len(self.rings)])

    def _next(self, entry: Entry, label: str) -> Film | None:
        """The film of a class whose digest follows, of another patient; None where the class has no other."""
        ring = self.rings[label]
        start = bisect_right(ring, entry.sha256, key=lambda one: one[0])
        for step in range(len(ring)):
            sha256, patient, path = ring[(start + step) % len(ring)]
            if patient != entry.patient:
                return Film(path, sha256, lungs=self.found[sha256])
        return None


def film_of(
    root: Path,
    entry: Entry,
    lungs: FolderLungs | None,
    *,
    views: Sequence[View] = (),
    augmentation: AugmentationConfig = NO_VIEWS,
    seed: int = 0,
    label: int = 0,
) -> Film:
    """A film of a folder as it is to be viewed: with its lungs and donors, or whole where lungs are not looked for."""
    if lungs is None:
        return Film(root / entry.path, entry.sha256, label)
    return lungs.film(root, entry, views, augmentation, seed)._replace(label=label)


def _draw(entry: Entry, what: object, seed: int) -> int:
    """A number in 0 … 2³² − 1 that only film, purpose and seed decide."""
    return int(hashlib.sha256(f"{entry.sha256} {what} {seed}".encode()).hexdigest()[:8], 16)
