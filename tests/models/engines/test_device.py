"""The self-check of the computing device."""

import numpy as np
import pytest

from models.engines.device import TOLERANCE, DeviceError, check_convolution, convolve, describe_device


@pytest.fixture(scope="module")
def gpus() -> list:
    tf = pytest.importorskip("tensorflow")
    return tf.config.list_physical_devices("GPU")


def test_the_report_names_a_device_that_computed_the_right_numbers(gpus):
    report = describe_device()

    assert report.kind == ("GPU" if gpus else "CPU")
    assert report.name
    assert report.milliseconds > 0
    assert 0 <= report.difference <= TOLERANCE
    assert report.versions["TensorFlow"].startswith("2.")
    assert report.kind in str(report)
    assert report.name in str(report)


def test_a_required_gpu_that_is_absent_is_an_error_that_says_what_to_do(gpus):
    if gpus:
        assert describe_device(require_gpu=True).kind == "GPU"
        return
    with pytest.raises(DeviceError, match=r"nvidia-smi.*requirements-gpu\.lock.*--gpus all"):
        describe_device(require_gpu=True)


def test_the_reference_convolution_equals_sums_written_out():
    images = np.arange(2 * 3 * 4 * 2, dtype=np.float32).reshape(2, 3, 4, 2)
    kernel = np.arange(2 * 2 * 2 * 3, dtype=np.float32).reshape(2, 2, 2, 3)

    result = convolve(images, kernel)

    assert result.shape == (2, 2, 3, 3)
    written_out = sum(images[1, 1 + i, 2 + j, c] * kernel[i, j, c, 2] for i in (0, 1) for j in (0, 1) for c in (0, 1))
    assert result[1, 1, 2, 2] == written_out


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda result: result * 1.01, id="scaled"),
        pytest.param(lambda result: np.roll(result, 1, axis=1), id="shifted"),
        pytest.param(np.zeros_like, id="zeros"),
        pytest.param(lambda result: np.full_like(result, np.nan), id="not-a-number"),
    ],
)
def test_wrong_numbers_are_refused(damage):
    reference = np.random.default_rng(1).normal(size=(2, 4, 4, 3)).astype(np.float32)

    assert check_convolution(reference, reference) == 0
    with pytest.raises(DeviceError, match="agree with NumPy"):
        check_convolution(damage(reference), reference)
