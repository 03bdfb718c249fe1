"""The forms in which pictures are shown while the finder learns: films moved, films without lungs, and what is no film."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

_SIDE: Final = 224
_FARTHEST_IN: Final = 0.12  # of a side that is cut away at most
_FARTHEST_OUT: Final = 0.2  # of a side that is added at most
_GAMMA: Final = (0.7, 1.4)


def moved(
    pixels: NDArray[np.uint8], lungs: NDArray[np.uint8], random: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A film `(H, W)` and its drawn lungs `(h, w)`, each side cut or widened by the same share, the film's tone bent."""
    sides = random.uniform(-_FARTHEST_OUT, _FARTHEST_IN, 4)
    shade = int(random.choice([0, int(np.median(pixels[0])), 255], p=[0.6, 0.3, 0.1]))
    tone = (255 * np.linspace(0, 1, 256) ** random.uniform(*_GAMMA)).astype(np.uint8)
    return tone[shifted(pixels, sides, shade)], shifted(lungs, sides, 0)


def shifted(picture: NDArray[np.uint8], sides: NDArray[np.float64], shade: int) -> NDArray[np.uint8]:
    """A picture `(H, W)` with a share of its top, left, bottom and right cut away; where negative, added in one shade."""
    height, width = picture.shape
    top, left, bottom, right = (round(share * side) for share, side in zip(sides, (height, width) * 2, strict=True))
    cut = picture[max(top, 0) : height - max(bottom, 0), max(left, 0) : width - max(right, 0)]
    added = ((max(-top, 0), max(-bottom, 0)), (max(-left, 0), max(-right, 0)))
    return np.pad(cut, added, constant_values=shade)


def without_centre(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A film `(H, W)` of which only the border is left."""
    height, width = pixels.shape
    rows, columns = random.uniform(0.08, 0.22), random.uniform(0.08, 0.2)
    hidden = np.zeros(pixels.shape, dtype=bool)
    hidden[int(rows * height) : int((1 - rows) * height), int(columns * width) : int((1 - columns) * width)] = True
    return blanked(pixels, hidden, random)


def without_lungs(
    pixels: NDArray[np.uint8], lungs: NDArray[np.uint8], random: np.random.Generator
) -> NDArray[np.uint8]:
    """A film `(H, W)` whose drawn lungs `(h, w)` are blanked: their outline, or their box with some margin."""
    height, width = pixels.shape
    drawn = Image.fromarray(lungs)
    if random.random() < 0.5:
        box = drawn.getbbox() or (0, 0, *drawn.size)
        margin = random.uniform(0, 0.06)
        across, down = margin * drawn.width, margin * drawn.height
        drawn.paste(255, (int(box[0] - across), int(box[1] - down), int(box[2] + across), int(box[3] + down)))
    else:
        drawn = drawn.filter(ImageFilter.MaxFilter(2 * int(random.integers(1, 4)) + 1))
    return blanked(pixels, np.asarray(drawn.resize((width, height))) > 127, random)


def blanked(pixels: NDArray[np.uint8], hidden: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.uint8]:
    """A film `(H, W)` with what is hidden `(H, W)` in one shade, or blurred beyond recognition."""
    mean = float(pixels.mean())
    way = int(random.integers(0, 5))
    if way == 4:
        far = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(min(pixels.shape) / 10))
        return np.where(hidden, np.asarray(far), pixels)
    shade = (0.0, 255.0, mean, float(random.uniform(0, 255)))[way]
    return np.where(hidden, np.uint8(shade), pixels)


def no_film(random: np.random.Generator) -> NDArray[np.uint8]:
    """A picture that is no film: noise of some grain, soft waves, a page of writing, or overlapping shapes, `(224, 224)`."""
    maker = (_noise, _waves, _page, _shapes)[int(random.integers(0, 4))]
    return maker(random)


def _noise(random: np.random.Generator) -> NDArray[np.uint8]:
    grain = int(2 ** random.integers(0, 7))
    small = random.integers(0, 256, (-(-_SIDE // grain), -(-_SIDE // grain))).astype(np.uint8)
    soft = Image.Resampling.BICUBIC if random.random() < 0.7 else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(small).resize((_SIDE, _SIDE), soft))


def _waves(random: np.random.Generator) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:_SIDE, 0:_SIDE] / _SIDE
    waves = random.uniform((-12, -12, 0, 5), (12, 12, 1, 50), (int(random.integers(1, 6)), 4))
    light = sum(height * np.sin(2 * np.pi * (a * rows + b * columns + c)) for a, b, c, height in waves)
    return np.clip(random.uniform(60, 200) + light, 0, 255).astype(np.uint8)


def _page(random: np.random.Generator) -> NDArray[np.uint8]:
    paper = int(random.choice([255, 0, 235]))
    page = Image.new("L", (_SIDE * 2, _SIDE * 2), paper)
    pen, size = ImageDraw.Draw(page), float(random.uniform(8, 30))
    for line in np.arange(random.uniform(4, 60), _SIDE * 2 - size, 1.4 * size):
        letters = "".join(random.choice(list("abcdefghijklmnopqrstuvwxyz   "), 70))
        pen.text((int(random.uniform(4, 40)), int(line)), letters, fill=255 - paper, font_size=size)
    return np.asarray(page)


def _shapes(random: np.random.Generator) -> NDArray[np.uint8]:
    drawing = Image.new("L", (_SIDE, _SIDE), int(random.integers(0, 256)))
    pen = ImageDraw.Draw(drawing)
    for _ in range(int(random.integers(1, 12))):
        (left, right), (top, bottom) = (sorted(random.integers(0, _SIDE, 2).tolist()) for _ in range(2))
        draw = pen.ellipse if random.random() < 0.5 else pen.rectangle
        draw((left, top, right + 1, bottom + 1), fill=int(random.integers(0, 256)))
    return np.asarray(drawing)
