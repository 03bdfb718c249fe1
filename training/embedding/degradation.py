"""What a film loses on its way through other hands: one of blur, reduction, compression and grain, of a random amount.

Heads that were fitted on sharp films alone take lost detail for a finding: with blocks or pixels to be seen, nearly every
normal film is called ill (`python -m training stress`).
"""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]

_BLUR: Final = (0.5, 2.5)  # standard deviation, pixels of the network's input
_REDUCTION: Final = (0.25, 1.0)  # of each side
_COPIES: Final = (0.4, 1.0)  # of each side of the lungs, on copies of 224 pixels
_QUALITY: Final = (6, 70)  # of JPEG
_COMPRESSED_COPIES: Final = 0.67
_COPY_QUALITY: Final = (40, 95)  # of their JPEG
_GRAIN: Final = (5.0, 30.0)  # standard deviation, grey levels
_ENLARGED_BY: Final = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)


def degrade(film: Pixels, draw: np.random.Generator) -> Pixels:
    """Degrade a film uint8 `(size, size)` in one way; each is as likely as the others."""
    return _WAYS[draw.integers(len(_WAYS))](film, draw)


def reduce_film(film: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
    """A film float32 `(h, w)` as a smaller copy shows it: reduced by a random share along each axis, and enlarged again.

    Most copies have been through JPEG at their own size, so that its blocks grow with them.
    The share does not depend on the film: lungs take more of the width of some films than of others, and of one class.
    """
    small = [max(1, round(_log_uniform(draw, *_COPIES) * side)) for side in film.shape[::-1]]
    picture = Image.fromarray(film)
    copy = picture.resize(small, Image.Resampling.BILINEAR)
    if draw.random() < _COMPRESSED_COPIES:
        grey = np.rint(np.clip(np.asarray(copy), 0, 255)).astype(np.uint8)
        copy = Image.fromarray(_compressed(grey, _log_uniform(draw, *_COPY_QUALITY))).convert("F")
    return np.asarray(copy.resize(picture.size, Image.Resampling.BILINEAR))


def _blur(film: Pixels, draw: np.random.Generator) -> Pixels:
    return np.asarray(Image.fromarray(film).filter(ImageFilter.GaussianBlur(draw.uniform(*_BLUR))))


def _reduce(film: Pixels, draw: np.random.Generator) -> Pixels:
    """Reduce and enlarge again, as programs do that make films small for the mail."""
    picture, share = Image.fromarray(film), _log_uniform(draw, *_REDUCTION)
    small = picture.resize([max(1, round(share * side)) for side in picture.size], Image.Resampling.BOX)
    return np.asarray(small.resize(picture.size, _ENLARGED_BY[draw.integers(len(_ENLARGED_BY))]))


def _compress(film: Pixels, draw: np.random.Generator) -> Pixels:
    return _compressed(film, _log_uniform(draw, *_QUALITY))


def _compressed(film: Pixels, quality: float) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(film).save(file, "JPEG", quality=round(quality))
    return np.asarray(Image.open(file))


def _grain(film: Pixels, draw: np.random.Generator) -> Pixels:
    noise = draw.standard_normal(film.shape, dtype=np.float32) * np.float32(draw.uniform(*_GRAIN))
    return np.rint(np.clip(film + noise, 0, 255)).astype(np.uint8)


def _log_uniform(draw: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(draw.uniform(np.log(low), np.log(high))))


_WAYS: Final = (_blur, _reduce, _compress, _grain)
