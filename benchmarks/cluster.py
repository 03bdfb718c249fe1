"""A cluster on one machine: is it right, is it quick, and what if a machine dies?

    python -m benchmarks.cluster --kills 0 --json benchmarks/results/cluster.json             speed: two idle cores
    python -m benchmarks.cluster --films 256 --times 1 --json benchmarks/results/kills_of_nodes.json     nodes that are killed
    python -m benchmarks.cluster --films 64 --kills 1 --times 1                               a try

Ray's nodes are processes of their own here, each with one processor. A folder is judged by `predict` as on one machine, by one
node and by two, by turns, each worker with one thread; then by two of which one is killed at a random moment. Counted are
results that are missing, doubled, or different from those of one machine in any digit. Needs requirements-cluster.txt.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.films import film_folder
from benchmarks.measuring import ROOT, machine, versions, write_json

_MEMORY: Final = 100_000_000  # of each node, for what lies between workers
_STATUS: Final = (0, 3)  # 3: some films were refused, as synthetic ones may be


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the numbers."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=1024, metavar="N")
    parser.add_argument("--times", type=int, default=3, metavar="N", help="each speed is measured so often")
    parser.add_argument("--kills", type=int, default=10, metavar="N", help="random moments at which a node is killed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    options = parser.parse_args(arguments)
    console, before = Console(), os.getloadavg()[0]
    films = film_folder(options.films)
    with tempfile.TemporaryDirectory(prefix="cluster-") as scratch:
        found = measure(films, options, Path(scratch), console)
    console.print_json(json.dumps(found))
    if options.json:
        write_json(
            options.json, {"load_before": round(before, 2), "machine": machine(), "versions": versions(), **found}
        )
    return 0


def measure(films: Path, options: argparse.Namespace, scratch: Path, console: Console) -> dict[str, Any]:
    """Films per second of one machine, one worker and two; and what became of the films where a node was killed."""
    seconds: dict[str, list[float]] = {"plain": [], "one worker": [], "two workers": []}
    judging: list[float] = []
    for turn in range(options.times):
        seconds["plain"].append(_plain(films, scratch / "plain.csv"))
        for name, nodes in (("one worker", 1), ("two workers", 2)):
            with _nodes(nodes) as (address, _):
                run = _Run(films, address, scratch / f"{nodes}-{turn}").wait()
            seconds[name].append(run.seconds)
        judging.append(run.seconds - run.begun)
        console.print({name: [round(one, 1) for one in row] for name, row in seconds.items()})
    middle = {name: statistics.median(row) for name, row in seconds.items()}
    whole = (scratch / "plain.csv").read_bytes()
    kills = [
        _killed(films, scratch / f"kill-{number}", statistics.median(judging), whole, console)
        for number in range(options.kills)
    ]
    return {
        "films": options.films,
        "seconds": middle,
        "two_workers_ratio": middle["one worker"] / middle["two workers"],
        "one_worker_share": middle["plain"] / middle["one worker"],
        "same_csv": all(path.read_bytes() == whole for path in scratch.glob("*/results.csv")),
        "kills": kills,
    }


class _Run:
    """`predict --cluster` in a process of its own.

    Attributes:
        begun: seconds after which the first film was judged, its worker then having loaded its model.
        seconds: in all.
    """

    def __init__(self, films: Path, address: str, place: Path) -> None:
        place.mkdir()
        command = [sys.executable, "-m", "models", "predict", str(films), "--cluster", address, "--cores", "1",
                   "--results", str(place / "parts"), "--csv", str(place / "results.csv")]  # fmt: skip
        self._started = time.perf_counter()
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while self.process.poll() is None and not _judging():
            time.sleep(0.1)
        self.begun = time.perf_counter() - self._started
        self.seconds = 0.0

    def wait(self) -> "_Run":
        if (status := self.process.wait(1800)) not in _STATUS:
            raise RuntimeError(f"predict --cluster ended with status {status}")
        self.seconds = time.perf_counter() - self._started
        return self


def _judging() -> bool:
    """Whether a worker judges films: Ray calls its processes by what they do."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # a process that has ended
            if b"FilmJudge)).submit" in line.read_bytes():
                return True
    return False


def _plain(films: Path, csv: Path) -> float:
    """The same on one machine, with one thread as a worker has."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "models", "predict", str(films), "--csv", str(csv)]
    pinned = ["taskset", "--cpu-list", "0", *command] if shutil.which("taskset") else command
    status = subprocess.run(
        pinned, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    ).returncode
    if status not in _STATUS:
        raise RuntimeError(f"predict ended with status {status}")
    return time.perf_counter() - started


def _killed(films: Path, place: Path, judging: float, whole: bytes, console: Console) -> dict[str, Any]:
    """Judge on two nodes of which one is killed somewhere in the time that judging usually takes."""
    after = random.uniform(0, 0.9) * judging  # noqa: S311 - no secret
    with _nodes(2) as (address, kill):
        run = _Run(films, address, place)
        time.sleep(after)
        running = run.process.poll() is None
        kill()
        run.wait()
    ids, csv = _ids(place), (place / "results.csv").read_bytes()
    found = {
        "after": round(after, 1),  # seconds of judging
        "of": round(run.seconds - run.begun, 1),
        "running": running,
        "lost": whole.count(b"\n") - 1 - len(set(ids)),
        "doubled": len(ids) - len(set(ids)),
        "same": csv == whole,
    }
    console.print(found)
    return found


def _ids(place: Path) -> list[int]:
    """Of the films whose results are on disk, each as often as it is there."""
    parts = (place / "parts").glob("[!.]*.parquet")
    return [number for part in parts for number in pq.read_table(part, columns=["id"])["id"].to_pylist()]


@contextmanager
def _nodes(count: int) -> Iterator[tuple[str, Any]]:
    """A head without processors and so many nodes with one each; yields its address and what kills one of them."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - spelt so by Ray
    cluster = Cluster(True, head_node_args={"num_cpus": 0, "object_store_memory": _MEMORY, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1, object_store_memory=_MEMORY) for _ in range(count)]
        yield cluster.address, lambda: cluster.remove_node(nodes[-1], allow_graceful=False)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    sys.exit(main())
