"""Layers, parameters and multiply-adds of our residual networks beside those of the paper.

    python -m benchmarks.architecture

Half a minute on two cores. The paper is He et al. 2015 (doi:10.1109/CVPR.2016.90): table 1 for the ImageNet networks, which it
gives without parameters, and table 6 for the CIFAR networks, which it gives without multiply-adds.
"""

import math
import sys
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from models.system.quiet import import_keras_quietly

PAPER_MULTIPLY_ADDS: Final = {18: 1.8e9, 34: 3.6e9, 50: 3.8e9, 101: 7.6e9, 152: 11.3e9}
PAPER_CIFAR_PARAMETERS: Final = {20: 0.27e6, 32: 0.46e6, 44: 0.66e6, 56: 0.85e6, 110: 1.7e6}


class Counts(NamedTuple):
    """Of a network.

    Attributes:
        layers: convolutions and dense layers from the input to the output, those of shortcuts not counted.
        parameters: trained ones, shortcuts included.
        multiply_adds: of convolutions and dense layers for one picture, shortcuts included.
    """

    layers: int
    parameters: int
    multiply_adds: int


def main() -> int:
    """Print both tables."""
    import_keras_quietly()
    from models.backbones.residual import cifar_resnet, resnet

    console = Console()
    for title, build, paper in (
        ("ImageNet, 224 pixels", resnet, PAPER_MULTIPLY_ADDS),
        ("CIFAR, 32 pixels", cifar_resnet, PAPER_CIFAR_PARAMETERS),
    ):
        what = "multiply-adds" if build is resnet else "parameters"
        table = Table("depth", "layers", "parameters", "multiply-adds", f"paper: {what}", title=title)
        for depth, published in paper.items():
            counts = count(build(depth))
            numbers = (f"{counts.parameters:,}", f"{counts.multiply_adds / 1e9:.3f} · 10⁹", f"{published:.3g}")
            table.add_row(str(depth), str(counts.layers), *numbers)
        console.print(table)
    return 0


def count(network: Any) -> Counts:
    """Count a Keras model of `models.backbones.residual`."""
    import keras

    weighted = [layer for layer in network.layers if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))]
    past = [layer for layer in weighted if layer.name.endswith("_0_conv")]
    trained = sum(math.prod(weight.shape) for weight in network.trainable_weights)
    return Counts(len(weighted) - len(past), trained, sum(map(_multiply_adds, weighted)))


def _multiply_adds(layer: Any) -> int:
    places = layer.output.shape[1] * layer.output.shape[2] if layer.output.ndim == 4 else 1
    return places * math.prod(layer.kernel.shape)


if __name__ == "__main__":
    sys.exit(main())
