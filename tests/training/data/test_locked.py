"""Patients that are locked away stay so, and a bundle knows whom it has learnt from."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.data.learnable import learnable
from training.data.locked import Overlap, lock_patients, overlap, save_learnt
from training.data.manifest import Entry, Manifest
from training.data.patients import DatasetError


def manifest(patients: range, *, split: str = "train") -> Manifest:
    """Two films of each patient; every third patient is ill."""
    entries = [
        Entry(
            Path(f"{patient}_{film}.png"), "ILL" if patient % 3 == 0 else "WELL", f"p{patient}", "", split,
            f"{1000 * patient + film:064x}"[::-1], {}, "", b"",
        )
        for patient in patients
        for film in range(2)
    ]  # fmt: skip
    return Manifest(Path(), ("ILL", "WELL"), tuple(entries), (), "")


def locked(found: Manifest) -> set[str]:
    return {entry.patient for entry in found.select("test")}


def test_about_the_share_is_locked_and_no_patient_is_divided() -> None:
    found = lock_patients(manifest(range(1000)), 0.2)
    assert 150 < len(locked(found)) < 250
    assert not locked(found) & {entry.patient for entry in learnable(found)}
    assert len(found.entries) == 2000


def test_who_is_locked_stays_locked_when_others_come_and_go() -> None:
    few, many = (locked(lock_patients(manifest(patients), 0.2)) for patients in (range(200, 500), range(1000)))
    assert few == {patient for patient in many if 200 <= int(patient[1:]) < 500}


def test_of_each_class_two_are_locked_at_least() -> None:
    found = lock_patients(manifest(range(12)), 0.001)
    assert {label: len({e.patient for e in found.select("test") if e.label == label}) for label in found.labels} == {
        "ILL": 2,
        "WELL": 2,
    }


def test_a_class_with_nobody_left_to_learn_from_is_refused() -> None:
    with pytest.raises(DatasetError, match="few of ILL"):
        lock_patients(manifest(range(5)), 0.2)


def test_a_test_split_of_the_folder_is_what_is_locked() -> None:
    given = manifest(range(30))
    given = replace(given, entries=(*given.entries, *manifest(range(30, 33), split="test").entries))
    assert lock_patients(given, 0.2) == given
    assert lock_patients(manifest(range(30)), 0.0) == manifest(range(30))


def test_a_bundle_knows_what_it_has_learnt_from(tmp_path: Path) -> None:
    found = lock_patients(manifest(range(60)), 0.2)
    save_learnt(found, tmp_path)
    assert overlap(tmp_path, found.select("test")) == Overlap(0, 0)
    learnt = learnable(found)[:10]
    assert overlap(tmp_path, [*learnt, *found.select("test")]) == Overlap(10, 5)
    renamed = [replace(entry, patient=f"other {entry.patient}") for entry in learnt]
    assert overlap(tmp_path, renamed) == Overlap(10, 0)
    assert overlap(tmp_path / "elsewhere", learnt) is None
