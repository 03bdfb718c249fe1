"""The lung finder's rival: a small U-Net of our own, trained on the same films, judged on the same ones.

Ronneberger, Fischer & Brox 2015 (arXiv:1505.04597), with four resolutions, batch normalisation and 96-pixel films: some minutes
on a processor. It is called by `python -m benchmarks.lung_finder DIR --unet`.
"""

import time
import zlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.films.network_input import network_input
from models.lungs.box import FINE
from models.system.quiet import import_keras_quietly
from training.lungs.masked_films import MaskedFilm, coverage

SIDE: Final = 96
FILTERS: Final = (8, 16, 32)
EPOCHS: Final = 6
BATCH: Final = 16
MOST_FILMS: Final = 1600
_LEARNING_RATE: Final = 3e-3


def compare(fitted: Sequence[MaskedFilm], judging: Sequence[MaskedFilm]) -> dict[str, Any]:
    """Train on the films that the finder was fitted on and judge on those that it was not: Dice, and milliseconds a film."""
    import_keras_quietly()
    fitted = sorted(fitted, key=lambda film: zlib.crc32(film.path.as_posix()[-40:].encode()))[:MOST_FILMS]
    network = build_unet()
    start = time.perf_counter()
    network.fit(_pixels(fitted), _wanted(fitted), batch_size=BATCH, epochs=EPOCHS, verbose=0)
    minutes = (time.perf_counter() - start) / 60
    pixels = _pixels(judging)
    found = network.predict(pixels, batch_size=BATCH, verbose=0)[..., 0]
    scores = np.array([dice(one, film.lungs()) for one, film in zip(found, judging, strict=True)])
    return {
        "parameters": int(network.count_params()),
        "films": len(fitted),
        "minutes": minutes,
        "n": len(judging),
        "dice": {"median": float(np.median(scores)), "low": float(np.quantile(scores, 0.05))},
        "milliseconds": _milliseconds(network, pixels[:1]),
    }


def dice(found: NDArray[np.float32], lungs: NDArray[np.uint8]) -> float:
    """Dice of a map `(h, w)` in [0, 1] and drawn lungs, on the finder's own grid."""
    fine = np.asarray(Image.fromarray(found).resize((FINE, FINE), Image.Resampling.BILINEAR)) > 0.5
    drawn = coverage(lungs, FINE) > 0.5
    return 2 * float((fine & drawn).sum()) / max(float(fine.sum() + drawn.sum()), 1.0)


def build_unet() -> Any:
    """Pixels `(n, 96, 96, 1)`, 0 to 255 → the chance of lung `(n, 96, 96, 1)`, compiled."""
    import keras
    from keras import layers

    pixels = keras.Input((SIDE, SIDE, 1))
    x, skips = layers.Rescaling(1 / 128, -1)(pixels), []
    for filters in FILTERS:
        skips.append(x := _block(x, filters))
        x = layers.MaxPooling2D()(x)
    x = _block(x, 2 * FILTERS[-1])
    for filters in FILTERS[::-1]:
        x = _block(layers.Concatenate()([layers.UpSampling2D()(x), skips.pop()]), filters)
    network = keras.Model(pixels, layers.Conv2D(1, 1, activation="sigmoid")(x))
    network.compile(keras.optimizers.Adam(_LEARNING_RATE), loss="binary_crossentropy")
    return network


def _block(x: Any, filters: int) -> Any:
    from keras import layers

    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    return x


def _pixels(films: Sequence[MaskedFilm]) -> NDArray[np.float32]:
    return np.stack([network_input(film.pixels(), SIDE) for film in films])


def _wanted(films: Sequence[MaskedFilm]) -> NDArray[np.float32]:
    return np.stack([coverage(film.lungs(), SIDE) for film in films])[..., None]


def _milliseconds(network: Any, pixels: NDArray[np.float32]) -> float:
    """One film, in the median of some."""
    spent = []
    for _ in range(12):
        start = time.perf_counter()
        network.predict_on_batch(pixels)
        spent.append(time.perf_counter() - start)
    return float(np.median(spent[2:])) * 1000
