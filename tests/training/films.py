"""Synthetic films and folders of them: smooth pictures with two dark lungs, in one class with an opacity."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NORMAL_BATCHES, PNEUMONIA_BATCHES = ("IM", "NORMAL2-IM"), ("bacteria", "virus")


def film(seed: int, opacity: float = 0.0) -> NDArray[np.uint8]:
    """A film `(150, 140)`; `opacity`, 0 to 1, clouds the lower part of one lung."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[0:150, 0:140] / 150.0
    middle, height = 0.47 + dice.uniform(-0.03, 0.03), 0.5 + dice.uniform(-0.04, 0.04)
    lungs = sum(_blob(x - middle - side * 0.2, y - height, 0.1, 0.24) for side in (-1, 1))
    side, lower = dice.choice([-1, 1]), height + dice.uniform(0.05, 0.15)
    cloud = opacity * _blob(x - middle - side * 0.2, y - lower, 0.12, 0.13)
    ribs = 8 * np.sin(2 * np.pi * (9 * y + dice.uniform()))
    light = 190 - 130 * lungs + 120 * cloud + ribs + _tissue(dice, y, x) + dice.normal(0, 3, y.shape)
    return np.round(light).clip(0, 255).astype(np.uint8)


def _tissue(dice: np.random.Generator, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Soft waves in all directions: no two films are alike, as no two patients are."""
    down, across, phase = 2 * np.pi * dice.uniform((-9, -9, 0), (9, 9, 1), (30, 3)).T
    rows, columns = np.outer(y[:, 0], down) + phase, np.outer(across, x[0])
    halves = np.hstack([np.sin(rows), np.cos(rows)]), np.vstack([np.cos(columns), np.sin(columns)])
    return 2.5 * np.einsum("ij,jk->ik", *halves)  # the sum of sin(row + column)


def _blob(x: NDArray[np.float64], y: NDArray[np.float64], width: float, height: float) -> NDArray[np.float64]:
    return np.exp(-((x / width) ** 2) - (y / height) ** 2)


def write_film(path: Path, seed: int, opacity: float = 0.0) -> Path:
    """Write a film in the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(film(seed, opacity)).save(path)
    return path


def write_published(root: Path, *, images: int, first: int = 0, batches: Sequence[int] = (0, 1)) -> Path:
    """Write `images` of each class under the published names: two of each patient, half of them in each batch."""
    for number in range(images):
        patient, batch, view = first + number // 2, batches[number // 2 % len(batches)], number % 2 + 1
        normal = f"{NORMAL_BATCHES[batch]}-{patient:04}-{view:04}.png"
        ill = f"person{patient}_{PNEUMONIA_BATCHES[batch]}_{view}.png"
        write_film(root / "NORMAL" / normal, 1000 * first + 2 * number)
        write_film(root / "PNEUMONIA" / ill, 1000 * first + 2 * number + 1, opacity=0.9)
    return root
