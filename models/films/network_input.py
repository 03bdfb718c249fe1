"""From a film of any size to what a backbone is shown of it."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def network_input(pixels: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Resize a film `(H, W)` to `(size, size, 1)` float32, 0 black to 255 white.

    The triangle filter widens with the reduction, so that a 2,000-pixel film and its 224-pixel copy give nearly the same
    network input. The aspect ratio is not kept (the training images are square copies). `models.films.resize` is the same as a
    layer, for networks that are exported whole.
    """
    film = Image.fromarray(pixels)
    if film.size != (size, size):
        film = film.convert("F").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(film, dtype=np.float32)[..., None]
