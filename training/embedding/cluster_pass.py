"""The passes over a folder on a cluster: lungs are looked for, and views embedded, by workers that read the films themselves.

The folder must be seen at the same path by every machine (NFS, or object storage that is mounted). What comes back is what
one machine would have made, to the last digit, and goes into the same cache: a run that was stopped goes on from there, with a
cluster or without, and the head is fitted on one machine.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.backbones.table import get_backbone
from models.cluster.connection import Cluster, ClusterError, connected
from models.cluster.pass_rows import pass_rows
from models.cluster.shipping import ShippedWeights
from models.engines.engine import Engine
from models.engines.load import load_engine
from models.films.refusal import Refusal
from models.lungs.search import FoundLungs
from training.config import AugmentationConfig
from training.data.failed_films import FailedFilmsError
from training.embedding.embed import ViewOfFilm, embed_views
from training.embedding.find_lungs import LungSearch, pack_lungs, unpack_lungs
from training.embedding.views import Film, Probe, View

_FILM: Final = {"path": pa.binary(), "sha256": pa.string(), "lungs": pa.binary()}
_DONOR: Final = pa.struct({"view": pa.string(), **_FILM})
_WORK: Final = pa.schema({"id": pa.int64(), **_FILM, "views": pa.list_(pa.string()), "donors": pa.list_(_DONOR)})
_FOUND: Final = pa.schema(
    {"id": pa.int64(), "arrays": pa.list_(pa.binary()), "code": pa.string(), "sentence": pa.string()}
)
_LOST: Final = Refusal("internal_error", "Each worker of the cluster that was given this film was lost with it.")


def embed_on_cluster(
    cluster: Cluster,
    engine: Engine,
    films: Sequence[tuple[Film, Sequence[View]]],
    keys: Mapping[ViewOfFilm, str],
    augmentation: AugmentationConfig,
    seed: int,
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """The embeddings of views, `(3, d)`, by their names in the cache, as they come.

    Raises:
        ClusterError: where there is no cluster, or its workers compute otherwise than `engine`.
        FailedFilmsError: at the end, where some films could not be viewed.
    """
    rows = pa.Table.from_pylist([_packed(number, *one) for number, one in enumerate(films)], _WORK)
    with connected(cluster):
        arguments = {
            "backbone": engine.backbone.id,
            "weights": ShippedWeights.of(engine.weights),
            "engine": engine.name if engine.precision == "bf16" or engine.name == "keras" else "openvino-f32",
            "precision": engine.precision,
            "augmentation": augmentation,
            "seed": seed,
        }
        paths = [film.path for film, _ in films]
        for number, arrays in _come(pass_rows(FilmEmbedder, arguments, rows, cluster), paths):
            film, views = films[number]
            yield {
                keys[film.sha256, view]: np.frombuffer(array, np.float32).reshape(3, -1)
                for view, array in zip(views, arrays, strict=True)
            }


def find_lungs_on_cluster(
    cluster: Cluster, engine: str, films: Mapping[str, Path]
) -> Iterator[tuple[str, FoundLungs | Refusal]]:
    """Where the lungs of films are, or why they cannot be looked for, by the films' digests, as they come."""
    digests, paths = list(films), list(films.values())
    names = [os.fsencode(path.absolute()) for path in paths]
    rows = pa.table({"id": pa.array(range(len(paths)), pa.int64()), "path": pa.array(names, pa.binary())})
    with connected(cluster):
        try:
            for number, arrays in _come(pass_rows(LungFinding, {"engine": engine}, rows, cluster), paths):
                yield digests[number], unpack_lungs(np.frombuffer(arrays[0], np.float32))
        except FailedFilmsError as failed:
            digest_of = dict(zip(paths, digests, strict=True))
            yield from ((digest_of[path], refusal) for path, refusal in failed.refusals.items())


