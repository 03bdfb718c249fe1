"""Damaged files, read in a process of its own, with what became of them, how long it took and how much memory."""

import faulthandler
import multiprocessing
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import models.films.dicom  # noqa: F401 - so that loading it counts for no input
from models.films.radiograph import read_radiograph
from models.films.refusal import Refusal, attempt
from tests.fuzz.damage import damaged
from tests.fuzz.seeds import seeds

MOST_SECONDS = 2.0
MOST_GROWTH_MB = 300
HANGING_SECONDS = 60.0


@dataclass
class Found:
    """What came of damaged files of one format.

    Attributes:
        codes: how many were refused with each code; "" for those that were read.
        failures: by the number of the input, what went wrong with it.
        slowest: seconds of the slowest input.
        growth_mb: by how much 10⁶ bytes the peak of memory rose.
    """

    kind: str
    codes: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    slowest: float = 0.0
    growth_mb: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.failures and self.growth_mb < MOST_GROWTH_MB

    def summary(self) -> str:
        """One line."""
        refused = self.codes.total() - self.codes[""]
        return (
            f"{self.kind:6} {self.codes.total()} inputs: {self.codes['']} read, {refused} refused, {len(self.failures)} failed; "
            f"slowest {self.slowest:.2f} s, memory + {self.growth_mb:.0f} MB"
        )


def read_damaged(kind: str, inputs: int, folders: Sequence[Path] = (), *, progress: Connection | None = None) -> Found:
    """Read damaged files of one format in this process."""
    whole, found = seeds(kind, *folders), Found(kind)
    before = peak_mb()
    for number in range(inputs):
        content = damaged(kind, number, whole)
        if progress is not None:
            progress.send(number)
            faulthandler.dump_traceback_later(HANGING_SECONDS, exit=True)
        started = time.perf_counter()
        code = _code(content)
        seconds = time.perf_counter() - started
        found.slowest = max(found.slowest, seconds)
        found.codes[code] += 1
        if code == "internal_error":
            found.failures[number] = "An error that nobody foresaw: its traceback is above."
        elif seconds > MOST_SECONDS:
            found.failures[number] = f"It took {seconds:.1f} s."
    faulthandler.cancel_dump_traceback_later()
    found.growth_mb = peak_mb() - before
    return found


def read_in_child(kind: str, inputs: int, folders: Sequence[Path] = ()) -> Found:
    """The same in a new process; an input that ends it, or hangs, is a failure, too."""
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(kind, inputs, folders, sending))
    child.start()
    sending.close()
    number, result = 0, None
    try:
        while True:
            received = receiving.recv()
            if isinstance(received, Found):
                result = received
            else:
                number = received
    except EOFError:
        child.join()
    return result or Found(kind, failures={number: f"the process ended with status {child.exitcode}"})


def _work(kind: str, inputs: int, folders: Sequence[Path], progress: Connection) -> None:
    progress.send(read_damaged(kind, inputs, folders, progress=progress))


def growth_in_child(paths: Sequence[Path]) -> tuple[float, list[str]]:
    """By how much 10⁶ bytes the peak of memory rises in a new process that reads files; and each one's code, "" if read."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_growth, (paths,))


def _growth(paths: Sequence[Path]) -> tuple[float, list[str]]:
    before = peak_mb()
    codes = [_code(path) for path in paths]
    return peak_mb() - before, codes


def _code(source: Path | bytes) -> str:
    outcome = attempt(lambda: read_radiograph(source))
    return outcome.code if isinstance(outcome, Refusal) else ""


def peak_mb() -> float:
    """The most memory of this process that was resident, in 10⁶ bytes. What `getrusage` calls so is the parent's, too."""
    status = Path("/proc/self/status")
    if status.is_file():
        return next(int(line.split()[1]) * 1024 / 1e6 for line in status.read_text().splitlines() if "VmHWM" in line)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
