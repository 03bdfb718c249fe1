"""Embeddings on disk: what was written is found, what is damaged is not believed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.backbones.table import get_backbone
from models.system.files import CACHE_VARIABLE, cache_folder
from training.embedding.cache import EmbeddingCache

BACKBONE = replace(get_backbone("efficientnet_lite0"), embedding_size=6)


def vectors(count: int, first: int = 0) -> dict[str, NDArray[np.float32]]:
    return {f"{number:064}:plain": np.full((3, 6), number, dtype=np.float32) for number in range(first, first + count)}


def shard(folder: Path) -> Path:
    (found,) = folder.rglob("efficientnet_lite0-*/*.parquet")
    return found


def test_what_was_written_is_found_again_and_nothing_else(tmp_path: Path) -> None:
    written = vectors(5)
    EmbeddingCache(tmp_path, BACKBONE, "w", "f32").write(written)
    found = dict(EmbeddingCache(tmp_path, BACKBONE, "w", "f32").read([*list(written)[:3], "never written"]))
    assert list(found) == list(written)[:3]
    for key, embedding in found.items():
        np.testing.assert_array_equal(embedding, written[key])
        assert embedding.dtype == np.float32


def test_several_writers_add_to_each_other(tmp_path: Path) -> None:
    one, other = EmbeddingCache(tmp_path, BACKBONE, "w", "f32"), EmbeddingCache(tmp_path, BACKBONE, "w", "f32")
    one.write(vectors(2))
    other.write(vectors(2, first=2))
    one.write({})
    assert set(dict(one.read(vectors(9)))) == set(vectors(4))
    assert len(list(tmp_path.rglob("efficientnet_lite0-*/*.parquet"))) == 2


@pytest.mark.parametrize(
    "other",
    [
        (BACKBONE, "x", "f32"),
        (replace(BACKBONE, id="resnet50"), "w", "f32"),
        (replace(BACKBONE, input_size=320), "w", "f32"),
        (replace(BACKBONE, taps=("top_relu",)), "w", "f32"),
        (BACKBONE, "w", "bf16"),
    ],
    ids=["weights", "backbone", "input size", "layers", "precision"],
)
def test_embeddings_of_another_network_are_not_taken(tmp_path: Path, other: tuple[object, str, str]) -> None:
    EmbeddingCache(tmp_path, BACKBONE, "w", "f32").write(vectors(3))
    assert not dict(EmbeddingCache(tmp_path, *other).read(vectors(3)))  # type: ignore[arg-type]


def test_no_damage_to_a_shard_is_an_error_or_gives_other_numbers(tmp_path: Path) -> None:
    written = vectors(3)
    cache = EmbeddingCache(tmp_path, BACKBONE, "w", "f32")
    cache.write(written)
    path = shard(tmp_path)
    whole = path.read_bytes()
    harmless = 0
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        for key, embedding in cache.read(written):
            np.testing.assert_array_equal(embedding, written[key], err_msg=f"byte {place}")
            harmless += 1
    assert harmless < len(whole)
    path.write_bytes(whole)
    assert len(dict(cache.read(written))) == 3


@pytest.mark.parametrize("kept", [0, 1, 30, 400])
def test_a_shard_cut_short_counts_as_absent_and_the_others_are_read(tmp_path: Path, kept: int) -> None:
    cache = EmbeddingCache(tmp_path, BACKBONE, "w", "f32")
    cache.write(vectors(3))
    path = shard(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    cache.write(vectors(2, first=3))
    assert set(dict(cache.read(vectors(9)))) == set(vectors(2, first=3))


def test_a_shard_of_another_shape_counts_as_absent(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, BACKBONE, "w", "f32")
    cache.write(vectors(3))
    np.savez(shard(tmp_path), keys=np.array(["a"]), embeddings=np.zeros((1, 2, 7), np.float32))
    assert not dict(cache.read(["a"]))
    np.savez(shard(tmp_path), keys=np.array(["a", "b"]), embeddings=np.zeros((1, 3, 6), np.float32))
    assert not dict(cache.read(["a", "b"]))
    np.savez(shard(tmp_path), keys=np.array([object()]), embeddings=np.zeros((1, 3, 6), np.float32))
    assert not dict(cache.read(["a"]))


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_folder() == Path.home() / ".cache" / "pneumolens"
