"""NVIDIA's driver and CUDA's libraries, asked without TensorFlow: it says that it found no GPU, and not why."""

import ctypes
import os
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from models.devices.device import DeviceError

DRIVER: Final = "libcuda.so.1"
LIBRARIES: Final = (
    "libcudart.so.12",
    "libcublas.so.12",
    "libcublasLt.so.12",
    "libcufft.so.11",
    "libcusolver.so.11",
    "libcusparse.so.12",
    "libcudnn.so.9",
)
"""What TensorFlow 2.21 opens; it uses no GPU where one of them is missing."""

_NODES: Final = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_* of cuda.h
_NAME_LENGTH: Final = 256


class Card(NamedTuple):
    """A GPU: its name, and its compute capability."""

    name: str
    capability: tuple[int, int]


class Driver(NamedTuple):
    """The driver: the newest version of CUDA that it speaks, and the GPUs that it drives."""

    version: tuple[int, int]
    cards: tuple[Card, ...]


def gpu_is_shown() -> bool:
    """Whether this machine shows an NVIDIA GPU or a driver for one, working or not, and CUDA_VISIBLE_DEVICES does not hide it."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and (any(Path(node).exists() for node in _NODES) or _loads(DRIVER))


def read_driver(library: str = DRIVER) -> Driver:
    """Ask the driver for its version and its GPUs, by CUDA's driver API.

    Raises:
        DeviceError: the library is missing or is another one, the driver does not answer, or drives no GPU.
    """
    try:
        cuda = ctypes.CDLL(library)
    except OSError as error:
        raise DeviceError(
            f"{library}, a library of NVIDIA's driver, cannot be loaded ({error}). Install the driver on this machine; for a "
            "container, NVIDIA's container toolkit, too, and start it with `--gpus all`."
        ) from error
    try:
        _call(cuda, "cuInit", 0)
        version, count = ctypes.c_int(), ctypes.c_int()
        _call(cuda, "cuDriverGetVersion", ctypes.byref(version))
        _call(cuda, "cuDeviceGetCount", ctypes.byref(count))
        cards = tuple(_card(cuda, number) for number in range(count.value))
    except AttributeError as error:
        raise DeviceError(f"{library} is no library of NVIDIA's driver ({error}). Install the driver anew.") from error
    if not cards:
        raise DeviceError(f"{library} drives no GPU. Check that `nvidia-smi` lists one.")
    return Driver((version.value // 1000, version.value % 1000 // 10), cards)


def misfit(driver: Driver, build: dict[str, Any], tensorflow: str) -> str:
    """Why a TensorFlow cannot use the first GPU of a driver, in a sentence; empty where it should.

    Args:
        build: what `tensorflow.sysconfig.get_build_info()` gives.
        tensorflow: its version.
    """
    if not build.get("is_cuda_build"):
        return f"This TensorFlow {tensorflow} was built without CUDA. Install the packages of requirements-gpu.lock."
    built = str(build["cuda_version"])
    if driver.version[0] < int(built.partition(".")[0]):
        spoken = ".".join(map(str, driver.version))
        return f"The driver speaks CUDA {spoken}, TensorFlow {tensorflow} needs {built}. Install a newer driver."
    name, capability = driver.cards[0]
    least = min(_capability(one) for one in build["cuda_compute_capabilities"])
    if capability < least:
        has, needs = (".".join(map(str, one)) for one in (capability, least))
        return f"{name} has compute capability {has}, TensorFlow {tensorflow} needs {needs} or more. Take a newer card."
    return ""


def missing_libraries(names: Iterable[str] = LIBRARIES, *, packages: Path | None = None) -> str:
    """Which of CUDA's libraries the loader does not find, in a sentence; empty where it finds them all.

    Args:
        packages: where Python's packages lie, those of CUDA among them; None: those of this Python.
    """
    folder = packages or Path(sysconfig.get_path("purelib"))
    missing = [name for name in names if not _loads(name)]
    if not missing:
        return ""
    places = sorted({str(path.parent) for name in missing for path in folder.glob(f"nvidia/*/lib/{name}")})
    way = (
        f"Put {':'.join(places)} into LD_LIBRARY_PATH." if places else "Install the packages of requirements-gpu.lock."
    )
    return f"The loader does not find {_listed(missing)}. {way}"


def _call(cuda: ctypes.CDLL, function: str, *arguments: object) -> None:
    """Call a function of the driver; raises DeviceError where it does not succeed."""
    status = getattr(cuda, function)(*arguments)
    if status:
        text = ctypes.c_char_p()
        cuda.cuGetErrorString(status, ctypes.byref(text))
        why = (text.value or b"unknown error").decode(errors="replace")
        raise DeviceError(
            f"NVIDIA's driver answers {function} with error {status}: {why}. Check that `nvidia-smi` works; after an update of "
            "the driver, restart the machine."
        )


def _card(cuda: ctypes.CDLL, number: int) -> Card:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_LENGTH)
    _call(cuda, "cuDeviceGet", ctypes.byref(device), number)
    _call(cuda, "cuDeviceGetName", name, _NAME_LENGTH, device)
    major, minor = ctypes.c_int(), ctypes.c_int()
    _call(cuda, "cuDeviceGetAttribute", ctypes.byref(major), _MAJOR, device)
    _call(cuda, "cuDeviceGetAttribute", ctypes.byref(minor), _MINOR, device)
    return Card(name.value.decode(errors="replace"), (major.value, minor.value))


def _capability(architecture: str) -> tuple[int, int]:
    """Of "sm_86" or "compute_90"."""
    digits = architecture.partition("_")[2].rstrip("af")
    return int(digits[:-1]), int(digits[-1])


def _loads(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
