"""Pairs of nearly equal hashes, without comparing all with all.

Multi-index hashing (Norouzi, Punjani & Fleet 2012, doi:10.1109/CVPR.2012.6248043): of two hashes that differ in at most 31 of 256
bits, one of 16 parts of 16 bits differs in at most one. So only hashes with nearly equal parts are compared; no pair is missed.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

_PARTS: Final = 16
_VALUES: Final = 1 << 16  # of a part
_PAIRS_AT_ONCE: Final = 1 << 17  # in the processor's cache

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def near_pairs(hashes: NDArray[np.uint8], *, most_bits: int) -> Pairs:
    """All pairs of `hashes` `(n, 32)` that differ in at most `most_bits` bits, 31 at most.

    Returns:
        pairs `(m, 2)`, the first index below the second, in order, and in how many bits each differs `(m,)`.
    """
    if not 0 <= most_bits < 2 * _PARTS:
        raise ValueError(f"most_bits must be from 0 to {2 * _PARTS - 1}. Received: {most_bits}")
    words = _spread(hashes)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(partial(_near_by_part, words, most_bits), range(_PARTS)))
    pairs, bits = (np.concatenate(kind) for kind in zip(*found, strict=True))
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order], bits[order]


def _spread(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The same bits `(n, 4)` in parts that tell films apart equally well: each has one of every row and every column.

    The lowest frequencies are alike in all chest films: a part of these alone would be one for half of the films.
    """
    row = np.arange(_PARTS)
    place = (_PARTS * row + (row + row[:, None]) % _PARTS).ravel()
    some = np.array_split(hashes, len(hashes) // _VALUES + 1)
    spread = [np.packbits(np.unpackbits(rows, axis=1)[:, place], axis=1) for rows in some]
    return np.ascontiguousarray(np.concatenate(spread)).view(np.uint64)


def _near_by_part(words: NDArray[np.uint64], most_bits: int, part: int) -> Pairs:
    """The near pairs that this part shows, and no part before it."""
    values = words.view(np.uint16)[:, part]
    order = np.argsort(values, kind="stable")
    values, columns = values[order], np.ascontiguousarray(words[order].T)
    pairs, bits = [np.empty((0, 2), np.int64)], [np.empty(0, np.int64)]
    for first, second in _alike(values, most_bits // _PARTS):
        near = _nearer(columns, first, second, most_bits)
        apart = words[order[first[near]]] ^ words[order[second[near]]]
        new = (np.bitwise_count(apart.view(np.uint16))[:, :part] > most_bits // _PARTS).all(axis=1)
        bits.append(np.bitwise_count(apart[new]).sum(axis=1, dtype=np.int64))
        pairs.append(np.sort(np.stack([order[first[near[new]]], order[second[near[new]]]], axis=1), axis=1))
    return np.concatenate(pairs), np.concatenate(bits)


def _alike(values: NDArray[np.uint16], radius: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of pairs whose sorted values `(n,)` differ in `radius` bits, 0 or 1, at most; each once, some at a time."""
    ends = np.cumsum(np.bincount(values, minlength=_VALUES))
    starts = np.concatenate([[0], ends[:-1]])
    every = np.arange(len(values))
    yield from _ranges(every, every + 1, ends[values])
    for bit in range(_PARTS if radius else 0):
        places = np.flatnonzero(values >> bit & 1 == 0)
        other = values[places] | 1 << bit
        yield from _ranges(places, starts[other], ends[other])


def _ranges(
    places: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Each place with all of its range, some pairs at a time."""
    lengths = ends - starts
    before = np.concatenate([[0], np.cumsum(lengths)])
    cuts = np.searchsorted(before, np.arange(_PAIRS_AT_ONCE, before[-1] + _PAIRS_AT_ONCE, _PAIRS_AT_ONCE))
    start = 0
    for stop in np.minimum(cuts, len(places)).tolist():
        some = slice(start, stop)
        first = np.repeat(places[some], lengths[some])
        second = np.arange(len(first)) + np.repeat(starts[some] - before[some] + before[start], lengths[some])
        yield first, second
        start = stop


def _nearer(
    columns: NDArray[np.uint64], first: NDArray[np.int64], second: NDArray[np.int64], most_bits: int
) -> NDArray[np.int64]:
    """Which of the pairs differ in at most `most_bits` bits; half of the words tell nearly all apart."""
    left = np.arange(len(first))
    differing = np.zeros(len(first), np.uint8)
    for half in (columns[:2], columns[2:]):
        for word in half:
            differing += np.bitwise_count(word[first[left]] ^ word[second[left]])
        near = differing <= most_bits
        left, differing = left[near], differing[near]
    return left
