"""Groups of films: alike ones pass, others are named, whatever each film by itself looks like."""

from pathlib import Path

import numpy as np
import pytest

from models.group import FEWEST_FILMS, GroupReference, energy_p_value
from training.heads.group import group_reference

SIZE = 40


def films(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Embeddings in which a few directions carry most of what differs."""
    dice = np.random.default_rng(seed)
    return (dice.normal(0, 1, (count, SIZE)) * np.linspace(3, 0.3, SIZE) + shift).astype(np.float32)


@pytest.fixture(scope="module")
def reference() -> GroupReference:
    """Of 600 films of 300 patients."""
    patients = [f"p{number // 2}" for number in range(600)]
    return group_reference(films(600, 0), np.full(600, 1.0), np.linspace(0, 1, 600), patients, seed=0)


def compared(reference: GroupReference, group: np.ndarray) -> float:
    found = reference.compare(list(group), [1.0] * len(group), [0.5] * len(group))
    assert found is not None
    return found.p_value


def test_groups_of_new_films_alarm_as_seldom_as_the_p_value_says(reference: GroupReference) -> None:
    values = np.array([compared(reference, films(25, seed)) for seed in range(100, 140)])
    assert (values < 0.05).mean() <= 0.15
    assert 0.25 < np.median(values) < 0.75


def test_a_group_from_elsewhere_is_named_with_what_follows(reference: GroupReference) -> None:
    found = reference.compare(list(films(25, 7, shift=0.6)), [2.0] * 25, [0.9] * 25)
    assert found is not None
    assert found.differs
    assert found.distance == pytest.approx(2.0)
    for words in ("p < 0.001", "2.0 times as far", "0.90", "does not hold"):
        assert words in found.sentence()


def test_a_few_films_are_not_compared(reference: GroupReference) -> None:
    few = FEWEST_FILMS - 1
    assert reference.compare(list(films(few, 1)), [1.0] * few, [0.5] * few) is None


def test_a_reference_has_one_film_of_a_patient_and_outlives_saving(reference: GroupReference, tmp_path: Path) -> None:
    assert len(reference.coordinates) == 300
    reference.save(tmp_path)
    again = GroupReference.load(tmp_path / "group.npz")
    group = films(30, 3)
    assert compared(again, group) == pytest.approx(compared(reference, group), abs=0.02)
    (tmp_path / "group.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="no sample"):
        GroupReference.load(tmp_path / "group.npz")


def test_the_p_value_is_that_of_counting_permutations() -> None:
    one, other = films(6, 1)[:, :2], films(6, 2, shift=30.0)[:, :2]
    assert energy_p_value(one, other) < 0.02  # of 924 ways to part twelve points, two are as far apart
