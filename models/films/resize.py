"""Resizing inside the network, free of aliasing, in operations that every export format knows."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="pneumolens")
class AntialiasedResize(keras.layers.Layer):
    """Resize `(n, H, W, c)` of any height and width to `(n, size, size, c)` float32 with a triangle filter.

    The filter widens with the reduction, as Pillow's `BILINEAR` does, so that a 2,000-pixel film and its 224-pixel copy
    give nearly the same network input. Each axis is one matrix product: unlike TensorFlow's antialiased resize, that
    can be exported to ONNX, OpenVINO and LiteRT. The aspect ratio is not kept (the training images are square copies).
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def call(self, images: Any) -> Any:
        height, width = ops.shape(images)[1], ops.shape(images)[2]
        images = ops.cast(images, "float32")
        rows = ops.einsum("oh,nhwc->nowc", self._filter(height), images)
        return ops.einsum("ow,nhwc->nhoc", self._filter(width), rows)

    def _filter(self, length: Any) -> Any:
        """The `(size, length)` weights of one axis; every row sums to 1."""
        length = ops.cast(length, "float32")
        scale = length / self.size
        support = ops.maximum(scale, 1.0)
        centres = (ops.arange(self.size, dtype="float32") + 0.5) * scale
        positions = ops.arange(length, dtype="float32") + 0.5
        weights = ops.relu(1.0 - ops.abs(positions[None, :] - centres[:, None]) / support)
        return weights / ops.sum(weights, axis=1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.size, self.size, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}
