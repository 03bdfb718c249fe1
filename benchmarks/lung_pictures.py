"""The picture of docs/lungs.md, of synthetic samples: the film with the box of its lungs, and what a model is shown of it.

python -m benchmarks.lung_pictures docs/lungs.png
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from models.backbones.weights import find_weights
from models.engines.batching import SharedEngine
from models.engines.load import load_engine
from models.films.radiograph import Radiograph, read_radiograph
from models.lungs.field import field_box, lung_field
from models.lungs.finder import LungFinder, finder_backbone
from models.lungs.search import FoundLungs, find_lungs
from training.embedding.canvas import film_canvas
from training.embedding.surroundings import blank_lungs, exchange_surroundings

SIZE: Final = 224
_SAMPLES: Final = Path(__file__).parents[1] / "data_samples"
_PAIRS: Final = (("normal_1.jpeg", "pneumonia_1.jpeg"), ("pneumonia_1.jpeg", "normal_1.jpeg"))
_BOX: Final = (0, 114, 178)


def main(arguments: Sequence[str]) -> int:
    """Write the picture."""
    backbone = finder_backbone()
    engine = SharedEngine(load_engine(backbone, find_weights(backbone)))
    rows = []
    for pair in _PAIRS:
        films = [read_radiograph(_SAMPLES / name) for name in pair]
        lungs = find_lungs(engine, LungFinder.load(), [film.pixels for film in films])
        rows.append(np.hstack(row(films, lungs)))
    Image.fromarray(np.vstack(rows)).save(arguments[0], optimize=True)
    return 0


def row(films: Sequence[Radiograph], lungs: Sequence[FoundLungs]) -> list[NDArray[np.uint8]]:
    """The first film with its box, its field, its lungs on the second one's surroundings, and its surroundings alone."""
    own, other = (film_canvas(film.pixels, found, SIZE) for film, found in zip(films, lungs, strict=True))
    field = lung_field(films[0].pixels, lungs[0].judged, SIZE)[..., 0]
    exchanged = own.inner(exchange_surroundings(own.pixels, own.mask, other.pixels, other.mask))
    alone = own.inner(blank_lungs(own.pixels, own.mask))
    return [boxed(films[0], lungs[0]), *(as_colours(grey) for grey in (field, exchanged, alone))]


def boxed(film: Radiograph, lungs: FoundLungs) -> NDArray[np.uint8]:
    """The whole film, fitted into a square, with the box that is judged."""
    picture = Image.fromarray(film.pixels).convert("RGB")
    picture.thumbnail((SIZE, SIZE))
    box, (width, height) = field_box(lungs.judged), picture.size
    edges = (box.left * width, box.top * height, box.right * width - 1, box.bottom * height - 1)
    ImageDraw.Draw(picture).rectangle(edges, outline=_BOX, width=2)
    square = Image.new("RGB", (SIZE, SIZE), "white")
    square.paste(picture, ((SIZE - width) // 2, (SIZE - height) // 2))
    return np.asarray(square)


def as_colours(grey: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A grey picture `(h, w)` as `(h, w, 3)`."""
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=-1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
