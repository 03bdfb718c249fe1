"""A network of three blocks that is trained in a second, for a row of the table that only tests have."""

from dataclasses import replace
from typing import Any

from keras import layers

from models.backbones.table import get_backbone

THREE_BLOCKS = replace(get_backbone("resnet18"), input_size=32, embedding_size=8, builder=f"{__name__}:three_blocks")


def three_blocks(pixels: Any) -> Any:
    """In each a convolution, and a batch normalisation that is not to move."""
    x = pixels
    for block in ("conv1_block1", "conv2_block1", "conv3_block1"):
        x = layers.Conv2D(8, 3, strides=2, padding="same", name=f"{block}_conv")(x)
        x = layers.ReLU(name=f"{block}_out")(layers.BatchNormalization(name=f"{block}_bn")(x))
    return x
