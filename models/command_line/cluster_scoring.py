"""Many films through a bundle on a cluster: the batch behind `python -m models predict --cluster`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from rich.console import Console

from models.bundle import Bundle, BundleError
from models.cluster.connection import Cluster, connected
from models.cluster.pass_rows import pass_rows
from models.cluster.shipping import ShippedBundle, ShippedWeights
from models.cluster.storage import is_uri, list_uri
from models.command_line.cluster_results import ResultsFolder, counts, refused
from models.command_line.cluster_worker import FilmJudge, result_columns, result_row
from models.command_line.screening import find_files
from models.films.refusal import Refusal
from models.predictor import backbone_weights
from models.system.progress import progress_bar

_LOST: Final = Refusal(
    "internal_error",
    "Each worker of the cluster that was given this file was lost with it. Judge it by itself on one machine, and report it.",
)


def predict_on_cluster(
    bundle: Bundle,
    sources: Sequence[str],
    cluster: Cluster,
    results: Path,
    *,
    csv: Path | None = None,
    **asked: Any,
) -> int:
    """Judge files, folders and what lies at URIs; return how many files were refused.

    What has come is kept in `results`, in Parquet, and a run that was stopped goes on from there.

    Args:
        csv: a file for the results in the order of the files, as `predict` writes it on one machine.
        asked: `engine`, `upright`, `operating_point` and `prevalence`, as in `models.command_line.screening.predict_paths`.

    Raises:
        ClusterError: where there is no cluster to work on.
        BundleError, ValueError: where there is no file; where `results` are of another run.
    """
    files = _list(sources)
    if not files:
        raise BundleError(f"There is no file in {', '.join(sources)}. Name files, or folders that hold some.")
    labels, console = bundle.spec.labels, Console(stderr=True)
    with ResultsFolder(results, result_columns(labels), files, {"bundle": bundle.sha256, **asked}) as folder:
        done = set(folder.read()["id"].to_pylist())
        left = [number for number in range(len(files)) if number not in done]
        if left:
            with connected(cluster), progress_bar(console, "Reading and judging") as advance:
                for part in _judged(bundle, files, left, cluster, asked):
                    folder.add(part)
                    done.update(part["id"].to_pylist())
                    advance(len(done), len(files))
    found = folder.read()
    if csv:
        folder.write_csv(csv, bundle.spec.name)
    told = ", ".join(f"{count:,} {name}" for name, count in counts(found))
    console.print(f"{bundle.spec.name}: {told}; in {results}", markup=False, soft_wrap=True)
    return refused(found)


def _list(sources: Sequence[str]) -> list[str]:
    """The files that paths and URIs lead to, as they are named to whoever reads the results."""
    files: list[str] = []
    for source in sources:
        files += list_uri(source) if is_uri(source) else map(str, find_files([Path(source)]))
    return files


def _judged(
    bundle: Bundle, files: Sequence[str], left: Sequence[int], cluster: Cluster, asked: Mapping[str, Any]
) -> Iterator[pa.Table]:
    """Results of those files that are left, as they come; last, those that were lost with their workers."""
    sources = [os.fsencode(name if is_uri(name) else Path(name).absolute()) for name in map(files.__getitem__, left)]
    rows = pa.table({"id": pa.array(left, pa.int64()), "source": pa.array(sources, pa.binary())})
    shipped = {"bundle": ShippedBundle.of(bundle), "weights": ShippedWeights.of(backbone_weights(bundle))}
    missing = set(left)
    for part in pass_rows(FilmJudge, {**shipped, **asked}, rows, cluster):
        missing.difference_update(part["id"].to_pylist())
        yield part
    lost = [{"id": number, **result_row(_LOST, bundle.spec.labels)} for number in sorted(missing)]
    yield pa.Table.from_pylist(lost, result_columns(bundle.spec.labels))
