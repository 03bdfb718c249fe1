"""What every benchmark shares: its command line, the machine it ran on, a process measured from outside, medians."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from models.system.files import write_atomically
from models.system.packages import installed_versions
from training.config import PRECISIONS

ROOT: Final = Path(__file__).parents[1]
FILMS: Final = 5216
"""Of the published training split: what every cost is stated for."""

PACKAGES: Final = (
    "tensorflow",
    "keras",
    "openvino",
    "numpy",
    "scipy",
    "scikit-learn",
    "pillow",
    "opencv-python-headless",
    "pydicom",
    "streamlit",
)
_POLL_SECONDS: Final = 0.2

Benchmark = Callable[[argparse.Namespace, Console], dict[str, Any]]


class Bar(NamedTuple):
    """What a number is held to: at least `value` where `at_least`, else at most."""

    what: str
    value: float
    at_least: bool

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:,g}"

    def met(self, found: float) -> bool:
        return found >= self.value if self.at_least else found <= self.value


BARS: Final[Mapping[str, Bar]] = {
    "train_cold_ratio": Bar("the recipe's 20 epochs / our first run, ResNet-50, one augmented view", 20, True),
    "train_warm_ratio": Bar("the recipe's 20 epochs / our second run, other head settings", 300, True),
    "throughput_ratio": Bar("films per second: predict on a folder / keras.Model.predict on decoded arrays", 2.4, True),
    "latency_ratio": Bar("one film: keras.predict and Grad-CAM / ours with heatmap", 6, True),
    "bf16_efficiency": Bar("the embedding pass / the machine's bf16 matrix product, GFLOP/s", 0.8, True),
    "serve_cold_start_s": Bar("seconds from the start of the app to its page", 4, False),
    "serve_rss_mb": Bar("MB resident in the app after 200 predictions", 600, False),
    "train_rss_mb": Bar("MB at the peak of the first training run", 1200, False),
    "serve_throughput_share": Bar("eight threads on one model / the batch rate of the same files", 0.9, True),
    "serve_p95_ratio": Bar("95th percentile of eight threads / the median of one", 10, False),
    "serve_mixed_answers": Bar("answers of eight threads that belong to another file", 0, False),
    "quality_difference": Bar("grouped validation AUROC, ours less the recipe's", 0, True),
}


def run_benchmark(
    name: str,
    description: str | None,
    benchmark: Benchmark,
    arguments: Sequence[str] | None,
    *,
    with_precision: bool = False,
) -> int:
    """Parse `[--quick] [--data DIR] [--json FILE]`, run, print the ratios with their bars, write the JSON file.

    `with_precision` adds `--precision`, that of `python -m training train`.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a smaller sample, or less of it: rough")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="a folder of films, one folder per class (default: synthetic films)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    if with_precision:
        add_precision(parser)
    options = parser.parse_args(arguments)
    console = Console()
    before = os.getloadavg()[0]
    result = benchmark(options, console)
    show_ratios(console, name, result)
    command = f"python -m benchmarks.{name}{' --quick' if options.quick else ''}{' --data DIR' if options.data else ''}"
    command += " --precision int8" if with_precision and options.precision == "int8" else ""
    films = "of a given folder" if options.data else "synthetic"
    setting = {"command": command, "quick": options.quick, "films": films, "load_before": round(before, 2)}
    if options.json:
        write_json(options.json, {**setting, "machine": machine(), "versions": versions(), **result})
    return 0


def add_precision(parser: argparse.ArgumentParser) -> None:
    """The option of those benchmarks that train a backbone."""
    parser.add_argument(
        "--precision", choices=PRECISIONS, default="float", help="of the backbone, as for training (default: float)"
    )


def show_ratios(console: Console, title: str, result: Mapping[str, Any]) -> None:
    """A table of those numbers that have a bar."""
    table = Table("number", "measured", "bar", "met", title=title)
    for key, bar in BARS.items():
        if key in result:
            found = result[key]
            met = "not measured" if found is None else "yes" if bar.met(found) else "no"
            table.add_row(key, "—" if found is None else f"{found:,.4g}", str(bar), met)
    if table.row_count:
        console.print(table)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write numbers for people and programs."""
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False, default=float) + "\n")


def write_measured(path: Path, found: Mapping[str, Any], *, load_before: float) -> None:
    """Write numbers with the machine, its load before they were taken, and the packages that did the work."""
    setting = {"load_before": round(load_before, 2), "machine": machine(), "versions": versions()}
    write_json(path, {**setting, **found})


def machine() -> dict[str, Any]:
    """The processor and what it can do."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").is_file() else ""
    fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in fields.items()}
    flags = fields.get("flags", "").split()
    return {
        "processor": fields.get("model name") or platform.processor() or platform.machine(),
        "family": f"{fields.get('cpu family', '?')}, model {fields.get('model', '?')}",
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "bf16": sorted({"avx512_bf16", "amx_bf16"} & set(flags)),
        "int8": sorted({"avx_vnni", "avx512_vnni", "amx_int8"} & set(flags)),
        "vectors": "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "",
        "system": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """Python and the packages that do the work."""
    return {"python": platform.python_version(), **installed_versions(PACKAGES)}


class Measured(NamedTuple):
    """A process, seen from outside.

    Attributes:
        seconds: from its start to its end.
        peak_mb: the most memory (10⁶ bytes) that was resident at a time in it and in the processes that it started; what
            they share counts once.
        output: what it wrote.
    """

    seconds: float
    peak_mb: float
    output: str


def run_measured(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, accepted: Sequence[int] = (0,)
) -> Measured:
    """Run `python -m …` from the root; a RuntimeError where its status is not one of those accepted."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = 0.0
    while True:
        peak = max(peak, _tree_mb(process.pid))
        try:
            output, _ = process.communicate(timeout=_POLL_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    seconds = time.perf_counter() - started
    if process.returncode not in accepted:
        raise RuntimeError(f"{' '.join(command[:2])} ended with status {process.returncode}:\n{output[-3000:]}")
    return Measured(seconds, peak, output)


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Memory of a process in 10⁶ bytes: resident now (`VmRSS`), or at its peak (`VmHWM`); 0 where it has ended."""
    return _field_mb(Path(f"/proc/{pid}/status"), field)


def _tree_mb(pid: int) -> float:
    """A process by its peak so far, which no polling misses; or, where that is more, its share and its descendants' now."""
    peak, descendants = memory_mb(pid, "VmHWM"), _descendants(pid)
    if not descendants:  # shares are not asked for in vain: a process stands still while they are summed up
        return peak
    return max(peak, sum(_field_mb(Path(f"/proc/{one}/smaps_rollup"), "Pss:") for one in (pid, *descendants)))


def _field_mb(file: Path, field: str) -> float:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:  # the process has ended
        return 0.0
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(field)), 0.0)


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            own = [int(child) for child in children.read_text(encoding="utf-8").split()]
        except OSError:  # the thread has ended
            continue
        for child in own:
            found += [child, *_descendants(child)]
    return found


def median_seconds(work: Callable[[], Any], *, times: int, warm_up: int = 2) -> float:
    """The median time of a piece of work."""
    for _ in range(warm_up):
        work()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)
