"""Which films of the training data belong together: similar body shapes, and for pneumonia a similar place of the opacity."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from group_mean import CANDIDATES, SIDE, different_patients, reduce
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

_PATIENT = re.compile(r"person\d+|(?:NORMAL2-)?IM-\d+")
_BLOCK = 8  # the side, in pixels, of the blocks that films are described by
_SHAPES = {"NORMAL": 5, "PNEUMONIA": 8}  # body shapes to tell apart, in each class
_NEAREST = 700  # the films of a shape among which an opacity is looked for


@dataclass(frozen=True)
class Group:
    """Which films a sample is made from.

    Attributes:
        file: the sample's file name.
        label: the class.
        longer: the pixels of the sample's longer side.
        shape: the cluster of body shapes, found by k-means.
        bright, dark: places, as fractions of the height and the width, that are to be bright and dark for that shape.
    """

    file: str
    label: str
    longer: int
    shape: int
    bright: tuple[tuple[float, float], ...] = ()
    dark: tuple[tuple[float, float], ...] = ()


def patient_of(name: str) -> str:
    """The patient in a film's published file name."""
    found = _PATIENT.match(name)
    if found is None:
        raise ValueError(f"A film's name must start with person<n> or [NORMAL2-]IM-<n>. Received: {name!r}")
    return found[0]


def read_films(folder: Path) -> tuple[list[Path], np.ndarray]:
    """The films of a class in the order of their names, and their pixels `(n, SIDE, SIDE)` uint8."""
    files = sorted(folder.glob("*.jpeg"))
    if not files:
        raise FileNotFoundError(f"--data must lead to NORMAL and PNEUMONIA with .jpeg files. Received: {folder.parent}")
    films = np.empty((len(files), SIDE, SIDE), np.uint8)
    for index, file in enumerate(files):
        with Image.open(file) as picture:
            films[index] = np.asarray(picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return files, films


class Chooser:
    """The films of one class, described by the standardised brightness of their blocks and clustered by body shape."""

    def __init__(self, label: str, files: list[Path], films: np.ndarray) -> None:
        self.patients = [patient_of(file.name) for file in files]
        blocks = np.stack([reduce(film.astype(np.float32), _BLOCK) for film in films])
        spread = blocks.std((1, 2), keepdims=True) + 1e-6
        self._blocks = (blocks - blocks.mean((1, 2), keepdims=True)) / spread
        self._components = PCA(24, random_state=0).fit_transform(self._blocks.reshape(len(films), -1))
        shapes = KMeans(_SHAPES[label], n_init=2, random_state=0).fit(self._components)
        self._centres = shapes.cluster_centers_

    def candidates(self, group: Group) -> list[int]:
        """The films that fit a group best, no two of one patient, best first."""
        distance = ((self._components - self._centres[group.shape]) ** 2).sum(1)
        order = np.argsort(distance, kind="stable")
        if group.bright:
            nearest = order[:_NEAREST]
            weights = self._places(group.bright) - self._places(group.dark)
            order = nearest[np.argsort(-(self._blocks[nearest] * weights).sum((1, 2)), kind="stable")]
        return different_patients([int(index) for index in order], self.patients, CANDIDATES)

    def _places(self, places: tuple[tuple[float, float], ...]) -> np.ndarray:
        """Gaussian weights round the places, summing to 1 for each."""
        side = SIDE // _BLOCK
        rows, columns = (np.indices((side, side)) + 0.5) / side
        total = np.zeros((side, side))
        for row, column in places:
            weights = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * 0.07**2))
            total += weights / weights.sum()
        return total
