"""What TensorFlow really computes on: one convolution, checked against NumPy.

A listed GPU is no proof: with a wrong cuDNN or a missing CUDA library it is listed, and the first convolution fails.
"""

import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

# Relative to the largest value. TensorFloat-32, the default on newer GPUs, keeps 10 bits of mantissa and stays well
# below this; a wrong kernel does not.
TOLERANCE: Final = 5e-3

_NO_GPU = (
    "A GPU was required, and TensorFlow {version} found none. Check that `nvidia-smi` works on this machine, that the "
    "packages are those of requirements-gpu.lock, and that a container was given the GPU "
    "(`docker run --gpus all …`, or `docker compose -f compose.yaml -f compose.gpu.yaml up`)."
)
_FAILED = (
    "The convolution failed on {name}: {error} Where this is a GPU, its driver or one of the CUDA libraries does not "
    "fit TensorFlow {version}: install requirements-gpu.lock, update the driver, or set CUDA_VISIBLE_DEVICES=-1 to "
    "compute on the CPU."
)


class DeviceError(RuntimeError):
    """Raised where a required GPU is absent, or a device does not compute what it should."""


@dataclass(frozen=True)
class DeviceReport:
    """What one convolution showed.

    Attributes:
        kind: where the convolution ran.
        name: the device's name as its driver or operating system gives it.
        milliseconds: the second run of the convolution, without compilation or memory set-up.
        difference: largest difference from the NumPy result, relative to the largest value; at most `TOLERANCE`.
        versions: package or library → version; `cuda` and `cudnn` are those TensorFlow was built with, if any.
    """

    kind: Literal["GPU", "CPU"]
    name: str
    milliseconds: float
    difference: float
    versions: dict[str, str]

    def __str__(self) -> str:
        versions = ", ".join(f"{package} {version}" for package, version in self.versions.items())
        return (
            f"{self.kind}: {self.name}. One convolution took {self.milliseconds:.2f} ms and agrees with NumPy within "
            f"{self.difference:.1e}. {versions}"
        )


def describe_device(*, require_gpu: bool = False) -> DeviceReport:
    """Run one convolution on the best device TensorFlow has and compare it with NumPy.

    Raises:
        DeviceError: a GPU is required and absent, or the convolution fails or gives other numbers than NumPy.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if require_gpu and not gpus:
        raise DeviceError(_NO_GPU.format(version=tf.__version__))
    kind: Literal["GPU", "CPU"] = "GPU" if gpus else "CPU"
    name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else _processor_name()

    generator = np.random.default_rng(0)
    images = generator.normal(size=(8, 32, 32, 16)).astype(np.float32)
    kernel = generator.normal(size=(3, 3, 16, 32)).astype(np.float32)
    try:
        _convolve_on(f"{kind}:0", images, kernel)
        start = time.perf_counter()
        result = _convolve_on(f"{kind}:0", images, kernel)
        seconds = time.perf_counter() - start
    except tf.errors.OpError as error:
        raise DeviceError(_FAILED.format(name=name, error=error.message, version=tf.__version__)) from error
    difference = check_convolution(result, convolve(images, kernel))
    return DeviceReport(kind, name, seconds * 1000, difference, _versions(tf))


def convolve(images: npt.NDArray[np.float32], kernel: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The reference: `images` `(n, H, W, c)` correlated with `kernel` `(h, w, c, d)`, only where the kernel fits.

    Returns:
        `(n, H - h + 1, W - w + 1, d)` float32.
    """
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel.shape[:2], axis=(1, 2))
    return np.einsum("nijchw,hwcd->nijd", windows, kernel, optimize=True).astype(np.float32)


def check_convolution(result: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> float:
    """Return the largest difference relative to the reference's largest value.

    Raises:
        DeviceError: it is more than `TOLERANCE`, or not a number.
    """
    difference = float(np.max(np.abs(result - reference)) / np.max(np.abs(reference)))
    if not difference <= TOLERANCE:  # also true where it is not a number
        raise DeviceError(
            f"The device's convolution must agree with NumPy within {TOLERANCE:.1e} of the largest value. "
            f"Received: {difference:.1e}. Its results cannot be trusted: renew its driver, or set "
            "CUDA_VISIBLE_DEVICES=-1 to compute on the CPU."
        )
    return difference


def _convolve_on(device: str, images: npt.NDArray[np.float32], kernel: npt.NDArray[np.float32]) -> Any:
    import tensorflow as tf

    with tf.device(device):
        # Copying the result to NumPy waits until the device has computed it.
        return tf.nn.conv2d(images, kernel, strides=1, padding="VALID").numpy()


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _versions(tf: Any) -> dict[str, str]:
    import keras

    versions = {"Python": platform.python_version(), "TensorFlow": tf.__version__, "Keras": keras.__version__}
    build = tf.sysconfig.get_build_info()
    for library, key in (("CUDA", "cuda_version"), ("cuDNN", "cudnn_version")):
        if build.get(key):
            versions[library] = str(build[key])
    return versions
