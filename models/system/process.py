"""Processes: how a command runs and ends, and how memory goes back to the system."""

import ctypes
import gc
import sys
from collections.abc import Callable
from typing import Final, NoReturn

from threadpoolctl import threadpool_limits

_ALLOCATIONS: Final = 1_000_000
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h
_LARGE: Final = 4 * 2**20
_KEPT: Final = 32 * 2**20


def run_command(main: Callable[[], int]) -> NoReturn:
    """Run `main` in this process, which lives for nothing else, and exit with its status.

    Such a process imports much and makes little garbage. To look for it among the functions of all modules, as often as
    Python does by default, takes a quarter of every import; to do it at the exit, another second where TensorFlow is loaded.
    """
    gc.set_threshold(_ALLOCATIONS)
    status = main()
    gc.freeze()
    sys.exit(status)


def keep_what_is_imported() -> None:
    """Look for garbage no more among what is there now: for a process that serves for long, before it serves anybody.

    Streamlit has all garbage collected after each run of a page; among the functions of all modules, that takes longer than the
    run itself. What comes later is collected as before.
    """
    gc.collect()
    gc.freeze()


def trim_memory() -> None:
    """Give back what was freed and still stays with the process, where the C library can do that (malloc_trim(3))."""
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)


def give_back_memory() -> None:
    """Let freed memory go back to the system, for processes that serve for long, but not with each film.

    Blocks of 4 MB or more go as soon as they are freed. With every such block the GNU C library would move its limit up, to
    32 MB, and what is smaller would stay with the process, in pieces (mallopt(3)). What is freed at the end of its heap stays up
    to 32 MB: by default 128 KB would, and a lone film's pages were given back and asked for again, a third of the kernel's and a
    tenth of all its time (`python -m benchmarks.clients`). With another C library nothing happens.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT)


def one_thread_for_a_product() -> None:
    """Let NumPy compute each product of matrices in this process on the thread that asks for it.

    Those of one film are too small to gain by threads, which wait for each other and for the engine's: without them, eight
    callers get half as many films again (`python -m benchmarks.serving`).
    """
    threadpool_limits(1, user_api="blas")
