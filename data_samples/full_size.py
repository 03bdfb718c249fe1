"""The registered films in their own proportions, and their mean at the size of a hospital's film."""

from pathlib import Path

import numpy as np
from group_mean import group_mean, markers, resize_field, restore_detail, trimmed_mean, warp, without
from PIL import Image

SHORTER = 448  # pixels: what the films have
PARTS = 13, 16  # down and across: the parts of a picture whose means sources.json gives


def sample_of(files: list[Path], films: np.ndarray, longer: int) -> tuple[np.ndarray, list[int]]:
    """The sample in [0, 1] made from candidates, and the indices of the dozen that went in.

    Args:
        files: the candidates, and `films` their pixels `(n, SIDE, SIDE)` uint8.
        longer: the pixels of the sample's longer side; the other follows from the dozen's median proportions.
    """
    small = films.astype(np.float32) / 255
    found = [markers(film) for film in small]
    dozen, fields = group_mean(np.stack([without(film, where) for film, where in zip(small, found, strict=True)]))
    shape = usual_shape([files[i] for i in dozen])
    large = [without(read_film(files[i], shape), found[i]) for i in dozen]
    mean = trimmed_mean([warp(film, resize_field(field, shape), 3) for film, field in zip(large, fields, strict=True)])
    return enlarged(restore_detail(mean, large), longer), dozen


def usual_shape(files: list[Path]) -> tuple[int, int]:
    """Height and width of films of the files' median proportions, the shorter side `SHORTER`."""
    proportions = []
    for file in files:
        with Image.open(file) as picture:
            proportions.append(picture.width / picture.height)
    wide = float(np.median(proportions))
    return (SHORTER, round(SHORTER * wide)) if wide >= 1 else (round(SHORTER / wide), SHORTER)


def read_film(file: Path, shape: tuple[int, int]) -> np.ndarray:
    """A film brought to a height and a width, float32 in [0, 1]."""
    with Image.open(file) as picture:
        fitted = picture.convert("L").resize(shape[::-1], Image.Resampling.LANCZOS)
    return np.asarray(fitted, np.float32) / 255


def enlarged(film: np.ndarray, longer: int) -> np.ndarray:
    """A film `(H, W)` in [0, 1] with a longer side of so many pixels, by Lanczos' interpolation, which adds no detail."""
    growth = longer / max(film.shape)
    size = round(film.shape[1] * growth), round(film.shape[0] * growth)
    large = Image.fromarray(film.astype(np.float32)).resize(size, Image.Resampling.LANCZOS)
    return np.clip(np.asarray(large), 0, 1)


def part_means(pixels: np.ndarray) -> np.ndarray:
    """The mean grey level of each of `PARTS` equal parts of a picture, by which a decoder can be checked."""
    return np.asarray(Image.fromarray(pixels.astype(np.float32)).resize(PARTS[::-1], Image.Resampling.BOX))
