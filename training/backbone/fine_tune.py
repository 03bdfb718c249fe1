"""The second phase, off by default: the last blocks of the backbone learn too.

The patients held out for early stopping are the only ones that the resulting network has not seen, so calibration,
operating points and every number in the card come from them alone.
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from models.backbones.feature_extractor import FeatureExtractor
from models.network import build_network
from training.backbone.film_batches import FilmViews
from training.config import AugmentationConfig
from training.data.learnable import balanced_weights
from training.data.manifest import Entry
from training.embedding.folder_lungs import FolderLungs, film_of

_BLOCK: Final = re.compile(r"(conv\d_block\d+|stage\d_unit\d+|block\d[a-z]|top)(?=_)")
_LEARNING_RATE: Final = 1e-5
_EPOCHS: Final = 4
_FILMS_PER_BATCH: Final = 16


def block_names(features: Any) -> list[str]:
    """The backbone's blocks from the input to the output, as their layers' names tell."""
    found = (match.group(1) for layer in features.layers if (match := _BLOCK.match(layer.name)))
    return list(dict.fromkeys(found))


def require_blocks(features: Any, blocks: int) -> None:
    """Raise a ValueError where the backbone has no such number of blocks to unfreeze."""
    count = len(block_names(features))
    if not 1 <= blocks <= count:
        raise ValueError(f"--fine-tune must be from 1 to {count}, the blocks of {features.name}. Received: {blocks}")


def unfreeze(features: Any, blocks: int) -> list[str]:
    """Make the last blocks trainable, all but their batch normalisation, and return the names of their layers.

    A frozen batch normalisation stays in inference mode: its statistics, made from a million photographs, do not move.
    """
    require_blocks(features, blocks)
    chosen = set(block_names(features)[-blocks:])
    features.trainable = True
    trained = []
    for layer in features.layers:
        match = _BLOCK.match(layer.name)
        inside = match is not None and match.group(1) in chosen
        layer.trainable = inside and not isinstance(layer, keras.layers.BatchNormalization)
        if layer.trainable and layer.weights:
            trained.append(layer.name)
    return trained


def fine_tune(
    extractor: FeatureExtractor,
    head: Any,
    root: Path,
    entries: Sequence[Entry],
    labels: NDArray[np.int64],
    *,
    split: tuple[NDArray[np.int64], NDArray[np.int64]],
    blocks: int,
    pooling: str,
    views: int,
    augmentation: AugmentationConfig,
    seed: int,
    lungs: FolderLungs | None = None,
    callbacks: Sequence[Any] = (),
) -> dict[str, list[float]]:
    """Train the last blocks and the head together, in place; the weights of the best epoch stay.

    Args:
        head: a Keras model.
        split: indices of the images to learn from, and of those held out.
        views: augmented views of each image in an epoch, besides the plain one.
        lungs: where the lungs of the films are; None: whole films are shown.

    Returns:
        The history of losses.
    """
    unfreeze(extractor.features, blocks)
    size = extractor.features.input_shape[1]
    fit, held_out = split
    weights = dict(enumerate(balanced_weights(labels[fit], head.output_shape[-1]).tolist()))

    def batches(indices: NDArray[np.int64], numbers: Sequence[int]) -> FilmViews:
        shown = partial(film_of, root, lungs=lungs, views=numbers, augmentation=augmentation, seed=seed)
        films = [(shown(entries[index], label=int(labels[index])), numbers) for index in indices]
        per_batch = max(1, _FILMS_PER_BATCH // len(numbers))
        return FilmViews(films, size=size, config=augmentation, seed=seed, films_per_batch=per_batch, pooling=pooling)

    network = _compiled(build_network(extractor, head, pooling=pooling))
    order = np.random.default_rng(seed).permutation(fit)
    history = network.fit(
        batches(order, range(views + 1)),
        validation_data=batches(held_out, [0]),
        class_weight=weights,
        epochs=_EPOCHS,
        callbacks=[keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True), *callbacks],
        verbose=0,
    )
    extractor.features.trainable = False
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def _compiled(network: Any) -> Any:
    logits = keras.Model(network.input, network.output["logits"])
    logits.compile(
        keras.optimizers.Adam(_LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # XLA's convolutions take two to four times as long on processors.
        jit_compile=False,
    )
    return logits
