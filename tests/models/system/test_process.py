"""How a process that serves for long keeps its memory."""

import ctypes
import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from models.system.process import keep_what_is_imported

ROOT = Path(__file__).parents[3]

COUNT_PAGES = """
import resource
import numpy as np
from models.system.process import give_back_memory

def film():
    return [np.ones(3 * 2**20, np.uint8) for _ in range(4)]  # all at once, and freed at once

def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return resource.getpagesize() // 1024 * int(open("/proc/self/statm").read().split()[1])

give_back_memory()
film()
before = pages()
for _ in range(10):
    film()
print(pages() - before)
before = resident()
large = np.ones(64 * 2**20, np.uint8)
del large
print(resident() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library manages memory by itself")
def test_a_films_pages_are_asked_for_once_and_a_large_block_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT_PAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    pages, kilobytes = map(int, done.stdout.split())
    assert pages < 1_000  # of the 30,000 that ten films take
    assert kilobytes < 1_024  # of the 65,536 of the block


class Ring:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


def test_what_is_imported_is_passed_over_and_what_comes_later_is_collected() -> None:
    before = Ring()
    keep_what_is_imported()
    assert not any(one is before for one in gc.get_objects())
    later = weakref.ref(Ring())
    gc.collect()
    assert later() is None
