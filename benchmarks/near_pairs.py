"""The search for nearly equal films among a million: what does it cost?

    python -m benchmarks.near_pairs --json benchmarks/results/near_pairs.json     a minute
    python -m benchmarks.near_pairs --films 10000                                 a try

Perceptual hashes of noise, some of them copies of others with up to 30 bits turned over: of these none may be missed. Chest films
are more alike than noise: more of their hashes are compared.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.measuring import memory_mb, write_measured
from training.leaks.find import NEAR_BITS
from training.leaks.near_pairs import near_pairs


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the numbers."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.near_pairs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--films", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--copies", type=int, default=1000, metavar="N", help="among them (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    options = parser.parse_args(arguments)
    before = os.getloadavg()[0]
    found = measure(options.films, options.copies)
    Console().print_json(json.dumps(found))
    if options.json:
        write_measured(options.json, found, load_before=before)
    return 0


def measure(films: int, copies: int) -> dict[str, Any]:
    """Seconds, memory, and how many copies were found."""
    hashes = np.random.default_rng(0).integers(0, 256, (films - copies, 32), dtype=np.uint8)
    hashes = np.concatenate([hashes, _copies(hashes, copies)])
    started, processor = time.perf_counter(), time.process_time()
    pairs, _ = near_pairs(hashes, most_bits=NEAR_BITS)
    return {
        "films": films, "copies": copies, "found": int(np.isin(np.arange(films - copies, films), pairs[:, 1]).sum()),
        "seconds": round(time.perf_counter() - started, 1), "processor_seconds": round(time.process_time() - processor, 1),
        "peak_mb": round(memory_mb(os.getpid(), "VmHWM")),
    }  # fmt: skip


def _copies(hashes: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Some of the hashes again, each with 0 to 30 bits turned over."""
    dice = np.random.default_rng(1)
    ranks = dice.random((count, 256)).argsort(axis=1).argsort(axis=1)
    turned = ranks < dice.integers(0, NEAR_BITS + 1, (count, 1))
    chosen: NDArray[np.uint8] = hashes[dice.choice(len(hashes), count, replace=False)] ^ np.packbits(turned, axis=1)
    return chosen


if __name__ == "__main__":
    sys.exit(main())
