"""Augmentation generators: views of a film that a detector, a technician or a child's posture could have made.

Every view is a function of (seed, image, number of the view) and of nothing else, so that an interrupted run, another order
of the files or another batch size gives the same views.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from models.radiograph import read_radiograph
from models.refusal import RefusedError
from training.config import AugmentationConfig


class Augmentation(NamedTuple):
    """What happens to each of n films of `size` pixels; the inputs of `FilmAugmentation` after the films.

    Attributes:
        warp: `(n, 8)`, the projective transform from output to input places, as `keras.ops.image.affine_transform` takes it.
        tone: `(n, 3)`: exponent, contrast factor, added brightness.
        noise: `(n, size, size, 1)`, added grey levels.
        strength: `(n, 1)`: 1 for a view, 0 for the plain film, which then passes exactly as the network sees it later.
    """

    warp: NDArray[np.float32]
    tone: NDArray[np.float32]
    noise: NDArray[np.float32]
    strength: NDArray[np.float32]


class FilmAugmentation(keras.layers.Layer):
    """Warp, tone and noise on raw pixels: `(n, size, size, 1)` in 0–255 → views of the same, in whole grey levels.

    The geometry is one transform with one interpolation, so a view is no blurrier than a single rotation makes it.
    """

    def call(self, inputs: Sequence[Any]) -> Any:
        plain, warp, tone, noise, strength = inputs
        films = ops.image.affine_transform(plain, warp, interpolation="bilinear", fill_mode="constant", fill_value=0)
        gamma, contrast, brightness = (tone[:, index, None, None, None] for index in range(3))
        films = 255 * ops.power(ops.clip(films / 255, 0, 1), gamma)
        mean = ops.mean(films, axis=(1, 2, 3), keepdims=True)
        films = (films - mean) * contrast + mean + brightness + noise
        return ops.where(strength[:, :, None, None] == 0, plain, ops.round(ops.clip(films, 0, 255)))

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        return input_shape[0]


def draw_augmentation(
    config: AugmentationConfig, images: Sequence[str], views: Sequence[int], *, seed: int, size: int
) -> Augmentation:
    """Draw what happens to each film, given its SHA-256 and the number of its view; view 0 is left as it is."""
    drawn = [_draw(config, image, view, seed, size) for image, view in zip(images, views, strict=True)]
    return Augmentation(*(np.stack(parts).astype(np.float32) for parts in zip(*drawn, strict=True)))


def _draw(config: AugmentationConfig, image: str, view: int, seed: int, size: int) -> tuple[Any, Any, Any, Any]:
    if view == 0:
        return np.array([1, 0, 0, 0, 1, 0, 0, 0]), np.array([1, 1, 0]), np.zeros((size, size, 1)), np.zeros(1)
    random = np.random.default_rng([seed, view, int(image[:15], 16)])

    def between(limit: float) -> float:
        return float(random.uniform(-limit, limit))

    rotation, shear = np.deg2rad(between(config.rotation)), np.tan(np.deg2rad(between(config.shear)))
    zoom, stretch = np.exp(between(config.zoom)), np.exp(between(config.zoom / 2))
    mirror = -1 if config.flip and random.random() < 0.5 else 1
    matrix = np.array([[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]])
    matrix = matrix @ np.array([[mirror * zoom * stretch, shear], [0, zoom]])
    centre = np.full(2, (size - 1) / 2)
    offset = centre - matrix @ centre + size * np.array([between(config.shift), between(config.shift)])
    warp = np.array([*matrix[0], offset[0], *matrix[1], offset[1], 0, 0])
    tone = np.array([np.exp(between(config.gamma)), np.exp(between(config.contrast)), between(config.brightness)])
    return warp, tone, random.standard_normal((size, size, 1)) * random.uniform(0, config.noise), np.ones(1)


class Film(NamedTuple):
    """A film to be viewed: where it is, its digest, and its class where there is something to learn."""

    path: Path
    sha256: str
    label: int = 0


class FilmViews(keras.utils.PyDataset):
    """Batches of views, each film decoded once for all its views, in a background thread of Keras.

    An item is `(inputs, labels)`, the inputs named as `augmented` names them; the films in it are float32
    `(n, size, size, 1)` in 0–255, already resized by the network's own layer.
    """

    def __init__(
        self,
        films: Sequence[tuple[Film, Sequence[int]]],
        resize: Any,
        *,
        config: AugmentationConfig,
        seed: int,
        films_per_batch: int,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
        self._films = films
        self._resize = resize
        self._size = resize.output_shape[1]
        self._config = config
        self._seed = seed
        self._films_per_batch = films_per_batch

    def __len__(self) -> int:
        return -(-len(self._films) // self._films_per_batch)

    def __getitem__(self, index: int) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.int64]]:
        chosen = self._films[index * self._films_per_batch : (index + 1) * self._films_per_batch]
        pixels = np.concatenate([np.asarray(self._resize(_decode(film.path)[None, :, :, None])) for film, _ in chosen])
        repeats = [len(views) for _, views in chosen]
        images = [film.sha256 for film, views in chosen for _ in views]
        numbers = [view for _, views in chosen for view in views]
        augmentation = draw_augmentation(self._config, images, numbers, seed=self._seed, size=self._size)
        labels = np.repeat(np.array([film.label for film, _ in chosen], dtype=np.int64), repeats)
        return {"films": np.repeat(pixels, repeats, axis=0), **augmentation._asdict()}, labels


def _decode(path: Path) -> NDArray[np.uint8]:
    try:
        return read_radiograph(path).pixels
    except RefusedError as error:
        raise OSError(
            f"{path} could be read when the folder was listed, and no longer: {error} Run it again."
        ) from error


def augmented(size: int) -> tuple[dict[str, Any], Any]:
    """Symbolic inputs named as an item of `FilmViews` names them, and the augmented pixels `(n, size, size, 1)`."""
    shapes = {"films": (size, size, 1), "warp": (8,), "tone": (3,), "noise": (size, size, 1), "strength": (1,)}
    inputs = {name: keras.Input(shape, name=name) for name, shape in shapes.items()}
    return inputs, FilmAugmentation(name="augmentation")(list(inputs.values()))
