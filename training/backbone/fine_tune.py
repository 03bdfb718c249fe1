"""The second phase, off by default: the last blocks of the backbone learn too.

The patients held out for early stopping are the only ones that the resulting network has not seen, so calibration,
operating points and every number in the card come from them alone.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import keras
import numpy as np

from models.backbones.feature_extractor import FeatureExtractor
from models.devices.memory import with_halved_batches
from models.network import build_network
from training.backbone.film_batches import EvenViews, FilmViewed
from training.config import AugmentationConfig
from training.data.learnable import balanced_weights

_BLOCK: Final = re.compile(r"(conv\d_block\d+|stage\d_unit\d+|block\d[a-z]|top)(?=_)")
_LEARNING_RATE: Final = 1e-5
_EPOCHS: Final = 4
_VIEWS_PER_BATCH: Final = 16


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
    learnt: Sequence[FilmViewed],
    watched: Sequence[FilmViewed],
    *,
    blocks: int,
    pooling: str,
    augmentation: AugmentationConfig,
    seed: int,
    devices: int = 1,
    callbacks: Sequence[Any] = (),
) -> dict[str, list[float]]:
    """Train the last blocks and the head together, in place; the weights of the best epoch stay.

    Args:
        head: a Keras model.
        learnt, watched: films to learn from, and those that are held out, with the views of each that an epoch shows.
        devices: how many share each batch, where extractor and head were made under a strategy for them.

    Returns:
        The history of losses.

    Raises:
        OutOfMemoryError: where an eighth of the usual batch does not fit into a device's memory.
    """
    unfreeze(extractor.features, blocks)
    network = build_network(extractor, head, pooling=pooling)
    start, classes = network.get_weights(), head.output_shape[-1]
    weights = balanced_weights(np.array([film.label for film, _ in learnt]), classes)
    size = extractor.features.input_shape[1]
    even = partial(EvenViews, devices=devices, size=size, config=augmentation, seed=seed, pooling=pooling)

    def train(views: int) -> Any:
        network.set_weights(start)  # where a larger batch did not fit, some steps may have been made
        keras.utils.set_random_seed(seed)  # of dropout, and of the order of batches
        batches = even(learnt, class_weights=weights, views_per_batch=views)
        return _fitted(
            network, batches, even(watched, class_weights=np.ones(classes), views_per_batch=views), callbacks
        )

    history, _ = with_halved_batches(_VIEWS_PER_BATCH, train)
    extractor.features.trainable = False
    return {name: [float(value) for value in values] for name, values in history.history.items()}


def _fitted(network: Any, learnt: EvenViews, watched: EvenViews, callbacks: Sequence[Any]) -> Any:
    """Keras' history of a training from logits; the weights of the best epoch stay."""
    logits = keras.Model(network.input, network.output["logits"])
    logits.compile(
        keras.optimizers.Adam(_LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # XLA's convolutions take two to four times as long on processors.
        jit_compile=False,
    )
    logits.optimizer.build(logits.trainable_variables)  # else the first step makes its variables, and is traced twice
    stopping = keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True)
    return logits.fit(learnt, validation_data=watched, epochs=_EPOCHS, callbacks=[stopping, *callbacks], verbose=0)
