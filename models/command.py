"""What the command lines share."""

import gc
import sys
from collections.abc import Callable
from typing import Final, NoReturn

_ALLOCATIONS: Final = 100_000


def run_command(main: Callable[[], int]) -> NoReturn:
    """Run `main` in this process, which lives for nothing else, and exit with its status.

    Such a process imports much and makes little garbage. To look for it among the functions of all modules, as often as
    Python does by default, takes a quarter of every import; to do it at the exit, another second where TensorFlow is loaded.
    """
    gc.set_threshold(_ALLOCATIONS)
    status = main()
    gc.freeze()
    sys.exit(status)
