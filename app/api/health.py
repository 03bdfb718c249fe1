"""The picture that is judged when somebody asks whether the model can judge."""

import io
from functools import cache

import numpy as np
from PIL import Image

from app.samples import read_sample, sample_names


@cache
def health_picture() -> bytes:
    """A synthetic chest film as a file; a grey wedge where the samples were left out, which is refused, but judged for that."""
    if names := sample_names():
        return read_sample(names[0])
    stream = io.BytesIO()
    Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (256, 1))).save(stream, "PNG")
    return stream.getvalue()
