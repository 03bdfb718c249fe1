"""The contact sheet: what the model sees."""

from typing import Final

import keras
import numpy as np

from models.network import FeatureExtractor
from training.config import RunConfig
from training.manifest import Manifest
from training.plots import contact_sheet
from training.views import Film, FilmViews, augmented

_FILMS_PER_CLASS: Final = 3


def write_contact_sheet(config: RunConfig, manifest: Manifest, extractor: FeatureExtractor) -> None:
    """Draw a few films of each class, plain and in their views, into the run's folder (they are patients' pictures)."""
    chosen = [
        entry
        for label in manifest.labels
        for entry in [entry for entry in manifest.entries if entry.label == label][:_FILMS_PER_CLASS]
    ]
    numbers = range(max(config.views, 2) + 1)
    films = [(Film(manifest.root / entry.path, entry.sha256), numbers) for entry in chosen]
    batches = FilmViews(
        films, extractor.resize, config=config.augmentation, seed=config.seed, films_per_batch=len(films)
    )
    inputs, pixels = augmented(extractor.resize.output_shape[1])
    views = np.asarray(keras.Model(inputs, pixels).predict_on_batch(batches[0][0]))[..., 0].astype(np.uint8)
    rows = views.reshape(len(chosen), len(numbers), *views.shape[1:])
    columns = ["plain", *(f"view {number}" for number in numbers[1:])]
    contact_sheet(
        [list(row) for row in rows],
        [entry.label for entry in chosen],
        config.run_folder / "augmentation.png",
        columns=columns,
    )
