"""Arrays that are larger than the memory of a machine may be."""

import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


def mapped_array(folder: Path, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array of zeros in a file without a name: it is read and written as any other, and gone with the last who holds it.

    What of it lies in memory the system writes to the disk and gives to others, wherever it is short of it.

    Args:
        folder: on the disk that has the room; made where it is missing.

    Raises:
        OSError: where the disk has no room for all of it: later, where nobody could say so, there would be a plain crash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        if sys.platform == "linux":
            os.posix_fallocate(file.fileno(), 0, math.prod(shape) * np.dtype(dtype).itemsize)
        return np.asarray(np.memmap(file, dtype, "r+" if sys.platform == "linux" else "w+", shape=shape))
