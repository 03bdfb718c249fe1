"""Patients dealt out to folds of similar class shares; what scikit-learn's `StratifiedGroupKFold` deals, ten times as fast."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_RELATIVE: Final = 1e-5
_ABSOLUTE: Final = 1e-8  # as in `numpy.isclose`


def deal_groups(
    labels: NDArray[np.int64], groups: NDArray[np.int64], *, folds: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Deal groups out one by one, those of the most uneven classes first, each to where the classes then spread most evenly.

    Args:
        labels, groups: `(n,)`; of the groups at least as many as folds.
        seed: of the order of groups that are alike.

    Returns:
        For each fold, sorted indices `(fit, held_out)`.
    """
    _, label = np.unique(labels, return_inverse=True)
    names, group = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(names), label.max() + 1))
    np.add.at(counts, (group, label), 1)
    order = np.arange(len(names))
    np.random.RandomState(seed).shuffle(order)
    order = order[np.argsort(-np.std(counts[order], axis=1), kind="stable")]
    fold_of = np.empty(len(names), np.int64)
    fold_of[order] = _deal(counts[order], folds)
    held_out = fold_of[group] == np.arange(folds)[:, None]
    return [(np.flatnonzero(~one), np.flatnonzero(one)) for one in held_out]


def _deal(counts: NDArray[np.float64], folds: int) -> list[int]:
    """The fold of each group, of which `counts` `(groups, classes)` tell the films of each class."""
    there = np.zeros((folds, counts.shape[1]))
    diagonal, total = np.eye(folds)[..., None], counts.sum(axis=0)
    dealt = []
    for group in counts:
        shares = (there + diagonal * group) / total  # (if it came here, folds, classes)
        shares -= np.add.reduce(shares, axis=1, keepdims=True) / folds
        spread = np.sqrt(np.add.reduce(shares * shares, axis=1) / folds)
        best = _best((np.add.reduce(spread, axis=1) / len(total)).tolist(), np.add.reduce(there, axis=1).tolist())
        there[best] += group
        dealt.append(best)
    return dealt


def _best(spreads: list[float], films: list[float]) -> int:
    """The fold with the smallest spread; of two that are as good the one with fewer films."""
    best = 0
    for fold in range(1, len(spreads)):
        near = abs(spreads[fold] - spreads[best]) <= _ABSOLUTE + _RELATIVE * abs(spreads[best])
        if spreads[fold] < spreads[best] or (near and films[fold] < films[best]):
            best = fold
    return best
