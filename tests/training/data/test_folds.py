"""Splits by patient and by acquisition batch."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.data.folds import grouped_folds, grouped_hold_out, leave_batch_out
from training.data.patients import DatasetError


def cohort(seed: int = 0, patients: int = 120) -> tuple[NDArray[np.int64], list[str]]:
    """Labels and patients of a cohort like the published one: three of four ill, one to eight images each."""
    draw = np.random.default_rng(seed)
    images = draw.integers(1, 9, patients)
    labels = np.repeat(draw.random(patients) < 0.74, images).astype(np.int64)
    names = np.repeat([f"person{number}" for number in range(patients)], images)
    order = draw.permutation(len(labels))
    return labels[order], names[order].tolist()


def patients_of(names: list[str], part: NDArray[np.int64]) -> set[str]:
    return {names[index] for index in part}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_folds_hold_out_each_image_once_and_never_part_a_patient(seed: int) -> None:
    labels, names = cohort(seed)
    splits = grouped_folds(labels, names, seed=seed)
    assert len(splits) == 5
    assert sorted(np.concatenate([held_out for _, held_out in splits])) == list(range(len(labels)))
    for fit, held_out in splits:
        assert sorted([*fit, *held_out]) == list(range(len(labels)))
        assert not patients_of(names, fit) & patients_of(names, held_out)
        assert abs(labels[held_out].mean() - labels.mean()) < 0.05


def test_folds_depend_on_the_seed_alone() -> None:
    labels, names = cohort()
    first, again, other = (grouped_folds(labels, names, seed=seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(("rare", "expected"), [(2, 2), (3, 3), (5, 5), (9, 5)])
@pytest.mark.parametrize("seed", range(8))
def test_folds_follow_the_rarest_class_which_is_in_every_fit_part(rare: int, expected: int, seed: int) -> None:
    labels = np.array([0] * 40 + [1] * rare * 3 + [2] * 20, dtype=np.int64)
    names = [f"a{n // 2}" for n in range(40)] + [f"b{n // 3}" for n in range(rare * 3)] + [f"c{n}" for n in range(20)]
    splits = grouped_folds(labels, names, seed=seed)
    assert len(splits) == expected
    assert all(set(labels[fit]) == {0, 1, 2} for fit, _ in splits)


def test_patients_with_images_of_two_classes_are_not_parted() -> None:
    labels = np.tile(np.array([0, 1], dtype=np.int64), 10)
    names = [f"p{n // 2}" for n in range(20)]
    for fit, held_out in grouped_folds(labels, names, seed=0):
        assert not patients_of(names, fit) & patients_of(names, held_out)
        assert set(labels[fit]) == {0, 1}


TOO_FEW = [
    ([0, 0, 0, 1, 1], ["a", "b", "c", "d", "d"], "1 for class 1"),
    ([0, 0], ["a", "a"], "1 for class 0"),
    ([], [], "no images"),
    # Three patients, each with images of two of three classes: two folds always part them two against one.
    ([0, 1, 1, 2, 2, 0], ["a", "a", "b", "b", "c", "c"], "with images of several classes"),
]


@pytest.mark.parametrize(("labels", "names", "told"), TOO_FEW)
def test_too_few_patients_are_refused(labels: list[int], names: list[str], told: str) -> None:
    numbers = np.array(labels, dtype=np.int64)
    with pytest.raises(DatasetError) as folds:
        grouped_folds(numbers, names, seed=0)
    with pytest.raises(DatasetError) as hold_out:
        grouped_hold_out(numbers, names, fraction=0.2, seed=0)
    for caught in (folds, hold_out):
        assert caught.value.code == "too_few_patients"
        assert told in str(caught.value)


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5, 0.8])
def test_hold_out_keeps_patients_whole_and_class_shares(fraction: float) -> None:
    labels, names = cohort(5, patients=300)
    fit, validation = grouped_hold_out(labels, names, fraction=fraction, seed=1)
    assert sorted([*fit, *validation]) == list(range(len(labels)))
    assert not patients_of(names, fit) & patients_of(names, validation)
    for label in (0, 1):
        share = np.count_nonzero(labels[validation] == label) / np.count_nonzero(labels == label)
        assert share == pytest.approx(fraction, abs=0.02)


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5, 0.99])
@pytest.mark.parametrize("seed", range(5))
def test_hold_out_has_every_class_on_both_sides_however_small(fraction: float, seed: int) -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1], dtype=np.int64)
    names = ["a", "a", "a", "b", "c", "d", "d"]
    fit, validation = grouped_hold_out(labels, names, fraction=fraction, seed=seed)
    assert set(labels[fit]) == set(labels[validation]) == {0, 1}


def test_hold_out_depends_on_the_seed_alone() -> None:
    labels, names = cohort()
    first, again, other = (grouped_hold_out(labels, names, fraction=0.2, seed=seed)[1] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_batches_are_held_out_in_every_combination() -> None:
    labels = np.array([1, 0, 1, 0, 1, 0], dtype=np.int64)
    batches = ["virus", "IM", "bacteria", "NORMAL2-IM", "bacteria", "IM"]
    folds = {fold.name: (fold.fit.tolist(), fold.held_out.tolist()) for fold in leave_batch_out(labels, batches)}
    assert folds == {
        "IM+bacteria": ([1, 2, 4, 5], [0, 3]),
        "IM+virus": ([0, 1, 5], [2, 3, 4]),
        "NORMAL2-IM+bacteria": ([2, 3, 4], [0, 1, 5]),
        "NORMAL2-IM+virus": ([0, 3], [1, 2, 4, 5]),
    }


def test_a_batch_name_that_two_classes_share_is_chosen_for_each_class() -> None:
    folds = leave_batch_out(np.array([0, 0, 1, 1], dtype=np.int64), ["x", "y", "x", "y"])
    assert [(fold.name, fold.fit.tolist()) for fold in folds] == [
        ("x+x", [0, 2]),
        ("x+y", [0, 3]),
        ("y+x", [1, 2]),
        ("y+y", [1, 3]),
    ]


@pytest.mark.parametrize(
    "batches",
    [["", "", "", ""], ["x", "y", "x", ""], ["x", "y", "x", "x"]],
    ids=["none known", "one unknown", "one class in one batch"],
)
def test_without_two_known_batches_of_each_class_there_are_no_batch_folds(batches: list[str]) -> None:
    assert leave_batch_out(np.array([0, 0, 1, 1], dtype=np.int64), batches) == []


@pytest.mark.parametrize(("batches_each", "expected"), [(4, 16), (5, 5), (30, 16)])
def test_many_batches_give_at_most_sixteen_folds(batches_each: int, expected: int) -> None:
    labels = np.repeat(np.array([0, 1], dtype=np.int64), batches_each)
    folds = leave_batch_out(labels, [f"b{n:02}" for n in range(batches_each)] * 2)
    assert len({fold.name for fold in folds}) == len(folds) == expected
    assert all(set(labels[fold.fit]) == set(labels[fold.held_out]) == {0, 1} for fold in folds)


def test_wrong_arguments_are_named() -> None:
    labels, names = cohort()
    with pytest.raises(ValueError, match="Received: 1"):
        grouped_folds(labels, names, folds=1, seed=0)
    with pytest.raises(ValueError, match=r"Received: 1\.5"):
        grouped_hold_out(labels, names, fraction=1.5, seed=0)
    with pytest.raises(ValueError, match="one label"):
        grouped_folds(labels, names[1:], seed=0)
    with pytest.raises(ValueError, match="one label"):
        leave_batch_out(labels, names[1:])
