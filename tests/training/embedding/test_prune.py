"""Garbage collection: what no known folder holds goes, what one holds stays, and a training that runs is not disturbed."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from models.backbones.table import get_backbone
from models.engines.int8 import INT8_SUFFIX, Int8Origin, write_int8
from tests.training.conftest import Workshop
from tests.training.films import write_film
from training.data.fingerprints import PRINTS_FILE, read_prints
from training.data.manifest import Entry, read_manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.prune import prune_cache

BACKBONE = replace(get_backbone("efficientnet_lite0"), embedding_size=6)
AT_ONCE = timedelta(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(4):
        write_film(tmp_path / "films" / "AB"[number % 2] / f"{number}.png", number)
    return tmp_path / "films"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def keys(entries: tuple[Entry, ...]) -> list[str]:
    return [f"{entry.sha256}:{view}" for entry in entries for view in ("plain", "0123456789abcdef:fedcba9876543210")]


@pytest.fixture
def store(folder: Path, cache: Path) -> Iterator[EmbeddingCache]:
    """Two views of each of four films, in two shards."""
    store = EmbeddingCache(cache, BACKBONE, "w", "f32")
    names = keys(read_manifest(folder, cache=cache).entries)
    for part in (names[:5], names[5:]):
        store.write({name: np.full((3, 6), names.index(name), np.float32) for name in part})
    yield store
    assert all(value[0, 0] == names.index(name) for name, value in store.read(names))


def test_what_a_folder_no_longer_holds_goes_and_all_else_stays(
    folder: Path, cache: Path, store: EmbeddingCache
) -> None:
    before = read_manifest(folder).entries
    (folder / before[0].path).unlink()
    after = read_manifest(folder, cache=cache).entries
    found = prune_cache(cache, grace=AT_ONCE)
    assert found.removed == 2
    assert found.freed > 0
    assert {name for name, _ in store.read(keys(before))} == set(keys(after))
    assert set(read_prints(cache / PRINTS_FILE)) == {entry.sha256 for entry in after}
    assert prune_cache(cache, grace=AT_ONCE)[1:] == (0, 0)


def test_films_of_another_folder_stay_until_that_one_is_forgotten_too(
    folder: Path, cache: Path, store: EmbeddingCache, tmp_path: Path
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    entries = read_manifest(copy, cache=cache).entries
    assert not prune_cache(cache, forget=[folder], grace=AT_ONCE).removed
    assert len(dict(store.read(keys(entries)))) == 8
    assert prune_cache(cache, forget=[copy], grace=AT_ONCE).removed == 8
    assert not dict(store.read(keys(entries)))
    with pytest.raises(ValueError, match="must name a folder that the cache knows"):
        prune_cache(cache, forget=[copy])


def test_what_was_just_written_stays(folder: Path, cache: Path, store: EmbeddingCache) -> None:
    names = keys(read_manifest(folder).entries)
    assert not prune_cache(cache, forget=[folder]).removed
    assert len(dict(store.read(names))) == 8


def test_a_reader_misses_nothing_while_shards_are_replaced(folder: Path, cache: Path, store: EmbeddingCache) -> None:
    before = read_manifest(folder).entries
    (folder / before[-1].path).unlink()
    alive = keys(read_manifest(folder, cache=cache).entries)
    reading = store.read(alive)
    found = [next(reading)[0]]
    worker = Thread(target=prune_cache, args=(cache,), kwargs={"grace": AT_ONCE})
    worker.start()
    worker.join()
    assert {*found, *(name for name, _ in reading)} == set(alive)


def test_leftovers_and_damaged_shards_and_files_of_earlier_versions_go(
    folder: Path, cache: Path, store: EmbeddingCache
) -> None:
    names = keys(read_manifest(folder).entries)
    (place,) = cache.glob("efficientnet_lite0-*")
    damaged = sorted(place.iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:-9])
    for name in (".half-written.parquet", "0123.npz"):
        (place / name).write_bytes(b"x")
    (cache / "prints.json").write_text("{}")
    prune_cache(cache, grace=AT_ONCE)
    assert len(list(place.iterdir())) == 1
    assert not (cache / "prints.json").exists()
    assert 0 < len(dict(store.read(names))) < 8


def test_a_backbone_in_int8_goes_with_the_films_that_it_was_calibrated_on(
    folder: Path, cache: Path, tmp_path: Path
) -> None:
    films = [entry.sha256 for entry in read_manifest(folder, cache=cache).entries]
    places = [cache / "engines" / name / f"0123{INT8_SUFFIX}" for name in ("theirs", "of_films_that_went", "damaged")]
    for path, calibrated_on in zip(places, (films[:2], [*films, "gone"], films), strict=True):
        path.parent.mkdir(parents=True)
        write_int8(graph(tmp_path), Int8Origin("w", "vendored", tuple(calibrated_on), "3", "2026"), path)
    places[2].write_bytes(places[2].read_bytes()[:-9])
    assert not prune_cache(cache).removed, "they were just written"
    found = prune_cache(cache, grace=AT_ONCE)
    assert [path.exists() for path in places] == [True, False, False]
    assert found.removed == 2
    assert found.freed > 0
    assert prune_cache(cache, forget=[folder], grace=AT_ONCE).removed == 1


def graph(folder: Path) -> Path:
    """What OpenVINO would have written, without a network in it."""
    for suffix in (".xml", ".bin"):
        (folder / f"graph{suffix}").write_bytes(b"a graph")
    return folder / "graph.xml"


def test_the_command_says_what_stays_and_what_went(
    workshop: Workshop, folder: Path, cache: Path, store: EmbeddingCache
) -> None:
    shutil.move(folder, folder.with_name("moved"))
    ran = workshop.run("prune", "--cache", cache, "--now")
    assert ran.status == 0
    assert f"4 films of {folder}" in ran.out
    assert "it is not there now" in ran.out
    ran = workshop.run("prune", "--cache", cache, "--now", "--forget", folder)
    assert "Removed: 8 embeddings" in ran.out
    ran = workshop.run("prune", "--cache", cache, "--forget", folder)
    assert ran.status == 2
    assert "--forget must name" in ran.err
