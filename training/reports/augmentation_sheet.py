"""The contact sheet: what the model sees."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from training.config import RunConfig
from training.data.manifest import Entry, Manifest
from training.embedding.folder_lungs import FolderLungs, film_of
from training.embedding.views import film_views
from training.plots.judged_plots import contact_sheet

_FILMS_PER_CLASS: Final = 3


def write_contact_sheet(config: RunConfig, manifest: Manifest, lungs: FolderLungs | None, *, size: int) -> None:
    """Draw a few films of each class, plain and in their views, into the run's folder (they are patients' pictures).

    A sheet of the same films and views, from an earlier run of this name, is left as it is. `size`: of the backbone's input,
    in pixels.
    """
    chosen = [
        entry
        for label in manifest.labels
        for entry in [entry for entry in manifest.entries if entry.label == label][:_FILMS_PER_CLASS]
    ]
    numbers = range(max(config.views, 2) + 1)
    path, basis = config.run_folder / "augmentation.png", _basis(config, chosen, numbers, size)
    if _description(path) == basis:
        return
    rows = []
    for entry in chosen:
        film = film_of(manifest.root, entry, lungs, views=numbers, augmentation=config.augmentation, seed=config.seed)
        views = film_views(film, numbers, config=config.augmentation, seed=config.seed, size=size)
        rows.append(list(views.pixels[..., 0].astype(np.uint8)))
    columns = ["plain", *(f"view {number}" for number in numbers[1:])]
    contact_sheet(rows, [entry.label for entry in chosen], path, columns=columns, description=basis)


def _basis(config: RunConfig, films: Sequence[Entry], numbers: Sequence[int], size: int) -> str:
    """A digest of all that the sheet shows."""
    views = [config.augmentation.fingerprint(config.seed, number) for number in numbers]
    text = json.dumps([[(film.sha256, film.label) for film in films], views, size, config.field])
    return hashlib.sha256(text.encode()).hexdigest()


def _description(path: Path) -> str | None:
    try:
        with Image.open(path) as picture:
            return picture.info.get("Description")
    except OSError:  # there is none, or something else
        return None
