"""Whether a device computes what it should: one convolution and one product of matrices, against NumPy on the processor.

A listed GPU is no proof: with a wrong cuDNN or a missing CUDA library it is listed, and the first convolution fails.
"""

import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.devices.device import DeviceError
from models.system.quiet import import_openvino_quietly

TOLERANCE: Final = 5e-3
"""Relative to the largest value. TensorFloat-32, which TensorFlow takes on newer GPUs, keeps 10 bits of mantissa and stays well
below this; a wrong kernel does not."""

Operation = Callable[[], NDArray[np.float32]]


class Checked(NamedTuple):
    """What one operation showed: its difference from NumPy, relative to the largest value, and how long its second run took."""

    difference: float
    milliseconds: float


def check_gpu() -> dict[str, Checked]:
    """Run both on TensorFlow's first GPU, by name.

    Raises:
        DeviceError: one gives other numbers than NumPy.
        tensorflow.errors.OpError: one cannot be run.
    """
    import tensorflow as tf

    images, kernel, left, right = _operands()
    with tf.device("GPU:0"):
        return _checked(
            lambda: np.asarray(tf.nn.conv2d(images, kernel, strides=1, padding="VALID")),
            lambda: np.asarray(tf.matmul(left, right)),
        )


def check_processor() -> dict[str, Checked]:
    """Run both on the processor, by OpenVINO, as the app and the other commands do; raises DeviceError like `check_gpu`."""
    import_openvino_quietly()
    from openvino import opset13 as operations

    images, kernel, left, right = _operands()
    filters = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
    channels_first = images.transpose(0, 3, 1, 2)
    convolution = _compiled(
        channels_first, lambda x: operations.convolution(x, filters, [1, 1], [0, 0], [0, 0], [1, 1])
    )
    product = _compiled(left, lambda x: operations.matmul(x, right, transpose_a=False, transpose_b=False))
    return _checked(lambda: convolution().transpose(0, 2, 3, 1), product)


def convolve(images: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The reference: `images` `(n, H, W, c)` correlated with `kernel` `(h, w, c, d)`, only where the kernel fits.

    Returns:
        `(n, H - h + 1, W - w + 1, d)` float32.
    """
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nijchw,hwcd->nijd", windows, kernel, optimize=True).astype(np.float32)


def difference_from(reference: NDArray[np.float32], result: NDArray[np.float32]) -> float:
    """The largest difference relative to the reference's largest value.

    Raises:
        DeviceError: it is more than `TOLERANCE`, or not a number.
    """
    difference = float(np.max(np.abs(result - reference)) / np.max(np.abs(reference)))
    if not difference <= TOLERANCE:  # also true where it is not a number
        raise DeviceError(
            f"A device must agree with NumPy within {TOLERANCE:.1e} of the largest value. Received: {difference:.1e}. Its "
            "results cannot be trusted: renew its driver, or set CUDA_VISIBLE_DEVICES=-1 to compute on the processor."
        )
    return difference


def _operands() -> list[NDArray[np.float32]]:
    """Images and a kernel for `convolve`, and two matrices; always the same."""
    dice = np.random.default_rng(0)
    shapes = ((8, 32, 32, 16), (3, 3, 16, 32), (256, 512), (512, 128))
    return [dice.normal(size=shape).astype(np.float32) for shape in shapes]


def _checked(convolution: Operation, product: Operation) -> dict[str, Checked]:
    images, kernel, left, right = _operands()
    return {
        "Convolution": _check(convolution, convolve(images, kernel)),
        "Matrix product": _check(product, left @ right),
    }


def _check(operation: Operation, reference: NDArray[np.float32]) -> Checked:
    operation()  # compiles, and takes memory
    start = time.perf_counter()
    result = operation()  # to have the result as an array is to wait until the device has computed it
    return Checked(difference_from(reference, result), 1000 * (time.perf_counter() - start))


def _compiled(operand: NDArray[np.float32], operation: Callable[[Any], Any]) -> Operation:
    """An operation of OpenVINO's on the processor, in float32 even where that has bfloat16."""
    import openvino
    from openvino import opset13 as operations

    parameter = operations.parameter(operand.shape, np.float32)
    model = openvino.Model([operation(parameter)], [parameter])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda: np.asarray(compiled([operand])[0])
