"""A cluster on one machine: is it right, is it quick, and what if a machine dies?

    python -m benchmarks.cluster --kills 0 --json benchmarks/results/cluster.json              two idle cores, ten minutes
    python -m benchmarks.cluster --times 0 --films 256 --json benchmarks/results/node_kills.json  ten kills, five minutes
    python -m benchmarks.cluster --films 64 --kills 1 --times 1                                   a try

Ray's nodes are processes of their own here, each with one processor. A folder is judged by `predict` as on one machine, by one
node and by two, by turns, each worker with one thread; then by two of which one is killed at a random moment. Counted are results
that are missing, doubled, or different from those of one machine in any digit. Needs requirements-cluster.txt.
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
from itertools import count
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from rich.console import Console

from benchmarks.films import film_folder
from benchmarks.measuring import ROOT, write_measured

_MEMORY: Final = 100_000_000  # of each node, for what lies between workers
_STATUS: Final = (0, 3)  # 3: some films were refused, as synthetic ones may be


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the numbers."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=4096, metavar="N")
    parser.add_argument("--times", type=int, default=2, metavar="N", help="each speed is measured so often")
    parser.add_argument("--kills", type=int, default=10, metavar="N", help="random moments at which a node is killed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    options = parser.parse_args(arguments)
    console, before = Console(), os.getloadavg()[0]
    films = film_folder(options.films)
    with tempfile.TemporaryDirectory(prefix="cluster-") as scratch:
        found = measure(films, options, Path(scratch), console)
    console.print_json(json.dumps(found))
    if options.json:
        write_measured(options.json, found, load_before=before)
    return 0


def measure(films: Path, options: argparse.Namespace, scratch: Path, console: Console) -> dict[str, Any]:
    """What became of the films where a node was killed, and the seconds of one machine, one worker and two."""
    _plain(films, scratch / "plain.csv")
    kills = _kills(films, scratch, options.kills, console) if options.kills else []
    speeds = _speeds(films, scratch, options.times, console) if options.times else {}
    whole = (scratch / "plain.csv").read_bytes()
    same = all(path.read_bytes() == whole for path in scratch.glob("*/results.csv"))
    return {"films": options.films, **speeds, "same_csv": same, "kills": kills}


def _speeds(films: Path, scratch: Path, times: int, console: Console) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {"plain": [], "one worker": [], "two workers": []}
    for turn in range(times):
        seconds["plain"].append(_plain(films, scratch / "plain.csv"))
        for name, nodes in (("one worker", 1), ("two workers", 2)):
            with _nodes(nodes) as cluster:
                run = _Run(films, cluster.address, scratch / f"{nodes}-{turn}").wait()
            seconds[name].append(run.seconds)
        console.print({name: [round(one, 1) for one in row] for name, row in seconds.items()})
    middle = {name: statistics.median(row) for name, row in seconds.items()}
    return {
        "seconds": middle,
        "two_workers_ratio": middle["one worker"] / middle["two workers"],
        "one_worker_share": middle["plain"] / middle["one worker"],
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

    @property
    def judging(self) -> float:
        """Seconds from when a worker began to judge to the end."""
        return self.seconds - self.begun


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


def _kills(films: Path, scratch: Path, times: int, console: Console) -> list[dict[str, Any]]:
    """Judge on two nodes of which one is killed somewhere in the time that judging takes, until so many were in time."""
    whole = (scratch / "plain.csv").read_bytes()
    found: list[dict[str, Any]] = []
    with _nodes(2) as cluster:
        judging = _Run(films, cluster.address, scratch / "undisturbed").wait().judging
        for number in count():
            if len(found) == times:
                break
            place, after = scratch / f"kill-{number}", random.uniform(0, 0.9) * judging  # noqa: S311 - no secret
            run = _Run(films, cluster.address, place)
            time.sleep(after)
            in_time = run.process.poll() is None
            cluster.kill()
            run.wait()
            if in_time:
                found.append({"after": round(after, 1), **_counted(run, place, whole)})
                console.print(found[-1])
            else:  # the machine has less to do than before
                judging = run.judging
            cluster.add()
    return found


def _counted(run: _Run, place: Path, whole: bytes) -> dict[str, Any]:
    """What is there of the films, against the results of one machine."""
    parts = (place / "parts").glob("[!.]*.parquet")
    ids = [number for part in parts for number in pq.read_table(part, columns=["id"])["id"].to_pylist()]
    return {
        "of": round(run.judging, 1),
        "lost": whole.count(b"\n") - 1 - len(set(ids)),
        "doubled": len(ids) - len(set(ids)),
        "same": (place / "results.csv").read_bytes() == whole,
    }


class _Nodes:
    """A head without processors, and nodes with one each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - spelt so by Ray
        head = {"num_cpus": 0, "object_store_memory": _MEMORY, "include_dashboard": False}
        self._cluster = Cluster(True, head_node_args=head)
        self._nodes: list[Any] = []
        self.address = self._cluster.address

    def add(self) -> None:
        self._nodes.append(self._cluster.add_node(num_cpus=1, object_store_memory=_MEMORY))

    def kill(self) -> None:
        self._cluster.remove_node(self._nodes.pop(), allow_graceful=False)

    def shutdown(self) -> None:
        self._cluster.shutdown()


@contextmanager
def _nodes(count: int) -> Iterator[_Nodes]:
    nodes = _Nodes()
    try:
        for _ in range(count):
            nodes.add()
        yield nodes
    finally:
        nodes.shutdown()


if __name__ == "__main__":
    sys.exit(main())
