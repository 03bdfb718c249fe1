"""Synthetic films with their lungs drawn, as the finder's fit wants them."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.training.films import write_film


def drawn_lungs(seed: int) -> NDArray[np.uint8]:
    """The lungs of `tests.training.films.film(seed)`, 255 within; the first two throws of its dice say where they lie."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[0:150, 0:140] / 150.0
    middle, height = 0.47 + dice.uniform(-0.03, 0.03), 0.5 + dice.uniform(-0.04, 0.04)
    inside = [((x - middle - side * 0.2) / 0.1) ** 2 + ((y - height) / 0.24) ** 2 < 1 for side in (-1, 1)]
    return np.where(inside[0] | inside[1], np.uint8(255), np.uint8(0))


def write_drawn(root: Path, *, films: int) -> tuple[Path, Path]:
    """A folder of films of two classes, a patient each, and a folder of masks."""
    masks = root / "masks"
    masks.mkdir(parents=True)
    names = [f"IM-{number:04}-0001.png" for number in range(films)]
    for seed, name in enumerate(names):
        write_film(root / "films" / ("NORMAL", "PNEUMONIA")[seed % 2] / name, seed)
        Image.fromarray(drawn_lungs(seed)).save(masks / name)
    write_index(masks, names)
    return root / "films", masks


def write_index(masks: Path, names: list[str], mapped_by: str = "order+size") -> None:
    """The table of the films that masks are for."""
    with (masks / "index.csv").open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["film", "label", "mapped_by"])
        writer.writerows([name, "NORMAL", mapped_by] for name in names)
