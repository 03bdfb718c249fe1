"""Small labelled pictures for experiments with small networks."""

import gzip
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.films.radiograph import read_radiograph
from training.data.manifest import read_manifest
from training.digits.mnist import Pictures, as_pictures

FASHION_MNIST: Final = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package `dataset-fashion-mnist` puts its files."""


def read_fashion_mnist(folder: Path = FASHION_MNIST) -> Pictures:
    """Fashion-MNIST (Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747) from its four gzipped IDX files."""
    names = [f"{part}-{kind}.gz" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ValueError(
            f"Fashion-MNIST must be in {folder}. Missing: {', '.join(missing)}. On Debian: apt install "
            "dataset-fashion-mnist"
        )
    return as_pictures(*(read_idx(folder / name) for name in names))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """A gzipped IDX file of bytes: two zeros, the type (8: bytes), the number of axes, their lengths in 32 bits, the data."""
    content = gzip.decompress(path.read_bytes())
    if content[:3] != b"\0\0\x08":
        raise ValueError(f"An IDX file of bytes must begin with 00 00 08. Received: {content[:3].hex(' ')}, {path}")
    axes = content[3]
    shape = np.frombuffer(content, ">u4", axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_films(folder: Path, *, side: int = 64) -> Pictures:
    """Every film of a folder of radiographs, `side` pixels wide and high; there is no test part: nothing is judged by it."""
    manifest = read_manifest(folder)
    films = [
        Image.fromarray(read_radiograph(folder / entry.path).pixels).resize((side, side), Image.Resampling.BOX)
        for entry in manifest.entries
    ]
    labels = np.array([manifest.labels.index(entry.label) for entry in manifest.entries], dtype=np.uint8)
    pixels = np.stack([np.asarray(film) for film in films])
    return as_pictures(pixels, labels, pixels[:0], labels[:0])


def halve(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Means of 2×2 pixels: `(n, h, w, 1)` → `(n, h/2, w/2, 1)`."""
    n, height, width, _ = pixels.shape
    return pixels.reshape(n, height // 2, 2, width // 2, 2, 1).mean((2, 4), dtype=np.float32)
