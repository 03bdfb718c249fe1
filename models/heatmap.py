"""Where in the film the score came from: Grad-CAM in closed form, and its drawing.

Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) weighs each channel of the last feature map by the mean gradient of the
score with respect to it. Here the head sees that map only through its mean (or maximum), so the gradient with respect to the
embedding, divided by the number of places, *is* that weight: no second pass, no gradient tape. A map that is pooled over the
lungs has as much less of a say at each place as that is less lung. Model attention, not lesion location.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.head import DenseHead
from models.lungs.box import Box

# The colours of "inferno", blue-black to yellow, every eighth of the way: dark where the model looks little.
_COLOURS: Final = np.array(
    [
        (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85),
        (227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164),
    ],
    dtype=np.float64,
)  # fmt: skip


def head_heatmap(
    head: DenseHead,
    feature_map: NDArray[np.float32],
    embedding: NDArray[np.float32],
    label_index: int,
    *,
    lungs: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The heatmap of a class for one film in [0, 1], from its feature map `(h, w, d)` and the embedding pooled from that.

    Args:
        lungs: `(28, 28)`, for an embedding that is pooled over the lungs: a place has a say as far as it is lung.

    Returns:
        `(h, w)`, or `(28, 28)` with lungs.
    """
    # A channel that is pooled twice has two gradients, and Grad-CAM's mean over the places is that of their sum.
    gradient = head.gradient(embedding, label_index).reshape(-1, feature_map.shape[-1]).sum(axis=0)
    heatmap = closed_form_heatmap(feature_map, gradient)
    return heatmap if lungs is None else _above_zero(_enlarged(heatmap, lungs.shape) * lungs)


def closed_form_heatmap(
    feature_map: NDArray[np.float32], embedding_gradient: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Weigh a feature map `(h, w, d)` by the gradient `(d,)`: a heatmap `(h, w)` in [0, 1]."""
    return _above_zero(feature_map @ embedding_gradient)


def _above_zero(weighted: NDArray[np.float32]) -> NDArray[np.float32]:
    """What speaks for the class, the most of it as 1."""
    positive = np.maximum(weighted, 0)
    peak = positive.max()
    return np.asarray(positive / peak if peak > 0 else positive, dtype=np.float32)


def attention_within(heatmap: NDArray[np.float32], lungs: NDArray[np.bool_]) -> float:
    """The share of a heatmap `(h, w)` that lies within lungs `(H, W)` of the same field; 0 where the heatmap is empty."""
    heat = _enlarged(heatmap, lungs.shape[::-1])
    total = float(heat.sum())
    return float(heat[lungs].sum()) / total if total > 0 else 0.0


def _enlarged(heatmap: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    width, height = size
    return np.asarray(Image.fromarray(heatmap).resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)


def overlay(
    pixels: NDArray[np.uint8],
    heatmap: NDArray[np.float32],
    *,
    field: Box | None = None,
    opacity: float = 0.4,
    max_side: int = 1024,
) -> Image.Image:
    """Draw a heatmap `(h, w)` over the film `(H, W)`, or over the part `field` of it that was judged.

    The film shows through where the heatmap is low; what was not judged stays as it is.

    `opacity` in [0, 1] is that of the hottest place. Films larger than `max_side` pixels are shown smaller.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must be in [0, 1]. Received: {opacity}")
    film = Image.fromarray(pixels)
    film.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    heat = _on_film(heatmap, film.size, field)
    stops = np.linspace(0, 1, len(_COLOURS))
    colours = np.stack([np.interp(heat, stops, channel) for channel in _COLOURS.T], axis=-1)
    grey = np.repeat(np.asarray(film, dtype=np.float64)[..., None], 3, axis=-1)
    alpha = opacity * heat[..., None]
    return Image.fromarray(np.round(grey * (1 - alpha) + colours * alpha).astype(np.uint8))


def _on_film(heatmap: NDArray[np.float32], size: tuple[int, int], field: Box | None) -> NDArray[np.float32]:
    """A heatmap laid on a film of `size` (width, height), where its field is."""
    if field is None:
        return _enlarged(heatmap, size)
    left, right = round(field.left * size[0]), round(field.right * size[0])
    top, bottom = round(field.top * size[1]), round(field.bottom * size[1])
    heat = np.zeros(size[::-1], np.float32)
    heat[top:bottom, left:right] = _enlarged(heatmap, (right - left, bottom - top))
    return heat
