"""Rows through workers: each once, a row that ends its worker lost alone. Only where Ray is installed."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa
import pytest

from models.cluster.connection import Cluster, connected
from models.cluster.pass_rows import pass_rows

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install -r requirements-cluster.txt")

POISON, FAULTY, ROWS = 7, 23, 40


class Squares:
    """Squares numbers; one of them ends the process, another raises."""

    def __init__(self, power: int, cores: int) -> None:
        self._power, self._cores = power, cores

    def __call__(self, rows: pa.Table) -> pa.Table:
        ids = rows["id"].to_pylist()
        if POISON in ids:
            os._exit(1)
        if FAULTY in ids:
            raise ValueError("not this one")
        return pa.table(
            {"id": ids, "squared": [number**self._power for number in ids], "cores": [self._cores] * len(ids)}
        )


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with connected(one := Cluster("local", cores=1)):
        yield one


@pytest.mark.filterwarnings("ignore")
def test_what_ends_a_worker_or_fails_is_lost_alone_and_no_row_comes_twice(cluster: Cluster) -> None:
    rows = pa.table({"id": pa.array(range(ROWS), pa.int64())})
    come = [row for part in pass_rows(Squares, {"power": 2}, rows, cluster, batch=8) for row in part.to_pylist()]
    assert sorted(row["id"] for row in come) == [number for number in range(ROWS) if number not in (POISON, FAULTY)]
    assert all(row["squared"] == row["id"] ** 2 for row in come)
    assert {row["cores"] for row in come} == {1}

    larger = replace(cluster, cores=10_000)
    (part,) = pass_rows(Squares, {"power": 2}, rows.slice(0, 1), larger)
    (core_count,) = {int(node["Resources"]["CPU"]) for node in ray.nodes()}
    assert part.to_pylist() == [{"id": 0, "squared": 0, "cores": core_count}]
