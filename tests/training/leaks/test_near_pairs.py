"""The search for nearly equal hashes misses none, whatever the hashes are."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.leaks.near_pairs import near_pairs


def copies(originals: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
    """Some of the hashes again, each with up to an eighth of its bits turned over."""
    dice = np.random.default_rng(seed)
    chosen = originals[dice.integers(0, len(originals), 300)]
    turned = dice.random((300, 256)) < dice.uniform(0, 0.25, (300, 1))
    return chosen ^ np.packbits(turned, axis=1)


def random(values: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, values, (400, 32), dtype=np.uint8)


@pytest.mark.parametrize("most_bits", [0, 1, 15, 16, 30, 31])
@pytest.mark.parametrize("values", [256, 4], ids=["far from each other", "two bits of each byte, near each other"])
def test_what_is_found_is_what_counting_bit_by_bit_finds(values: int, most_bits: int) -> None:
    hashes = np.concatenate([random(values), copies(random(values), seed=1)])
    bits = np.unpackbits(hashes, axis=1).astype(np.float32)
    differing = (bits @ (1 - bits.T) + (1 - bits) @ bits.T).astype(int)
    expected = np.argwhere(np.triu(differing <= most_bits, 1))
    found, distances = near_pairs(hashes, most_bits=most_bits)
    assert len(expected)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(distances, differing[tuple(expected.T)])


def test_it_does_not_matter_which_bits_differ() -> None:
    first = np.zeros(32, np.uint8)
    for seed in range(20):
        second = first.copy()
        for bit in np.random.default_rng(seed).choice(256, 31, replace=False):
            second[bit // 8] ^= 1 << (bit % 8)
        assert near_pairs(np.stack([second, first]), most_bits=31)[1].tolist() == [31]


@pytest.mark.parametrize("count", [0, 1])
def test_where_there_is_no_other_there_is_no_pair(count: int) -> None:
    pairs, bits = near_pairs(random(256)[:count], most_bits=30)
    assert pairs.shape == (0, 2)
    assert bits.shape == (0,)


def test_more_bits_than_the_search_is_exact_for_are_refused() -> None:
    with pytest.raises(ValueError, match=r"0 to 31. Received: 32"):
        near_pairs(random(256), most_bits=32)
