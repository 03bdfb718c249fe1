"""The self-check, and what happens where a GPU is there and does not compute."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.devices.cuda import missing_libraries
from models.devices.device import DeviceError, DeviceReport
from models.devices.doctor import examine_device, require_gpu
from models.devices.self_check import TOLERANCE, convolve, difference_from
from tests.models.devices.drivers import compile_driver

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "data_samples" / "normal_4.png"


def run_with_driver(driver: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run Python where the loader finds this driver."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(driver.parent)}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_report_names_a_device_that_computed_the_right_numbers() -> None:
    report = examine_device()
    assert report.name
    assert set(report.differences) == {"Convolution", "Matrix product"}
    assert all(0 <= difference <= TOLERANCE for difference in report.differences.values())
    assert all(duration > 0 for duration in report.milliseconds.values())
    assert set(report.versions) >= {"Python", "OpenVINO" if report.kind == "CPU" else "TensorFlow"}
    assert report.summary in str(report)


def test_a_gpu_whose_driver_kills_the_self_check_is_left_for_the_processor(tmp_path: Path) -> None:
    driver = compile_driver(tmp_path, init="abort()")
    script = (
        "import sys; from models.__main__ import main; arguments = sys.argv[1:]\n"
        "print(main(arguments), main([*arguments, '--require-gpu']))"
    )
    done = run_with_driver(driver, "-c", script, "predict", SAMPLE, "--csv", "-")
    assert done.stdout.splitlines()[-1] == "0 1"
    assert "NORMAL" in done.stdout
    assert "The GPU is not used; the processor computes. The self-check of the GPU ended with SIGABRT" in done.stderr
    assert "error: A GPU is required (--require-gpu). The self-check of the GPU ended with SIGABRT" in done.stderr


def test_the_doctor_names_the_libraries_that_are_missing(tmp_path: Path) -> None:
    done = run_with_driver(compile_driver(tmp_path), "-m", "models", "doctor", "--require-gpu")
    if not missing_libraries():
        pytest.skip("this machine has CUDA's libraries")
    assert done.returncode == 1
    assert "Matrix product" in done.stdout
    assert "No GPU computes. The loader does not find libcudart.so.12" in done.stdout
    assert "error: A GPU is required" in done.stderr


def test_a_required_gpu_that_is_absent_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DeviceError, match=r"nvidia-smi.*CUDA_VISIBLE_DEVICES.*--gpus all"):
        require_gpu(DeviceReport("CPU", "a processor"))
    require_gpu(DeviceReport("GPU", "a card", capability=(7, 0)))


@pytest.mark.parametrize(
    ("kind", "capability", "policy"),
    [
        ("CPU", None, "float32"),
        ("GPU", (6, 1), "float32"),
        ("GPU", (7, 0), "mixed_float16"),
        ("GPU", (7, 5), "mixed_float16"),
        ("GPU", (9, 0), "mixed_float16"),
    ],
)
def test_a_device_rounds_as_it_is_able_to(kind, capability, policy: str) -> None:
    assert DeviceReport(kind, "a device", capability=capability).policy == policy


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", '{"kind": "GPU", "capability": null, "other": 1}'])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"attributes of one|Expecting value"):
        DeviceReport.from_json(text)


def test_the_reference_convolution_equals_sums_written_out() -> None:
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
def test_wrong_numbers_are_refused(damage) -> None:
    reference = np.random.default_rng(1).normal(size=(2, 4, 4, 3)).astype(np.float32)

    assert difference_from(reference, reference) == 0
    with pytest.raises(DeviceError, match="agree with NumPy"):
        difference_from(reference, damage(reference))
