"""Where in the film the score came from: Grad-CAM in closed form, and its drawing.

Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) weighs each channel of the last feature map by the mean gradient of the
score with respect to it. Here the head sees that map only through its mean (or maximum), so the gradient with respect to the
embedding, divided by the number of places, *is* that weight: no second pass, no gradient tape. Model attention, not lesion
location.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.head import DenseHead

# The colours of "inferno", blue-black to yellow, every eighth of the way: dark where the model looks little.
_COLOURS: Final = np.array(
    [
        (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85),
        (227, 89, 51), (249, 140, 10), (249, 201, 50), (252, 255, 164),
    ],
    dtype=np.float64,
)  # fmt: skip


def head_heatmap(
    head: DenseHead, feature_map: NDArray[np.float32], embedding: NDArray[np.float32], label_index: int
) -> NDArray[np.float32]:
    """The heatmap `(h, w)` of a class for one film: its feature map `(h, w, d)`, and the embedding pooled from that."""
    gradient = head.gradient(embedding, label_index)
    # A channel that is pooled twice has two gradients, and Grad-CAM's mean over the places is that of their sum.
    return closed_form_heatmap(feature_map, gradient.reshape(-1, feature_map.shape[-1]).sum(axis=0))


def closed_form_heatmap(
    feature_map: NDArray[np.float32], embedding_gradient: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Weigh a feature map `(h, w, d)` by the gradient `(d,)`: a heatmap `(h, w)` in [0, 1]."""
    weighted = np.maximum(feature_map @ embedding_gradient, 0)
    peak = weighted.max()
    return np.asarray(weighted / peak if peak > 0 else weighted, dtype=np.float32)


def overlay(
    pixels: NDArray[np.uint8], heatmap: NDArray[np.float32], *, opacity: float = 0.4, max_side: int = 1024
) -> Image.Image:
    """Draw a heatmap `(h, w)` over the film `(H, W)`; the film shows through where the heatmap is low.

    `opacity` in [0, 1] is that of the hottest place. Films larger than `max_side` pixels are shown smaller.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must be in [0, 1]. Received: {opacity}")
    film = Image.fromarray(pixels)
    film.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    heat = np.asarray(Image.fromarray(heatmap).resize(film.size, Image.Resampling.BICUBIC)).clip(0, 1)
    stops = np.linspace(0, 1, len(_COLOURS))
    colours = np.stack([np.interp(heat, stops, channel) for channel in _COLOURS.T], axis=-1)
    grey = np.repeat(np.asarray(film, dtype=np.float64)[..., None], 3, axis=-1)
    alpha = opacity * heat[..., None]
    return Image.fromarray(np.round(grey * (1 - alpha) + colours * alpha).astype(np.uint8))
