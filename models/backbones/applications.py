"""Backbones that Keras ships: scaled pixels `(n, h, w, 3)` → the last feature map."""

import keras


def densenet121(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """`(n, ceil(h/32), ceil(w/32), 1024)`."""
    return keras.applications.DenseNet121(include_top=False, weights=None, input_tensor=pixels).output
