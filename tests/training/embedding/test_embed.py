"""The one pass through the backbone: right, resumable, never done twice."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import training.embedding.embed
from models.backbones.feature_extractor import FeatureExtractor
from models.backbones.table import get_backbone
from models.engines.engine import Engine
from models.films.radiograph import read_radiograph
from models.head import HeadConfig, build_head
from models.network import build_network
from tests.training.films import write_film
from training.config import AugmentationConfig
from training.data.manifest import Entry, read_manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.embed import embed

ROOT = Path(__file__).parents[3]
LITE = get_backbone("efficientnet_lite0")
VIEWS = 3

KILLED = """
import sys, training.embedding.embed
from pathlib import Path
from models.backbones.table import get_backbone
from models.backbones.weights import find_weights
from models.engines.load import load_engine
from training.embedding.cache import EmbeddingCache
from training.config import AugmentationConfig
from training.data.manifest import read_manifest

root, cache = map(Path, sys.argv[1:])
backbone = get_backbone("efficientnet_lite0")
engine = load_engine(backbone, find_weights(backbone))
training.embedding.embed._VIEWS_PER_SHARD = 8
training.embedding.embed.embed(
    engine, root, read_manifest(root).entries, EmbeddingCache.of(engine, cache),
    views=3, augmentation=AugmentationConfig(), seed=3,
    progress=lambda done, total: (print(done, flush=True), sys.stdin.readline()),
)
"""


class Steps(list[tuple[int, int]]):
    """Remembers what a pass reported; stops it, as Ctrl-C does, after so many views."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__()
        self._stop_at = stop_at

    def __call__(self, done: int, total: int) -> None:
        self.append((done, total))
        if self._stop_at is not None and done >= self._stop_at:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 films of two classes, of different sizes to the network."""
    root = tmp_path_factory.mktemp("twelve")
    for seed in range(12):
        write_film(root / ("A", "B")[seed % 2] / f"{seed}.png", seed)
    return root


@pytest.fixture(scope="module")
def entries(folder: Path) -> tuple[Entry, ...]:
    return read_manifest(folder).entries


@pytest.fixture(scope="module")
def whole(
    engine: Engine,
    folder: Path,
    entries: tuple[Entry, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[NDArray[np.float32], Path]:
    """The embeddings of an uninterrupted pass, and the cache that it filled."""
    cache = tmp_path_factory.mktemp("cache")
    return run(engine, folder, entries, EmbeddingCache.of(engine, cache), Steps()), cache


def run(
    engine: Engine,
    root: Path,
    entries: tuple[Entry, ...],
    cache: EmbeddingCache,
    steps: Steps,
    *,
    views: int = VIEWS,
    seed: int = 3,
) -> NDArray[np.float32]:
    return embed(
        engine, root, entries, cache, views=views, augmentation=AugmentationConfig(), seed=seed, progress=steps
    )


def assert_same_embeddings(one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    """Equal up to float32; in a view, a pixel half way between two grey levels may also go the other way."""
    np.testing.assert_allclose(one[:, 0], other[:, 0], atol=1e-5)
    np.testing.assert_allclose(one, other, atol=3e-3)


def test_a_plain_embedding_is_that_of_the_whole_network(
    extractor: FeatureExtractor, folder: Path, entries: tuple[Entry, ...], whole: tuple[NDArray[np.float32], Path]
) -> None:
    network = build_network(extractor, build_head(LITE.embedding_size, 2, HeadConfig(width=0)))
    for entry, embedding in zip(entries[::3], whole[0][::3, 0], strict=True):
        pixels = extractor.resize(read_radiograph(folder / entry.path).pixels[None, :, :, None])
        outputs = network(pixels)
        feature_map = np.asarray(outputs["feature_map"])[0]
        np.testing.assert_allclose(embedding[0], np.asarray(outputs["embedding"])[0], atol=1e-4)
        np.testing.assert_allclose(embedding[0], feature_map.mean(axis=(0, 1)), atol=1e-4)
        np.testing.assert_allclose(embedding[2], feature_map.max(axis=(0, 1)), atol=1e-3)


def test_views_of_a_film_are_embedded_apart(
    entries: tuple[Entry, ...], whole: tuple[NDArray[np.float32], Path]
) -> None:
    embeddings, _ = whole
    assert embeddings.shape == (12, 1 + VIEWS, 3, LITE.embedding_size)
    assert np.isfinite(embeddings).all()
    means = embeddings[:, :, 0]
    distance = np.linalg.norm(means[:, :, None] - means[:, None], axis=-1)
    assert distance[:, ~np.eye(1 + VIEWS, dtype=bool)].min() > 1e-2


def test_a_second_pass_computes_nothing(
    engine: Engine,
    folder: Path,
    entries: tuple[Entry, ...],
    whole: tuple[NDArray[np.float32], Path],
) -> None:
    steps = Steps()
    cache = EmbeddingCache.of(engine, whole[1])
    again = run(engine, folder, entries, cache, steps)
    backwards = run(engine, folder, entries[::-1], cache, steps, views=1)
    assert steps == []
    np.testing.assert_array_equal(again, whole[0])
    np.testing.assert_array_equal(backwards, whole[0][::-1, :2])


def test_another_seed_computes_the_views_but_not_the_plain_films(
    engine: Engine,
    folder: Path,
    entries: tuple[Entry, ...],
    whole: tuple[NDArray[np.float32], Path],
    tmp_path: Path,
) -> None:
    steps = Steps()
    cache = EmbeddingCache.of(engine, shutil.copytree(whole[1], tmp_path / "cache"))
    other = run(engine, folder, entries[:4], cache, steps, views=1, seed=4)
    assert steps[-1] == (4, 4)
    np.testing.assert_array_equal(other[:, 0], whole[0][:4, 0])
    assert np.abs(other[:, 1] - whole[0][:4, 1]).max() > 1e-2


def test_an_interrupted_pass_goes_on_where_it_stopped(
    engine: Engine,
    folder: Path,
    entries: tuple[Entry, ...],
    whole: tuple[NDArray[np.float32], Path],
    tmp_path: Path,
) -> None:
    cache = EmbeddingCache.of(engine, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(engine, folder, entries, cache, Steps(stop_at=1))
    kept = 12 * (1 + VIEWS)
    rest = Steps()
    embeddings = run(engine, folder, entries, cache, rest)
    assert 0 < rest[-1][1] < kept, "what had come was kept"
    assert_same_embeddings(embeddings, whole[0])


def test_a_killed_pass_goes_on_from_the_last_shard(
    engine: Engine,
    folder: Path,
    entries: tuple[Entry, ...],
    whole: tuple[NDArray[np.float32], Path],
    tmp_path: Path,
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, folder, tmp_path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        done = int(process.stdout.readline())
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert 0 < done < 12 * (1 + VIEWS)
    rest = Steps()
    embeddings = run(engine, folder, entries, EmbeddingCache.of(engine, tmp_path), rest)
    assert rest[-1][1] == 12 * (1 + VIEWS) - done
    assert_same_embeddings(embeddings, whole[0])


def test_a_long_pass_is_written_bit_by_bit(
    engine: Engine,
    folder: Path,
    entries: tuple[Entry, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training.embedding.embed, "_VIEWS_PER_SHARD", 4)
    monkeypatch.setattr(training.embedding.embed, "_VIEWS_PER_BATCH", 2)
    run(engine, folder, entries, EmbeddingCache.of(engine, tmp_path), Steps(), views=0)
    assert len(list(tmp_path.rglob("efficientnet_lite0-*/*.parquet"))) == 3


def test_copies_of_a_file_are_embedded_once(
    engine: Engine, folder: Path, entries: tuple[Entry, ...], tmp_path: Path
) -> None:
    root = shutil.copytree(folder, tmp_path / "films")
    shutil.copy(root / entries[0].path, root / "copy.png")
    copy = replace(entries[0], path=Path("copy.png"), label="B")
    steps = Steps()
    cache = EmbeddingCache.of(engine, tmp_path / "cache")
    embeddings = run(engine, root, (entries[0], copy, entries[1]), cache, steps, views=0)
    assert steps[-1] == (2, 2)
    np.testing.assert_array_equal(embeddings[0], embeddings[1])
    assert np.abs(embeddings[0] - embeddings[2]).max() > 1e-2


def test_other_weights_do_not_share_embeddings(
    engine: Engine,
    folder: Path,
    entries: tuple[Entry, ...],
    whole: tuple[NDArray[np.float32], Path],
    tmp_path: Path,
) -> None:
    steps = Steps()
    cache = EmbeddingCache(shutil.copytree(whole[1], tmp_path / "cache"), LITE, "0" * 64, engine.precision)
    run(engine, folder, entries[:2], cache, steps, views=0)
    assert steps[-1] == (2, 2)


def test_a_damaged_shard_is_embedded_anew(
    engine: Engine,
    folder: Path,
    entries: tuple[Entry, ...],
    whole: tuple[NDArray[np.float32], Path],
    tmp_path: Path,
) -> None:
    root = shutil.copytree(whole[1], tmp_path / "cache")
    for shard in root.rglob("efficientnet_lite0-*/*.parquet"):
        shard.write_bytes(shard.read_bytes()[:-100])
    steps = Steps()
    again = run(engine, folder, entries[:3], EmbeddingCache.of(engine, root), steps, views=0)
    assert steps[-1] == (3, 3)
    np.testing.assert_allclose(again[:, 0], whole[0][:3, 0], atol=1e-5)


def test_means_alone_take_half_the_memory_and_are_the_same(
    engine: Engine, folder: Path, entries: tuple[Entry, ...], whole: tuple[NDArray[np.float32], Path]
) -> None:
    cache = EmbeddingCache.of(engine, whole[1])
    means = embed(
        engine, folder, entries, cache, views=VIEWS, augmentation=AugmentationConfig(), seed=3, mean_only=True
    )
    np.testing.assert_array_equal(means, whole[0][:, :, :1])
