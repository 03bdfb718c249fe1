"""Small backbones that are hard on an engine, for rows of the table that only tests have."""

from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from models.backbones.table import get_backbone

SIZE = 16
TINY = replace(get_backbone("resnet18"), input_size=SIZE, embedding_size=8, builder=f"{__name__}:tiny")
HUNGRY = replace(TINY, builder=f"{__name__}:hungry")
STARVING = replace(TINY, builder=f"{__name__}:starving")
LOUD = replace(TINY, builder=f"{__name__}:loud")


def tiny(pixels: Any) -> Any:
    """Two blocks."""
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="conv1_block1_conv")(pixels)
    x = layers.BatchNormalization(name="conv1_block1_bn")(x)
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="conv2_block1_conv")(layers.ReLU()(x))
    return layers.ReLU(name="conv2_block1_out")(x)


def hungry(pixels: Any) -> Any:
    """The same; has memory for four films at a time."""
    return tiny(Allocating(4)(pixels))


def starving(pixels: Any) -> Any:
    """The same; has memory for no film."""
    return tiny(Allocating(0)(pixels))


def loud(pixels: Any) -> Any:
    """The same; its maps are too large for float16."""
    return tiny(layers.Rescaling(1e6)(pixels))


class Allocating(layers.Layer):
    """Takes half a petabyte for more films than it may have: no machine has that, and TensorFlow says so in earnest."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def call(self, films: Any) -> Any:
        shown = tf.math.count_nonzero(
            tf.math.is_finite(films[:, 0, 0, 0])
        )  # of the shape, TensorFlow would know it before
        count = tf.where(shown > self._most, tf.constant(2**47, tf.int64), 1)
        return films + 0 * tf.cast(tf.reduce_sum(tf.fill([count], 0.0)), films.dtype)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape


def save_weights(backbone: Any, path: Any) -> None:
    """Write a backbone's weights at one and the same random start."""
    from models.backbones.feature_extractor import build_feature_extractor

    keras.utils.set_random_seed(0)
    build_feature_extractor(backbone, None).weighted_layers.save_weights(str(path))
