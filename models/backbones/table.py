"""The frozen backbones: a table in code, id → builder, input size, scaling, and where the weights come from.

Importing this module loads no TensorFlow: a command can say what is missing before it waits for anything heavy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from models.system.sentence import Sentence

DEFAULT_BACKBONE: Final = "efficientnet_lite0"
"""What `--backbone auto` falls back to: its weights are in the repository."""

PREFERRED_BACKBONE: Final = "resnet50"
"""What `--backbone auto` takes where its weights can be had."""

FROM_SCRATCH_BACKBONE: Final = "resnet18"
"""What `--backbone auto` takes where no published weights are to be used."""

_KERAS_DOWNLOADS: Final = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True)
class PublishedWeights:
    """A weight file that its publisher serves, and the MD5 by which Keras checks it."""

    file: str
    url: str
    md5: str


@dataclass(frozen=True)
class VendoredWeights:
    """A weight file in this folder, and its SHA-256."""

    file: str
    sha256: str


@dataclass(frozen=True)
class Backbone:
    """One row of the table.

    Attributes:
        id: the name used in commands and bundles.
        builder: "module:function", scaled pixels `(n, h, w, 3)` → feature map `(n, h', w', embedding_size)`.
        input_size: height and width in pixels at which the ImageNet weights were trained; where there are none, at which
            a network that starts from nothing learns films in minutes.
        taps: layers whose maps, laid over each other on the finest one's grid, make the feature map; empty: the builder's
            output. Layers behind the last tap are not computed.
        embedding_size: channels of the feature map.
        mean, deviation: the network sees `(pixel − mean) / deviation`, pixel in 0–255, in its own channel order. Films
            have one channel, which all three share; only the constants differ.
        weights: where the ImageNet weights come from; None: there are none, and the network is trained from scratch.
        summary: a line for `--help` and the model card.
    """

    id: str
    builder: str
    input_size: int
    embedding_size: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    weights: PublishedWeights | VendoredWeights | None
    summary: str
    taps: tuple[str, ...] = ()

    def load_builder(self) -> Callable[[Any], Any]:
        """Import the builder; this is where Keras and TensorFlow are loaded."""
        module, function = self.builder.split(":")
        builder: Callable[[Any], Any] = getattr(import_module(module), function)
        return builder


def _own(depth: int, embedding_size: int) -> Backbone:
    """A residual network of `models.backbones.residual` that no published weights are for."""
    return Backbone(
        id=f"resnet{depth}",
        builder=f"models.backbones.residual:resnet{depth}",
        input_size=128,
        embedding_size=embedding_size,
        mean=(127.5, 127.5, 127.5),
        deviation=(63.75, 63.75, 63.75),
        weights=None,
        summary=Sentence(
            "ResNet-{depth}, He et al. 2015 (doi:10.1109/CVPR.2016.90), trained from scratch", depth=depth
        ),
    )


BACKBONES: Final[dict[str, Backbone]] = {
    backbone.id: backbone
    for backbone in (
        Backbone(
            id="resnet50",
            builder="models.backbones.residual:resnet50",
            input_size=224,
            embedding_size=2048,
            mean=(103.939, 116.779, 123.68),  # blue, green, red: the order of the original Caffe weights
            deviation=(1.0, 1.0, 1.0),
            weights=PublishedWeights(
                file="resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                url=f"{_KERAS_DOWNLOADS}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                md5="4d473c1dd8becc155b73f8504c6f6626",
            ),
            summary=Sentence("ResNet-50, He et al. 2015 (doi:10.1109/CVPR.2016.90)"),
        ),
        Backbone(
            id="densenet121",
            builder="models.backbones.applications:densenet121",
            input_size=224,
            embedding_size=1024,
            mean=(123.675, 116.28, 103.53),
            deviation=(58.395, 57.12, 57.375),
            weights=PublishedWeights(
                file="densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
                url=f"{_KERAS_DOWNLOADS}/densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
                md5="30ee3e1110167f948a6b9946edeeb738",
            ),
            summary=Sentence("DenseNet-121, Huang et al. 2017 (arXiv:1608.06993), the network of CheXNet"),
        ),
        Backbone(
            id="efficientnet_lite0",
            builder="models.backbones.efficientnet_lite:efficientnet_lite0",
            input_size=224,
            # Chosen on whole acquisition batches that the head had not seen: what the middle of the network sees, textures
            # and edges, carries over better than its last map, which is made for the things of ImageNet.
            taps=("block5a_expand_relu", "block6a_expand_relu", "block6b_expand_relu"),
            embedding_size=480 + 672 + 1152,
            mean=(127.0, 127.0, 127.0),
            deviation=(128.0, 128.0, 128.0),
            weights=VendoredWeights(
                file="efficientnet_lite0.npz", sha256="430af869947bc1509f831a3da54ed875981740e74024c12ca0f306698dabdd34"
            ),
            summary=Sentence(
                "EfficientNet-Lite0, Tan & Le 2019 (arXiv:1905.11946); 75.1 % ImageNet top-1 as published"
            ),
        ),
        _own(18, 512),
        _own(34, 512),
        _own(101, 2048),
        _own(152, 2048),
    )
}


def get_backbone(backbone_id: str) -> Backbone:
    """Look a backbone up in the table; an unknown id is an error that names the known ones."""
    if backbone_id not in BACKBONES:
        raise ValueError(f"The backbone must be one of {', '.join(BACKBONES)}. Received: {backbone_id!r}")
    return BACKBONES[backbone_id]