class FilmEmbedder:
    """A frozen backbone in a worker."""

    def __init__(
        self,
        backbone: str,
        weights: ShippedWeights,
        *,
        engine: str,
        precision: str,
        cores: int,
        augmentation: AugmentationConfig,
        seed: int,
    ) -> None:
        with weights.unpacked() as file:
            self._engine = load_engine(get_backbone(backbone), file, engine=engine, threads=cores)
        if self._engine.precision != precision:
            raise ClusterError(
                f"All machines must compute alike: {precision} here. Received: {self._engine.precision} on a worker. "
                "Add --engine openvino-f32."
            )
        self._augmentation, self._seed, self._cores = augmentation, seed, cores

    def __call__(self, rows: pa.Table) -> pa.Table:
        films = [_unpacked(row) for row in rows.to_pylist()]
        arrays: dict[ViewOfFilm, bytes] = {}
        failed: Mapping[Path, Refusal] = {}
        try:
            for names, embeddings in embed_views(
                self._engine, films, augmentation=self._augmentation, seed=self._seed, readers=self._cores
            ):
                arrays |= {name: row.tobytes() for name, row in zip(names, embeddings, strict=True)}
        except FailedFilmsError as error:
            failed = error.refusals
        answers = [
            _answer(number, failed.get(film.path) or [arrays[film.sha256, view] for view in views])
            for number, (film, views) in zip(rows["id"].to_pylist(), films, strict=True)
        ]
        return pa.Table.from_pylist(answers, _FOUND)


class LungFinding:
    """The lung finder in a worker."""

    def __init__(self, *, engine: str, cores: int) -> None:
        self._search = LungSearch(engine, threads=cores)

    def __call__(self, rows: pa.Table) -> pa.Table:
        found = self._search([Path(os.fsdecode(path)) for path in rows["path"].to_pylist()])
        answers = [
            _answer(number, one if isinstance(one, Refusal) else [pack_lungs(one).tobytes()])
            for number, one in zip(rows["id"].to_pylist(), found, strict=True)
        ]
        return pa.Table.from_pylist(answers, _FOUND)


def _answer(number: int, outcome: Refusal | list[bytes]) -> dict[str, Any]:
    if isinstance(outcome, Refusal):
        return {"id": number, "arrays": [], "code": outcome.code, "sentence": str(outcome.sentence)}
    return {"id": number, "arrays": outcome, "code": None, "sentence": None}


def _come(parts: Iterator[pa.Table], paths: Sequence[Path]) -> Iterator[tuple[int, list[bytes]]]:
    """The arrays of each row; raises FailedFilmsError at the end for rows that were refused, or lost with their workers."""
    missing = set(range(len(paths)))
    failed: dict[Path, Refusal] = {}
    for part in parts:
        for row in part.to_pylist():
            missing.discard(row["id"])
            if row["code"] is None:
                yield row["id"], row["arrays"]
            else:
                failed[paths[row["id"]]] = Refusal(row["code"], row["sentence"])
    failed |= {paths[number]: _LOST for number in missing}
    if failed:
        raise FailedFilmsError(failed)


def _packed(number: int, film: Film, views: Sequence[View]) -> dict[str, Any]:
    """A film and its views as a row of `_WORK`."""
    donors = [{"view": _name(view), **_packed_film(donor)} for view, donor in film.donors.items() if view in views]
    return {"id": number, **_packed_film(film), "views": [_name(view) for view in views], "donors": donors}


def _packed_film(film: Film) -> dict[str, Any]:
    lungs = None if film.lungs is None else pack_lungs(film.lungs, embedding=False).tobytes()
    return {"path": os.fsencode(film.path.absolute()), "sha256": film.sha256, "lungs": lungs}


def _unpacked(row: Mapping[str, Any]) -> tuple[Film, list[View]]:
    donors = {_view(donor["view"]): _unpacked_film(donor) for donor in row["donors"]}
    return _unpacked_film(row)._replace(donors=donors), [_view(name) for name in row["views"]]


def _unpacked_film(row: Mapping[str, Any]) -> Film:
    lungs = None if row["lungs"] is None else unpack_lungs(np.frombuffer(row["lungs"], np.float32))
    return Film(Path(os.fsdecode(row["path"])), row["sha256"], lungs=lungs)


def _name(view: View) -> str:
    return view.value if isinstance(view, Probe) else str(view)


def _view(name: str) -> View:
    return int(name) if name.isdigit() else Probe(name)
