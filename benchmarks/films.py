"""What the benchmarks work on where no folder is given: synthetic films, and a ResNet-50 with random weights.

Speed does not depend on what a film shows. Both are made once, always the same, and kept beside the embeddings.
"""

import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_samples.writing import write_sample
from models.films.radiograph import read_radiograph
from models.system.files import cache_folder

SIDE: Final = 224
_SAMPLES: Final = Path(__file__).parents[1] / "data_samples"
_FORM: Final = 4  # raised when what is made changes


def film_folder(count: int) -> Path:
    """So many films, 224 × 224 JPEG in NORMAL/ and PNEUMONIA/, three quarters of them pneumonia, two to a patient."""

    def write(folder: Path) -> None:
        for label in ("NORMAL", "PNEUMONIA"):
            (folder / label).mkdir()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda number: write_sample(folder / _published_name(number), picture(number)), range(count)))

    return _kept(f"films-{count}", write)


def mixed_folder(count: int, side: int) -> Path:
    """So many films in each of three formats: JPEG, PNG of 16 bits, and DICOM."""

    def write(folder: Path) -> None:
        def write_one(number: int) -> None:
            suffix = ("jpeg", "png", "dcm")[number % 3]
            write_sample(folder / f"{number:05}.{suffix}", picture(number, side))

        with ThreadPoolExecutor() as pool:
            list(pool.map(write_one, range(3 * count)))

    return _kept(f"mixed-{count}-{side}", write)


def random_resnet50() -> Path:
    """A weight file for `resnet50`, not learnt from anything.

    Its residual branches are small and the statistics of its normalisations are those of films, as in a network that has
    learnt: at their start, rounding errors grow from block to block until no bfloat16 holds them.
    """

    def write(folder: Path) -> None:
        import keras

        from models.backbones.feature_extractor import build_feature_extractor
        from models.backbones.table import get_backbone

        keras.utils.set_random_seed(0)
        features = build_feature_extractor(get_backbone("resnet50"), None).features
        features.trainable = True
        for layer in features.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.0  # each batch replaces the statistics
                layer.beta.assign(keras.ops.full_like(layer.beta, 0.5))
            if layer.name.endswith("_3_bn"):  # the last of a residual branch
                layer.gamma.assign(keras.ops.full_like(layer.gamma, 0.2))
        films = np.stack([255 * picture(number) for number in range(16)]).astype(np.float32)[..., None]
        features(films, training=True)
        weighted = keras.Model(features.get_layer("scale").output, features.output)
        weighted.save_weights(str(folder / "resnet50.weights.h5"))

    return _kept("resnet50", write) / "resnet50.weights.h5"


def picture(number: int, side: int = SIDE) -> NDArray[np.float64]:
    """A synthetic film `(side, side)` in [0, 1]: a sample, warped, under waves of its own and some noise."""
    dice = np.random.default_rng([2015, number])
    turn, *shift = dice.uniform(-0.12, 0.12, 3)
    zoom = float(np.exp(dice.uniform(-0.12, 0.12)))
    a, b = zoom * np.cos(turn), zoom * np.sin(turn)
    middle = side / 2
    sample = _samples(_label(number), side)[int(dice.integers(4))]
    warp = (a, -b, middle * (1 - a + b + shift[0]), b, a, middle * (1 - a - b + shift[1]))
    film = np.asarray(sample.transform((side, side), Image.Transform.AFFINE, warp, Image.Resampling.BILINEAR))
    rows, columns = np.mgrid[0:side, 0:side] / side
    waves = sum(np.sin(2 * np.pi * (p * rows + q * columns + s)) for p, q, s in dice.uniform(-4, 4, (6, 3)))
    return np.clip((film + 12 * waves + dice.normal(0, 3, film.shape)) / 255, 0, 1)


def _label(number: int) -> str:
    return "NORMAL" if number % 4 == 0 else "PNEUMONIA"


def _published_name(number: int) -> str:
    """As the published data names its films, so that patients and acquisition batches are told from the names."""
    patient = number // 8
    if _label(number) == "NORMAL":
        return f"NORMAL/{'NORMAL2-' * (patient % 2)}IM-{patient:04}-{number:05}.jpeg"
    kind = "virus" if number % 4 == 3 else "bacteria"
    return f"PNEUMONIA/person{4 * patient + number % 4}_{kind}_{number}.jpeg"


@cache
def _samples(label: str, side: int) -> tuple[Image.Image, ...]:
    paths = sorted(path for path in _SAMPLES.glob(f"{label.lower()}_*") if path.suffix in (".jpeg", ".png", ".dcm"))
    films = (Image.fromarray(read_radiograph(path).pixels) for path in paths)
    return tuple(film.resize((side, side), Image.Resampling.BILINEAR) for film in films)


def _kept(name: str, write: Callable[[Path], None]) -> Path:
    """A folder that is made once, whole or not at all."""
    place = cache_folder() / "benchmarks" / f"{name}-{_FORM}"
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=place.parent, prefix=".making-"))
        try:
            write(scratch)
            scratch.rename(place)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return place
