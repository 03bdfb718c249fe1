"""Rows through workers on a Ray cluster: each row once, whatever becomes of a machine or of a film.

Ray Data moves blocks of rows and keeps a pool of workers at work. What it does not promise is done here: a block that is lost
with a machine, or with a film that ends its worker, is given out again, in the end row by row, so that such a film is lost alone;
and no row is taken twice. Rows come back in any order and carry an `id`. Ray's own checkpoints are not used: they read every
file again to find that its row is there, and here the caller keeps what has come.
"""

import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa

from models.cluster.connection import Cluster, ClusterError

_LARGEST_BLOCK: Final = 256  # rows: what is done once more where a machine is lost
_BLOCKS_EACH: Final = 8  # of a worker at least, so that none is idle for long at the end
_BATCH: Final = 32
_RETRIES: Final = 1  # by Ray itself, of a block whose worker was lost; then it is our turn
_UNLIMITED: Final = -1


def pass_rows(
    worker: type, arguments: Mapping[str, Any], rows: pa.Table, cluster: Cluster, *, batch: int = _BATCH
) -> Iterator[pa.Table]:
    """Pass rows through workers of a cluster that is connected; yield what comes of them, in any order.

    Args:
        worker: a class that is made once in each process, with `arguments` and how many `cores` it has, and called with tables
            of up to `batch` rows; its answer has a row with the same `id` for each.
        rows: with the column `id`, int64, each once.

    A row of which nothing comes, although it was given out by itself, is missing from what is yielded. Raises ClusterError where
    no machine of the cluster has a core to work with.
    """
    if not rows.num_rows:
        return
    ids = rows["id"].to_numpy()
    done = np.zeros(ids.max() + 1, np.bool_)
    workers, resources = _pool(cluster)
    arguments = {**arguments, "cores": resources["num_cpus"]}
    for rows_at_once in (min(_LARGEST_BLOCK, max(1, rows.num_rows // (_BLOCKS_EACH * workers))), batch, 1):
        left = rows.filter(pa.array(~done[ids]))
        for part in _pass_once(worker, arguments, left, cluster, rows_at_once, min(batch, rows_at_once)):
            come = part["id"].to_numpy()
            fresh = part.filter(pa.array(~done[come]))
            done[come] = True
            if fresh.num_rows:
                yield fresh


def _pass_once(
    worker: type, arguments: Mapping[str, Any], rows: pa.Table, cluster: Cluster, rows_at_once: int, batch: int
) -> Iterator[pa.Table]:
    """Give rows out in blocks; those whose worker fails, or is lost, do not come back.

    A single row is given to a worker that has no other: what waited behind one that ends its worker would be lost with it.
    """
    if not rows.num_rows:
        return
    import ray.data

    context = ray.data.DataContext.get_current()
    context.max_errored_blocks, context.enable_progress_bars = _UNLIMITED, False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what is lost is given out again
    workers, resources = _pool(cluster)
    blocks = [rows.slice(start, rows_at_once).combine_chunks() for start in range(0, rows.num_rows, rows_at_once)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the limit of retries has no other name yet
        passed = ray.data.from_arrow(blocks).map_batches(
            worker,
            fn_constructor_kwargs=dict(arguments),
            batch_size=batch,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(
                min_size=1,
                max_size=workers,
                initial_size=workers,
                max_tasks_in_flight_per_actor=1 if rows_at_once == 1 else None,
            ),
            ray_remote_args_fn=lambda: {"max_restarts": _UNLIMITED, "max_task_retries": _RETRIES},
            **resources,
        )
    yield from passed.iter_batches(batch_size=None, batch_format="pyarrow")


def _pool(cluster: Cluster) -> tuple[int, dict[str, int]]:
    """How many workers fit into the cluster, and what each of them takes."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    there = [int(node.get("CPU", 0)) for node in nodes]
    cores = min(cluster.cores, max(there))
    if not cores:
        raise ClusterError("No machine of the cluster has a core to work with. Wait until some have joined: ray status")
    if gpus:
        return gpus, {"num_gpus": 1, "num_cpus": cores}
    return sum(each // cores for each in there), {"num_cpus": cores}
