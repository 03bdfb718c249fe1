"""What can happen to a film between the patient and the file: thirteen corruptions, each in five severities.

They are those of MedMNIST-C for chest films, in its severities for PneumoniaMNIST, whose films are those of
doi:10.17632/rscbjbr9sj at 224 pixels (Di Salvo, Doerrich & Ledig 2024, arXiv:2406.17536; medmnistc/corruptions/registry.py).
Its severities for ChestMNIST are the same but for pixelation and noise, which are several times as strong there.

Where ours differ: a film has one channel; MedMNIST-C draws noise in three and makes them grey, which leaves two thirds of its
deviation, so ours is the harder. Values are rounded, not cut off. Of six sizes of the blur's kernel, both take the first five.
The severities speak of films of about 224 pixels: on larger ones the same noise and the same blur are weaker.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy.ndimage import gaussian_filter

Film = NDArray[np.uint8]
Corrupt = Callable[[Film, float, np.random.Generator], Film]

SEVERITIES: Final = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Corruption:
    """One row of the table.

    Attributes:
        apply: takes a film uint8 `(H, W)`, the amount and a source of randomness; gives a film of the same shape.
        amounts: of the severities 1 to 5.
    """

    apply: Corrupt
    amounts: tuple[float, float, float, float, float]


def corrupt(film: Film, name: str, severity: int, *, image: str, seed: int) -> Film:
    """Corrupt a film uint8 `(H, W)`; the same film, severity and seed give the same pixels.

    Args:
        name: one of `CORRUPTIONS`.
        severity: 1 to 5.
        image: hexadecimal digest that tells films apart, so that each draws noise of its own.
        seed: of the noise.
    """
    if name not in CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(
            f"A corruption must be one of {', '.join(CORRUPTIONS)}, in a severity of 1 to 5. "
            f"Received: {name!r}, {severity!r}"
        )
    dice = np.random.default_rng([seed, list(CORRUPTIONS).index(name), severity, int(image[:15], 16)])
    return CORRUPTIONS[name].apply(film, CORRUPTIONS[name].amounts[severity - 1], dice)


def _pixelate(film: Film, share: float, _: np.random.Generator) -> Film:
    """Reduce to a share of each side and enlarge again, both by box filter."""
    picture = Image.fromarray(film)
    width, height = picture.size
    small = picture.resize((max(1, int(width * share)), max(1, int(height * share))), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.BOX))


def _jpeg(film: Film, quality: float, _: np.random.Generator) -> Film:
    file = io.BytesIO()
    Image.fromarray(film).save(file, "JPEG", quality=int(quality))
    return np.asarray(Image.open(file))


def _gaussian_noise(film: Film, deviation: float, dice: np.random.Generator) -> Film:
    """Electronic noise; the deviation is a share of the whole range."""
    return _as_film(film / 255 + dice.normal(scale=deviation, size=film.shape))


def _speckle_noise(film: Film, deviation: float, dice: np.random.Generator) -> Film:
    """Noise in proportion to the brightness."""
    return _as_film(film / 255 * (1 + dice.normal(scale=deviation, size=film.shape)))


def _impulse_noise(film: Film, share: float, dice: np.random.Generator) -> Film:
    """Salt and pepper, half each: dead pixels of a detector."""
    hit, salt = dice.random(film.shape) < share, dice.random(film.shape) < 0.5
    return np.where(hit, np.where(salt, np.uint8(255), np.uint8(0)), film)


def _shot_noise(film: Film, photons: float, dice: np.random.Generator) -> Film:
    """Quantum noise: what counting so many photons in the brightest pixel would give."""
    return _as_film(dice.poisson(film / 255 * photons) / photons)


def _gaussian_blur(film: Film, kernel: float, _: np.random.Generator) -> Film:
    """By the side of the kernel in pixels, with the deviation that OpenCV and torchvision take for it."""
    radius = (int(kernel) - 1) // 2
    blurred = gaussian_filter(film.astype(np.float64), 0.3 * (radius - 1) + 0.8, radius=radius, mode="mirror")
    return _as_film(blurred / 255)


def _brightness(film: Film, factor: float, _: np.random.Generator) -> Film:
    return np.asarray(ImageEnhance.Brightness(Image.fromarray(film)).enhance(factor))


def _contrast(film: Film, factor: float, _: np.random.Generator) -> Film:
    """About the film's mean."""
    return np.asarray(ImageEnhance.Contrast(Image.fromarray(film)).enhance(factor))


def _gamma(film: Film, exponent: float, _: np.random.Generator) -> Film:
    """Above 1 darkens the greys, below 1 lightens them."""
    return _as_film((film / 255) ** exponent)


def _as_film(light: NDArray[np.float64]) -> Film:
    """Light in [0, 1], cut off there, in whole grey levels."""
    return np.round(255 * light.clip(0, 1)).astype(np.uint8)


CORRUPTIONS: Final[dict[str, Corruption]] = {
    "pixelate": Corruption(_pixelate, (0.8, 0.7, 0.6, 0.5, 0.4)),
    "jpeg": Corruption(_jpeg, (50, 30, 15, 10, 7)),
    "gaussian_noise": Corruption(_gaussian_noise, (0.04, 0.05, 0.06, 0.07, 0.08)),
    "speckle_noise": Corruption(_speckle_noise, (0.05, 0.07, 0.10, 0.15, 0.20)),
    "impulse_noise": Corruption(_impulse_noise, (0.005, 0.01, 0.013, 0.017, 0.02)),
    "shot_noise": Corruption(_shot_noise, (300, 200, 150, 100, 80)),
    "gaussian_blur": Corruption(_gaussian_blur, (3, 5, 7, 9, 11)),
    "brightness_up": Corruption(_brightness, (1.1, 1.2, 1.3, 1.4, 1.5)),
    "brightness_down": Corruption(_brightness, (0.9, 0.8, 0.7, 0.6, 0.5)),
    "contrast_up": Corruption(_contrast, (1.1, 1.2, 1.3, 1.4, 1.6)),
    "contrast_down": Corruption(_contrast, (0.9, 0.8, 0.7, 0.6, 0.4)),
    "gamma_up": Corruption(_gamma, (1.1, 1.2, 1.3, 1.4, 1.6)),
    "gamma_down": Corruption(_gamma, (0.9, 0.8, 0.7, 0.6, 0.4)),
}
