"""`python -m models doctor`: which device computes here, and why no better one does.

The app, `predict` and `train` ask the same before they load a network, where the machine shows a GPU. That takes some seconds,
in a process of its own: a driver that fails may take the process with it, and what the check has of the GPU's memory goes back.
"""

import logging
import os
import platform
import signal
import subprocess
import sys
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich.console import Console

from models.devices.cuda import Driver, gpu_is_shown, misfit, missing_libraries, read_driver
from models.devices.device import DeviceError, DeviceReport, processor
from models.devices.self_check import Checked, check_gpu, check_processor
from models.system.quiet import import_keras_quietly, tensorflow_is_installed

_ROOT: Final = Path(__file__).parents[2]
_SECONDS: Final = 300
_HIDDEN: Final = "-1"

_NO_GPU: Final = (
    "A GPU is required (--require-gpu), and this machine shows none. Check that `nvidia-smi` works, that CUDA_VISIBLE_DEVICES "
    "does not hide it, and that a container was given it: `docker run --gpus all …`, or "
    "`docker compose -f compose.yaml -f compose.gpu.yaml up`."
)


@cache
def computing_device() -> DeviceReport:
    """What networks run on in this process; found out once, and without TensorFlow where the machine shows no GPU.

    A GPU that does not compute is hidden from this process, and the logger `pneumolens` says why.
    """
    if not gpu_is_shown():
        return processor()
    with Console(stderr=True).status("Examining the GPU …"):
        report = examine_apart()
    if report.kind == "CPU":
        os.environ["CUDA_VISIBLE_DEVICES"] = _HIDDEN
        logging.getLogger("pneumolens").warning("The GPU is not used; the processor computes. %s", report.trouble)
    return report


def require_gpu(report: DeviceReport) -> None:
    """Raise a DeviceError that says what to do where no GPU computes."""
    if report.kind != "GPU":
        raise DeviceError(f"A GPU is required (--require-gpu). {report.trouble}" if report.trouble else _NO_GPU)


def examine_apart() -> DeviceReport:
    """Examine the devices in a process of its own; one that dies of it is a trouble like any other."""
    command = [sys.executable, "-m", "models", "doctor", "--json"]
    try:
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return replace(
            processor(), trouble=f"The self-check did not end within {_SECONDS} seconds. Restart the machine."
        )
    try:
        return DeviceReport.from_json(done.stdout)
    except ValueError:
        return replace(processor(), trouble=_death(done))


def examine_device() -> DeviceReport:
    """Find out what computes in this process, and run the self-check on it; loads TensorFlow where there is a driver for a GPU.

    Raises:
        DeviceError: the processor computes wrong numbers, too.
    """
    trouble = ""
    if gpu_is_shown():
        try:
            return _examine_gpu(read_driver())
        except DeviceError as error:
            trouble = str(error)
    return _report(replace(processor(), trouble=trouble), check_processor(), {"OpenVINO": version("openvino")})


def _examine_gpu(driver: Driver) -> DeviceReport:
    """The first GPU, checked; raises DeviceError where it does not compute."""
    if not tensorflow_is_installed():
        raise DeviceError(
            "There is no TensorFlow here to compute on it. Install the packages of requirements-gpu.lock."
        )
    import_keras_quietly()
    import tensorflow as tf

    name, capability = driver.cards[0]
    if trouble := _tensorflow_trouble(driver):
        raise DeviceError(trouble)
    try:
        checked = check_gpu()
    except tf.errors.OpError as error:
        raise DeviceError(
            f"{name} cannot compute: {error.message.splitlines()[0]} Its driver or one of CUDA's libraries does not fit "
            f"TensorFlow {tf.__version__}: update the driver, or install requirements-gpu.lock."
        ) from error
    count, spoken = len(tf.config.list_physical_devices("GPU")), ".".join(map(str, driver.version))
    build = tf.sysconfig.get_build_info()
    versions = {"TensorFlow": tf.__version__, "CUDA": build["cuda_version"], "cuDNN": build["cudnn_version"]}
    return _report(DeviceReport("GPU", name, count, spoken, capability), checked, versions)


def _tensorflow_trouble(driver: Driver) -> str:
    """Why TensorFlow does not take the first GPU; empty where it does."""
    import tensorflow as tf

    if trouble := misfit(driver, tf.sysconfig.get_build_info(), tf.__version__):
        return trouble
    if tf.config.list_physical_devices("GPU"):
        return ""
    return missing_libraries() or (
        f"TensorFlow {tf.__version__} takes no GPU, though driver and libraries are there. What it says itself: "
        "TF_CPP_MIN_LOG_LEVEL=0 python -c 'import tensorflow as tf; tf.config.list_physical_devices()'"
    )


def _report(report: DeviceReport, checked: dict[str, Checked], versions: dict[str, str]) -> DeviceReport:
    return replace(
        report,
        versions={"Python": platform.python_version(), **versions},
        differences={name: one.difference for name, one in checked.items()},
        milliseconds={name: one.milliseconds for name, one in checked.items()},
    )


def _death(done: "subprocess.CompletedProcess[str]") -> str:
    """What is to be said of a self-check that gave no report."""
    how = signal.Signals(-done.returncode).name if done.returncode < 0 else f"exit status {done.returncode}"
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return f"The self-check of the GPU ended with {how}: {last} Update the driver, or install requirements-gpu.lock."
