"""Fitting the gate: honest distances, and a false-alarm rate that new patients confirm."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.folds import grouped_folds
from training.heads.gate import fit_gate


def films(n: int, seed: int) -> NDArray[np.float32]:
    """Embeddings near a plane of five directions of sixty."""
    plane = np.random.default_rng(1).normal(size=(5, 60))
    random = np.random.default_rng(seed)
    return (3 * random.normal(size=(n, 5)) @ plane + random.normal(size=(n, 60))).astype(np.float32)


@pytest.fixture(scope="module")
def patients() -> list[str]:
    return [f"patient {number // 2}" for number in range(1200)]


def test_new_patients_raise_no_more_alarms_than_stated(patients: list[str]) -> None:
    embeddings = films(1200, seed=2)
    folds = grouped_folds(np.arange(1200) % 2, patients, seed=0)
    gate, distances = fit_gate(embeddings, patients, folds)
    assert len(distances) == 1200
    value, low, high = gate.thresholds.false_alarms
    assert low <= value <= high
    assert value == pytest.approx(0.01, abs=0.002)
    new = gate.distances(films(4000, seed=3))
    assert float(np.mean(new > gate.thresholds.unlike)) < 0.05
    assert float(np.median(new)) == pytest.approx(1, abs=0.15)


def test_what_leaves_the_plane_is_found(patients: list[str]) -> None:
    embeddings = films(1200, seed=2)
    gate, _ = fit_gate(embeddings, patients, grouped_folds(np.arange(1200) % 2, patients, seed=0))
    elsewhere = embeddings[:200] + np.random.default_rng(4).normal(0, 12, (200, 60)).astype(np.float32)
    codes = {finding.code if (finding := gate.finding(distance)) else "" for distance in gate.distances(elsewhere)}
    assert "" not in codes


def test_the_distances_are_of_unseen_patients(patients: list[str]) -> None:
    # More directions than films in a fold: a plane that had seen them would hold them all.
    few = np.random.default_rng(5).normal(size=(24, 200)).astype(np.float32)
    names = [f"patient {number}" for number in range(24)]
    folds = grouped_folds(np.arange(24) % 2, names, folds=3, seed=0)
    gate, distances = fit_gate(few, names, folds)
    assert float(np.median(distances)) > 1.05 * float(np.median(gate.distances(few)))
