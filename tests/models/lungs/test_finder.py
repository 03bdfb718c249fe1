"""The numbers of the lung finder, and what becomes of feature maps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.lungs.finder import CHANNELS, FINDER_FILE, LungFinder, first_maps, from_waves, waves_of


def test_the_shipped_numbers_are_some_kilobytes() -> None:
    assert FINDER_FILE.stat().st_size < 100_000
    LungFinder.load()


def test_what_is_saved_finds_the_same(tmp_path: Path) -> None:
    shipped = LungFinder.load()
    shipped.save(tmp_path / "again.npz")
    again = LungFinder.load(tmp_path / "again.npz")
    seen = np.random.default_rng(0).uniform(0, 1, (2, 28, 28, CHANNELS)).astype(np.float32)
    np.testing.assert_array_equal(again.maps(seen), shipped.maps(seen))
    np.testing.assert_array_equal(again.sidedness(seen), shipped.sidedness(seen))


def test_a_map_is_a_share_of_lung() -> None:
    maps = LungFinder.load().maps(np.random.default_rng(0).uniform(0, 6, (3, 28, 28, CHANNELS)).astype(np.float32))
    assert maps.shape == (3, 28, 28)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert maps.max() <= 1


def test_mirrored_maps_are_the_other_way_round() -> None:
    finder = LungFinder.load()
    seen = np.random.default_rng(0).uniform(0, 1, (2, 28, 28, CHANNELS)).astype(np.float32)
    np.testing.assert_allclose(finder.sidedness(seen[:, :, ::-1]), -finder.sidedness(seen), atol=1e-3)


def test_slow_waves_are_a_part_of_the_map() -> None:
    maps = np.random.default_rng(0).uniform(0, 1, (2, 28, 28)).astype(np.float32)
    slow = waves_of(maps)
    np.testing.assert_allclose(waves_of(from_waves(slow)), slow, atol=1e-4)
    assert np.square(from_waves(slow)).sum() < np.square(maps).sum()


def test_maps_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(n, 28, 28, 1392\)\. Received: \(1, 14, 14, 2304\)"):
        first_maps(np.zeros((1, 14, 14, 2304), np.float32), LungFinder.load().weights)


@pytest.mark.parametrize("name", ["weights", "shape", "upright", "side"])
def test_numbers_of_another_shape_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="numbers of the shapes"):
        replace(LungFinder.load(), **{name: np.zeros(3, np.float32)})


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        replace(LungFinder.load(), detail=float("nan"))


@pytest.mark.parametrize("content", [b"", b"not numbers", "cut"])
def test_a_broken_file_is_refused_with_what_to_do(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "broken.npz"
    path.write_bytes(FINDER_FILE.read_bytes()[:-400] if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=r"broken\.npz holds no lung finder.*training lungs"):
        LungFinder.load(path)


def test_a_pickle_is_not_executed(tmp_path: Path) -> None:
    path = tmp_path / "pickled.npz"
    np.savez(path, weights=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        LungFinder.load(path)
