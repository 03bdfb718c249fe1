"""Libraries that answer like NVIDIA's driver: the only ones to be had where there is no GPU."""

import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = r"""
#include <stdlib.h>
#include <string.h>
int cuInit(unsigned flags) { INIT; }
int cuGetErrorString(int status, const char **text) { *text = "system has unsupported driver combination"; return 0; }
int cuDriverGetVersion(int *version) { *version = 12020; return 0; }
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGet(int *device, int number) { *device = number; return 0; }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, "Tesla V100", length); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = attribute == 75 ? 7 : 0; return 0; }
"""


def compile_driver(folder: Path, *, init: str = "return 0", count: int = 2) -> Path:
    """Compile one into a folder; `init` is what it does when it is woken."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) to make a driver's library with")
    library, source = folder / "libcuda.so.1", folder / "driver.c"
    source.write_text(SOURCE)
    command = [compiler, "-shared", "-fPIC", f"-DINIT={init}", f"-DCOUNT={count}", "-o", library, source]
    subprocess.run(command, check=True)
    return library
