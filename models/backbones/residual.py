"""Residual networks, to be read beside their papers.

He, Zhang, Ren & Sun 2015, "Deep Residual Learning for Image Recognition" (doi:10.1109/CVPR.2016.90, "the paper" below): the
basic and the bottleneck unit, the ImageNet networks of its table 1 and the CIFAR networks of its section 4.2. The same
authors 2016, "Identity Mappings in Deep Residual Networks" (doi:10.1007/978-3-319-46493-0_38): the pre-activation unit.

Every unit has its plain twin, the same layers without the shortcut: `shortcut="none"`. Layers carry the names that
`keras.applications` gives them, so weight files of the 50, 101 and 152 layer networks go from one to the other.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import keras
from keras import layers, ops

Shortcut = Literal["projection", "padding", "none"]
"""What goes past a unit whose output has another shape than its input: a 1×1 convolution (the paper's option B); the input,
subsampled and padded with zero channels, which has no parameters (its option A); or, in plain networks, nothing past any unit.
Where the shapes agree, the shortcut is the identity."""

RESNET_STAGES: Final = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Depth → units in each of the four stages: table 1 of the paper."""

CIFAR_DEPTHS: Final = (20, 32, 44, 56, 110)

_FIRST_BOTTLENECK_DEPTH: Final = 50
_EPSILON: Final = 1.001e-5  # of keras.applications
# Keras' own 0.99 remembers hundreds of steps: on a small folder the statistics would lag behind the weights for an epoch.
_MOMENTUM: Final = 0.9


def basic_unit(
    inputs: Any, filters: int, *, name: str, stride: int = 1, shortcut: Shortcut = "projection", bias: bool = False
) -> Any:
    """3×3 conv–BN–ReLU–3×3 conv–BN, add, ReLU: `(n, h, w, c)` → `(n, h/stride, w/stride, filters)`."""
    past = _shortcut(inputs, filters, stride, shortcut, name, bias=bias)
    x = _conv(inputs, filters, 3, stride=stride, name=f"{name}_1", bias=bias)
    x = _relu(_batch_norm(x, f"{name}_1_bn"), f"{name}_1_relu")
    x = _conv(x, filters, 3, name=f"{name}_2", bias=bias)
    x = _batch_norm(x, f"{name}_2_bn")
    return _relu(_add(past, x, name), f"{name}_out")


def bottleneck_unit(
    inputs: Any, filters: int, *, name: str, stride: int = 1, shortcut: Shortcut = "projection", bias: bool = True
) -> Any:
    """1×1 conv–BN–ReLU–3×3 conv–BN–ReLU–1×1 conv–BN, add, ReLU: `(n, h, w, c)` → `(n, h/stride, w/stride, 4 · filters)`.

    The stride is in the first 1×1 convolution, as in the paper's own networks and the published weights.
    """
    past = _shortcut(inputs, 4 * filters, stride, shortcut, name, bias=bias)
    x = _conv(inputs, filters, 1, stride=stride, name=f"{name}_1", bias=bias)
    x = _relu(_batch_norm(x, f"{name}_1_bn"), f"{name}_1_relu")
    x = _conv(x, filters, 3, name=f"{name}_2", bias=bias)
    x = _relu(_batch_norm(x, f"{name}_2_bn"), f"{name}_2_relu")
    x = _conv(x, 4 * filters, 1, name=f"{name}_3", bias=bias)
    x = _batch_norm(x, f"{name}_3_bn")
    return _relu(_add(past, x, name), f"{name}_out")


def preactivation_unit(
    inputs: Any, filters: int, *, name: str, stride: int = 1, shortcut: Shortcut = "projection", bias: bool = False
) -> Any:
    """BN–ReLU–3×3 conv–BN–ReLU–3×3 conv, add: `(n, h, w, c)` → `(n, h/stride, w/stride, filters)`.

    Nothing follows the addition, so a chain of such units needs a batch normalisation and a ReLU at its end. A projection
    starts from the activated input, as in the authors' networks; an identity passes the input as it is.
    """
    x = _relu(_batch_norm(inputs, f"{name}_preact_bn"), f"{name}_preact_relu")
    start = x if shortcut == "projection" and _changes_shape(inputs, filters, stride) else inputs
    past = _shortcut(start, filters, stride, shortcut, name, bias=bias, normalised=False)
    x = _conv(x, filters, 3, stride=stride, name=f"{name}_1", bias=bias)
    x = _relu(_batch_norm(x, f"{name}_1_bn"), f"{name}_1_relu")
    x = _conv(x, filters, 3, name=f"{name}_2", bias=bias)
    return _add(past, x, name)


def resnet_features(pixels: Any, depth: int, *, shortcut: Shortcut = "projection") -> Any:
    """The ImageNet network of table 1 up to its last feature map: `(n, h, w, 3)` → `(n, ceil(h/32), ceil(w/32), d)`.

    `d` is 512 for 18 and 34 layers, 2,048 for more. The convolutions of the deeper networks have biases, which batch
    normalisation makes idle: the published weights have them.
    """
    if depth not in RESNET_STAGES:
        raise ValueError(f"depth must be one of {', '.join(map(str, RESNET_STAGES))}. Received: {depth}")
    deep = depth >= _FIRST_BOTTLENECK_DEPTH
    unit: Callable[..., Any] = bottleneck_unit if deep else basic_unit
    x = _conv(pixels, 64, 7, stride=2, name="conv1", bias=deep)
    x = _relu(_batch_norm(x, "conv1_bn"), "conv1_relu")
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1_pool")(x)
    for stage, units in enumerate(RESNET_STAGES[depth]):
        for number in range(units):
            stride = 2 if stage > 0 and number == 0 else 1
            name = f"conv{stage + 2}_block{number + 1}"
            x = unit(x, 64 * 2**stage, name=name, stride=stride, shortcut=shortcut, bias=deep)
    return x


def resnet(
    depth: int,
    *,
    input_shape: tuple[int, int, int] = (224, 224, 3),
    classes: int = 1000,
    shortcut: Shortcut = "projection",
) -> Any:
    """ResNet-18, 34, 50, 101 or 152 as a Keras model, scaled pixels → probabilities `(n, classes)`."""
    pixels = keras.Input(input_shape)
    name = f"{_kind(shortcut)}{depth}"
    return keras.Model(pixels, _classify(resnet_features(pixels, depth, shortcut=shortcut), classes), name=name)


def cifar_resnet(
    depth: int,
    *,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
    shortcut: Shortcut = "padding",
    entry_stride: int = 1,
) -> Any:
    """The paper's network for small pictures, of 6n + 2 layers, as a Keras model: scaled pixels → probabilities.

    A 3×3 convolution, then n basic units each of 16, 32 and 64 filters, the sides halved between them. With the paper's
    shortcuts (`"padding"`) it has exactly the parameters of its plain twin. With an `entry_stride` of 2, that of the first
    convolution, pictures of 64 pixels have the maps that the paper's have, of 32.
    """
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth must be 6n + 2 with n at least 1, such as {CIFAR_DEPTHS}. Received: {depth}")
    pixels = keras.Input(input_shape)
    x = _relu(_batch_norm(_conv(pixels, 16, 3, name="conv1", stride=entry_stride), "conv1_bn"), "conv1_relu")
    for stage, filters in enumerate((16, 32, 64)):
        for number in range((depth - 2) // 6):
            stride = 2 if stage > 0 and number == 0 else 1
            name = f"conv{stage + 2}_block{number + 1}"
            x = basic_unit(x, filters, name=name, stride=stride, shortcut=shortcut)
    return keras.Model(pixels, _classify(x, classes), name=f"cifar_{_kind(shortcut)}{depth}")


def digit_network(
    *, input_shape: tuple[int, int, int] = (28, 28, 1), classes: int = 10, shortcut: Shortcut = "projection"
) -> Any:
    """A small network for digits as a Keras model, scaled pixels → probabilities `(n, classes)`.

    A 3×3 convolution with 8 filters; two pre-activation units each of 16, 32 and 64 filters, with max-pooling between; a
    dense layer of 128; softmax.
    """
    pixels = keras.Input(input_shape)
    x = _conv(pixels, 8, 3, name="conv1")
    for stage, filters in enumerate((16, 32, 64)):
        if stage:
            x = layers.MaxPooling2D(2, name=f"pool{stage + 1}")(x)
        for number in (1, 2):
            x = preactivation_unit(x, filters, name=f"conv{stage + 2}_block{number}", shortcut=shortcut)
    x = _relu(_batch_norm(x, "post_bn"), "post_relu")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dense(128, "relu", kernel_initializer="he_normal", name="hidden")(x)
    return keras.Model(pixels, layers.Dense(classes, "softmax", name="predictions")(x), name="digits")


def resnet18(pixels: Any) -> Any:
    """`(n, ceil(h/32), ceil(w/32), 512)`; this and the next: builders for the table of backbones."""
    return resnet_features(pixels, 18)


def resnet34(pixels: Any) -> Any:
    """`(n, ceil(h/32), ceil(w/32), 512)`."""
    return resnet_features(pixels, 34)


def resnet50(pixels: Any) -> Any:
    """`(n, ceil(h/32), ceil(w/32), 2048)`."""
    return resnet_features(pixels, 50)


def resnet101(pixels: Any) -> Any:
    """`(n, ceil(h/32), ceil(w/32), 2048)`."""
    return resnet_features(pixels, 101)


def resnet152(pixels: Any) -> Any:
    """`(n, ceil(h/32), ceil(w/32), 2048)`."""
    return resnet_features(pixels, 152)


def _conv(x: Any, filters: int, kernel: int, *, name: str, stride: int = 1, bias: bool = False) -> Any:
    """A convolution that pads alike on all sides, with the initialisation of He et al. 2015 (doi:10.1109/ICCV.2015.123)."""
    padding = "same"
    if stride > 1:  # TensorFlow's "same" would pad the right and the lower side alone
        padding = "valid"
        if kernel > 1:
            x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    return layers.Conv2D(
        filters, kernel, stride, padding=padding, use_bias=bias, kernel_initializer="he_normal", name=f"{name}_conv"
    )(x)


def _batch_norm(x: Any, name: str) -> Any:
    return layers.BatchNormalization(momentum=_MOMENTUM, epsilon=_EPSILON, name=name)(x)


def _relu(x: Any, name: str) -> Any:
    return layers.Activation("relu", name=name)(x)


def _changes_shape(x: Any, filters: int, stride: int) -> bool:
    return stride > 1 or x.shape[-1] != filters


def _shortcut(
    x: Any, filters: int, stride: int, shortcut: Shortcut, name: str, *, bias: bool, normalised: bool = True
) -> Any:
    """What is added to a unit's output; None in a plain network."""
    if shortcut == "none":
        return None
    if not _changes_shape(x, filters, stride):
        return x
    if shortcut == "padding":
        return ops.pad(x[:, ::stride, ::stride], [(0, 0), (0, 0), (0, 0), (0, filters - x.shape[-1])])
    x = _conv(x, filters, 1, stride=stride, name=f"{name}_0", bias=bias)
    return _batch_norm(x, f"{name}_0_bn") if normalised else x


def _add(past: Any, x: Any, name: str) -> Any:
    return x if past is None else layers.Add(name=f"{name}_add")([past, x])


def _classify(feature_map: Any, classes: int) -> Any:
    """Global average pooling and the classifier."""
    x = layers.GlobalAveragePooling2D(name="avg_pool")(feature_map)
    return layers.Dense(classes, "softmax", name="predictions")(x)


def _kind(shortcut: Shortcut) -> str:
    return "plain" if shortcut == "none" else "resnet"
