"""Films as pictures for a browser: with heatmap and outline, mended, small; knows nothing of Streamlit."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from app.screening import FILM_SIDE, Film, Screened
from models.heatmap import overlay
from models.lungs.box import Box
from models.lungs.findings import Finding
from models.prediction import Prediction

_OUTLINE: Final = (92, 192, 211)
"""The page's own blue-green, as it is on dark ground."""

_OUTLINE_SHADE: Final = (11, 42, 50)
"""A hair's breadth on either side of the outline, so that it is seen on white, too."""

_LINE: Final = 1 / 400
"""Breadth of the outline, of the picture's longer side."""

_PREVIEW: Final = 480


def draw(screened: Screened, *, opacity: float, outlined: bool = False) -> bytes:
    """The film as a JPEG picture, its heatmap over it at an opacity in [0, 1]; `outlined`, with the box that was judged."""
    outcome = screened.outcome if isinstance(screened.outcome, Prediction) else None
    return draw_pixels(_pixels(screened), outcome, opacity=opacity, outlined=outlined)


def draw_pixels(
    pixels: NDArray[np.uint8], prediction: Prediction | None, *, opacity: float, outlined: bool = False
) -> bytes:
    """The same of a film's pixels `(H, W)`."""
    drawn = Image.fromarray(pixels)
    if prediction is not None and prediction.heatmap is not None and opacity:
        drawn = overlay(pixels, prediction.heatmap, field=prediction.field, opacity=opacity)
    if outlined and prediction is not None and prediction.field is not None:
        drawn = _outlined(drawn, prediction.field)
    return _jpeg(drawn)


def draw_mended(screened: Screened) -> bytes:
    """The film of a finding as it will be judged once it is mended, a small JPEG picture."""
    if not isinstance(screened.outcome, Finding):
        raise ValueError(f"Only a film with a finding can be mended. Received: {screened.outcome}")
    return thumbnail(screened.outcome.mended(_pixels(screened)), _PREVIEW)


def thumbnail(pixels: NDArray[np.uint8], side: int) -> bytes:
    """Pixels `(H, W)` as a JPEG picture, no side longer than `side`."""
    return _jpeg(Image.fromarray(smaller(pixels, side)))


def smaller(pixels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Pixels `(H, W)`, no side longer than `side`."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _pixels(screened: Screened) -> NDArray[np.uint8]:
    film: Film | None = screened.film
    if film is None:
        raise ValueError(f"Only a film that was kept can be drawn. Received: {screened.outcome}")
    return np.asarray(Image.open(io.BytesIO(film.png)))


def _outlined(picture: Image.Image, box: Box) -> Image.Image:
    """The picture with a thin line round a box; a small one is enlarged first, so that the line stays thin."""
    times = max(1, FILM_SIDE // max(picture.size))
    picture = picture.convert("RGB").resize((times * picture.width, times * picture.height), Image.Resampling.BICUBIC)
    line = max(1, round(max(picture.size) * _LINE))
    width, height = picture.size
    edges = (box.left * width, box.top * height, box.right * width - 1, box.bottom * height - 1)
    left, top, right, bottom = (round(edge) for edge in edges)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=_OUTLINE_SHADE, width=line + 2)
    pen.rectangle((left, top, right, bottom), outline=_OUTLINE, width=line)
    return picture


def _jpeg(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=92, subsampling=0)  # thin coloured lines would bleed otherwise
    return stream.getvalue()
