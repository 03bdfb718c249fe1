"""The contact sheet: what the model sees."""

from typing import Final

import numpy as np

from training.config import RunConfig
from training.manifest import Manifest
from training.plots import contact_sheet
from training.views import Film, film_views

_FILMS_PER_CLASS: Final = 3


def write_contact_sheet(config: RunConfig, manifest: Manifest, *, size: int) -> None:
    """Draw a few films of each class, plain and in their views, into the run's folder (they are patients' pictures).

    `size`: of the backbone's input, in pixels.
    """
    chosen = [
        entry
        for label in manifest.labels
        for entry in [entry for entry in manifest.entries if entry.label == label][:_FILMS_PER_CLASS]
    ]
    numbers = range(max(config.views, 2) + 1)
    rows = []
    for entry in chosen:
        film = Film(manifest.root / entry.path, entry.sha256)
        views = film_views(film, numbers, config=config.augmentation, seed=config.seed, size=size)
        rows.append(list(views[..., 0].astype(np.uint8)))
    columns = ["plain", *(f"view {number}" for number in numbers[1:])]
    labels = [entry.label for entry in chosen]
    contact_sheet(rows, labels, config.run_folder / "augmentation.png", columns=columns)
