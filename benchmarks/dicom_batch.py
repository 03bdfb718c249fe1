"""A thousand films as DICOM through `predict`: does memory stay flat, and are they judged as fast as the same films as PNG?

    python -m benchmarks.dicom_batch --data chest_xray/train --json benchmarks/results/dicom_batch.json

Each film is written with its shades in 12 bits of 16, uncompressed, with a window and a rescale, and as PNG of 8 bits. Speed:
both folders in turns, the shipped bundle in memory, median of three. Memory: `python -m models predict` on the DICOM folder,
seen from outside; what is resident in the last quarter of its time less that in the second, by the median. About four minutes
on two cores.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from rich.console import Console

from benchmarks.films import film_folder
from benchmarks.measuring import ROOT, Bar, memory_mb, run_benchmark
from data_samples.writing import write_dicom
from models.command_line.screening import judge_files
from models.films.radiograph import read_radiograph
from models.predictor import Predictor

_SPEED: Final = Bar("DICOM judged in a second / the same films as PNG", 0.9, True)
_GROWTH: Final = Bar("MB by which the last quarter of the films exceeds the second", 20, False)
_WHITE: Final = 255
_KINDS: Final = (".dcm", ".png")
_POLL_SECONDS: Final = 0.2
_SOME_REFUSED: Final = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("dicom_batch", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Films per second of either kind, their ratio, and the growth of memory."""
    count, repeats = (200, 1) if options.quick else (1000, 3)
    source = options.data or film_folder(count)
    with tempfile.TemporaryDirectory() as scratch:
        with console.status("Writing the films …"):
            write_both(source, Path(scratch), count)
        folders = {kind: Path(scratch, kind[1:]) for kind in _KINDS}
        with console.status("Speed …"):
            rates = films_per_second(folders, repeats)
        with console.status("Memory …"):
            growth, peak = memory_growth(folders[".dcm"])
    dicom, png = (rates[kind] for kind in _KINDS)
    for bar, found in ((_SPEED, dicom / png), (_GROWTH, growth)):
        console.print(f"{bar.what}: {found:.3g}, bar {bar}, {'met' if bar.met(found) else 'not met'}", markup=False)
    return {
        "n": count,
        "dicom_films_per_second": dicom,
        "png_films_per_second": png,
        "dicom_speed_share": dicom / png,
        "dicom_memory_growth_mb": growth,
        "peak_mb": peak,
    }


def write_both(source: Path, target: Path, count: int) -> None:
    """Write films of a folder as DICOM and as PNG; where it has too few, some come again."""
    for kind in _KINDS:
        (target / kind[1:]).mkdir()
    films = sorted(path for path in source.rglob("*") if path.suffix.lower() in (".jpeg", ".jpg", ".png", ".dcm"))
    for number in range(count):
        pixels = read_radiograph(films[number % len(films)]).pixels
        write_dicom(target / "dcm" / f"{number:05}.dcm", pixels.astype(np.float64) / _WHITE)
        Image.fromarray(pixels).save(target / "png" / f"{number:05}.png")


def films_per_second(folders: dict[str, Path], repeats: int) -> dict[str, float]:
    """From the files of a folder to predictions; the kinds in turns, so that what else the machine does meets both."""
    predictor = Predictor.load()
    files = {kind: sorted(folder.iterdir()) for kind, folder in folders.items()}
    rates: dict[str, list[float]] = {kind: [] for kind in folders}
    for kind in folders:
        list(judge_files(predictor, files[kind][:32]))
    for _ in range(repeats):
        for kind, paths in files.items():
            started = time.perf_counter()
            list(judge_files(predictor, paths))
            rates[kind].append(len(paths) / (time.perf_counter() - started))
    return {kind: statistics.median(found) for kind, found in rates.items()}


def memory_growth(folder: Path) -> tuple[float, float]:
    """10⁶ bytes by which the median of the last quarter exceeds that of the second; and the peak of all."""
    table = folder.parent / "results.csv"
    command = [sys.executable, "-m", "models", "predict", str(folder), "--csv", str(table)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    resident = []
    while process.poll() is None:
        resident.append(memory_mb(process.pid))
        time.sleep(_POLL_SECONDS)
    if process.returncode not in (0, _SOME_REFUSED):
        raise RuntimeError(f"predict ended with status {process.returncode}.")
    quarter = len(resident) // 4
    last, second = (statistics.median(part) for part in (resident[3 * quarter :], resident[quarter : 2 * quarter]))
    return last - second, max(resident)


if __name__ == "__main__":
    sys.exit(main())
