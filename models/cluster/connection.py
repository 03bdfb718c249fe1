"""The way to a Ray cluster."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[2]
_SECONDS: Final = 10.0


class ClusterError(ValueError):
    """A cluster that cannot be worked on; the message says what to do."""


@dataclass(frozen=True)
class Cluster:
    """Where to work.

    Attributes:
        address: of the cluster's head, "HOST:PORT" or "auto"; "local" starts one on this machine, for as long as it is needed.
        cores: of each worker; all of a machine that has fewer. A worker has one model, and a GPU of its own where the cluster
            has GPUs.
    """

    address: str
    cores: int = 4

    def __post_init__(self) -> None:
        if self.cores < 1:
            raise ClusterError(f"--cores must be 1 or more. Received: {self.cores}")


@contextmanager
def connected(cluster: Cluster) -> Iterator[None]:
    """Be connected to a cluster; it stays when this ends, but for a "local" one.

    Raises:
        ClusterError: where Ray is not installed, or nothing answers at the address.
    """
    ray = _require_ray()
    options: dict[str, Any] = {"_node_ip_address": "127.0.0.1"} if cluster.address == "local" else {}
    _require_answer(cluster.address)
    try:
        # Workers import this very code: the product must lie at the same place on every machine, as in its container.
        job = ray.job_config.JobConfig(code_search_path=[str(_ROOT)])
        ray.init(cluster.address, job_config=job, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise ClusterError(
            f"--cluster must be the address of a Ray cluster that runs, such as 10.0.0.1:6379. Received: {cluster.address!r}, "
            f"{error}. Start one with: ray start --head"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Ask at an address before Ray does, which would ask for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS).close()
    except OSError as error:
        raise ClusterError(
            f"--cluster must be the address of a Ray cluster that runs. Received: {address!r}, where nothing answers ({error}). "
            "Start one with: ray start --head"
        ) from error


def _require_ray() -> Any:
    try:
        import ray
        import ray.job_config
    except ModuleNotFoundError as error:
        raise ClusterError(
            "--cluster needs Ray, which is not installed with the product. Install it with: "
            "python -m pip install -r requirements-cluster.txt"
        ) from error
    return ray
