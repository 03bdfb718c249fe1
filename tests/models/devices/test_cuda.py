"""The driver and CUDA's libraries: whatever is wrong with them is named."""

import re
from pathlib import Path

import pytest

from models.devices.cuda import LIBRARIES, Card, Driver, misfit, missing_libraries, read_driver
from models.devices.device import DeviceError
from tests.models.devices.drivers import compile_driver

BUILD = {
    "is_cuda_build": True,
    "cuda_version": "12.5.1",
    "cuda_compute_capabilities": ["sm_60", "sm_70", "sm_89", "compute_90"],
}


def test_a_driver_that_answers_is_read(tmp_path: Path) -> None:
    card = Card("Tesla V100", (7, 0))
    assert read_driver(str(compile_driver(tmp_path))) == Driver((12, 2), (card, card))


def test_a_driver_that_fails_is_named_with_its_error(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cuInit with error 803: system has unsupported.*nvidia-smi.*restart"):
        read_driver(str(compile_driver(tmp_path, init="return 803")))


def test_a_driver_without_a_gpu_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"drives no GPU.*nvidia-smi"):
        read_driver(str(compile_driver(tmp_path, count=0)))


def test_a_missing_driver_is_named_with_the_way_to_one() -> None:
    with pytest.raises(DeviceError, match=r"libnosuchdriver\.so\.1.*cannot be loaded.*Install the driver.*--gpus all"):
        read_driver("libnosuchdriver.so.1")


def test_another_library_in_the_place_of_the_driver_is_named() -> None:
    with pytest.raises(DeviceError, match=r"libc\.so\.6 is no library of NVIDIA's driver.*cuInit"):
        read_driver("libc.so.6")


@pytest.mark.parametrize(
    ("version", "capability", "build", "sentence"),
    [
        ((12, 2), (7, 0), BUILD, ""),
        ((13, 0), (12, 0), BUILD, ""),
        ((11, 8), (7, 0), BUILD, r"driver speaks CUDA 11\.8.*needs 12\.5\.1.*newer driver"),
        ((12, 2), (5, 2), BUILD, r"Card has compute capability 5\.2.*needs 6\.0 or more"),
        ((12, 2), (7, 0), {"is_cuda_build": False}, r"2\.21\.0 was built without CUDA.*requirements-gpu\.lock"),
    ],
    ids=["fits", "newer", "old-driver", "old-card", "no-cuda"],
)
def test_a_tensorflow_that_does_not_fit_is_told(version, capability, build, sentence: str) -> None:
    found = misfit(Driver(version, (Card("Card", capability),)), build, "2.21.0")
    assert bool(found) == bool(sentence)
    assert re.search(sentence, found)


def test_missing_libraries_are_named(tmp_path: Path) -> None:
    assert missing_libraries(["libc.so.6"]) == ""
    one = missing_libraries(["libc.so.6", "libnosuch.so.9"], packages=tmp_path)
    assert one == "The loader does not find libnosuch.so.9. Install the packages of requirements-gpu.lock."
    assert "libnosuch.so.9, libother.so.1 and libthird.so.1" in missing_libraries(
        ["libnosuch.so.9", "libother.so.1", "libthird.so.1"], packages=tmp_path
    )


def test_libraries_that_are_there_and_not_found_are_told_apart(tmp_path: Path) -> None:
    place = tmp_path / "nvidia/cudnn/lib"
    place.mkdir(parents=True)
    (place / LIBRARIES[-1]).touch()
    assert missing_libraries([LIBRARIES[-1]], packages=tmp_path).endswith(f"Put {place} into LD_LIBRARY_PATH.")
