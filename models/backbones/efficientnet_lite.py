"""EfficientNet-Lite0 without its classifier, written in Keras.

EfficientNet-Lite is the EfficientNet of Tan & Le 2019 (arXiv:1905.11946) without squeeze-and-excitation and with ReLU6 in
place of swish; stem and head keep 32 and 1,280 filters at every scale. Its ImageNet weights were trained with TensorFlow's
"SAME" padding, which is asymmetric at stride 2, and with a batch-normalisation epsilon of 1e-3.
"""

import keras
from keras import layers

BATCH_NORM_EPSILON = 1e-3
STEM_FILTERS = 32
EMBEDDING_SIZE = 1280

# (repeats, kernel, stride of the first repeat, expansion, filters): table 1 of the paper, stages 2 to 8.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def efficientnet_lite0(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Map pixels `(n, h, w, 3)`, scaled to about [-1, 1], to the feature map `(n, ceil(h/32), ceil(w/32), 1280)`."""
    x = _conv(inputs, STEM_FILTERS, kernel=3, stride=2, name="stem")
    for stage, (repeats, kernel, stride, expansion, filters) in enumerate(STAGES, start=1):
        for repeat in range(repeats):
            name = f"block{stage}{chr(ord('a') + repeat)}"
            x = _inverted_residual(x, filters, kernel, stride if repeat == 0 else 1, expansion, name)
    return _conv(x, EMBEDDING_SIZE, kernel=1, stride=1, name="top")


def _conv(x: keras.KerasTensor, filters: int, *, kernel: int, stride: int, name: str) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(_batch_norm(x, name))


def _batch_norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(epsilon=BATCH_NORM_EPSILON, name=f"{name}_bn")(x)


def _inverted_residual(
    inputs: keras.KerasTensor, filters: int, kernel: int, stride: int, expansion: int, name: str
) -> keras.KerasTensor:
    """Expand, filter each channel by itself, project; with a shortcut where the shape is kept (Sandler et al. 2018)."""
    x = inputs
    if expansion != 1:
        x = _conv(x, expansion * inputs.shape[-1], kernel=1, stride=1, name=f"{name}_expand")
    x = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv")(x)
    x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(_batch_norm(x, f"{name}_depthwise"))
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False, name=f"{name}_project_conv")(x)
    x = _batch_norm(x, f"{name}_project")
    if stride == 1 and inputs.shape[-1] == filters:
        x = layers.Add(name=f"{name}_add")([inputs, x])
    return x
