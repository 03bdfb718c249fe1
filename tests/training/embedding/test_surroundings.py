"""Lungs and surroundings: taken apart, exchanged, and drawn evenly from both classes."""

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.films.radiograph import read_radiograph
from models.lungs.box import WHOLE, Box
from models.lungs.search import FoundLungs
from training.config import LUNG_VIEWS, NO_VIEWS
from training.data.manifest import Entry
from training.embedding.folder_lungs import FolderLungs, film_of
from training.embedding.surroundings import blank_lungs, exchange_surroundings
from training.embedding.views import Film, Probe, film_views, view_name

FOUND = FoundLungs(WHOLE, np.zeros((28, 28), np.float32), Box(0.1, 0.1, 0.9, 0.9), np.zeros(3, np.float32), None, None)


def entry(number: int) -> Entry:
    label = "AB"[number % 2]
    return Entry(
        Path(f"{number}.png"),
        label,
        f"p{number // 3}",
        "",
        "train",
        hashlib.sha256(str(number).encode()).hexdigest(),
        {},
        "",
        b"",
    )


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return [entry(number) for number in range(400)]


@pytest.fixture(scope="module")
def lungs(entries: list[Entry]) -> FolderLungs:
    return FolderLungs.of("finder", {one.sha256: FOUND for one in entries}, Path(), entries)


def test_exchanged_lungs_are_their_own_within_and_the_others_without() -> None:
    mask = np.zeros((8, 8), np.float32)
    mask[2:6, 2:6] = 1
    own, onto = np.full((8, 8), 50, np.float32), np.full((8, 8), 200, np.float32)
    mixed = exchange_surroundings(own, mask, onto, np.zeros_like(mask))
    np.testing.assert_array_equal(mixed[2:6, 2:6], 50)
    np.testing.assert_array_equal(mixed[0], 200)
    blank = blank_lungs(np.where(mask > 0, 50, 200).astype(np.float32), mask)
    np.testing.assert_array_equal(blank, 200)


def test_lungs_that_others_are_laid_on_are_faded() -> None:
    theirs = np.zeros((8, 8), np.float32)
    theirs[2:6, 2:6] = 1
    onto = np.where(theirs > 0, 0, 200).astype(np.float32)
    mixed = exchange_surroundings(np.zeros((8, 8), np.float32), np.zeros_like(theirs), onto, theirs)
    np.testing.assert_array_equal(mixed[2:6, 2:6], 100)


def test_donors_are_other_patients_of_either_class_alike(entries: list[Entry], lungs: FolderLungs) -> None:
    label = {one.sha256: one.label for one in entries}
    patient = {one.sha256: one.patient for one in entries}
    donors: Counter[tuple[str, str]] = Counter()
    for one in entries:
        film = film_of(Path(), one, lungs, views=(1, 2), augmentation=LUNG_VIEWS, seed=0)
        for donor in film.donors.values():
            assert patient[donor.sha256] != one.patient
            donors[one.label, label[donor.sha256]] += 1
    assert sum(donors.values()) / (2 * len(entries)) == pytest.approx(LUNG_VIEWS.exchange, abs=0.06)
    assert min(donors.values()) / sum(donors.values()) > 0.2  # a quarter for each pair of classes


def test_a_film_is_probed_on_the_surroundings_of_the_other_class(entries: list[Entry], lungs: FolderLungs) -> None:
    label = {one.sha256: one.label for one in entries}
    for one in entries[:50]:
        donors = film_of(Path(), one, lungs, views=tuple(Probe), augmentation=NO_VIEWS, seed=0).donors
        assert set(donors) == {Probe.EXCHANGED}
        assert label[donors[Probe.EXCHANGED].sha256] != one.label


def test_a_film_that_comes_changes_hardly_any_other_films_donor(entries: list[Entry]) -> None:
    def donors(some: list[Entry]) -> dict[str, str]:
        lungs = FolderLungs.of("finder", {one.sha256: FOUND for one in some}, Path(), some)
        films = [film_of(Path(), one, lungs, views=(1,), augmentation=LUNG_VIEWS, seed=0) for one in some[:300]]
        return {film.sha256: film.donors[1].sha256 for film in films if 1 in film.donors}

    before, after = donors(entries[:-1]), donors(entries)
    assert sum(before[name] != after[name] for name in before) <= 2


def test_views_on_other_surroundings_are_kept_under_names_of_their_own(
    entries: list[Entry], lungs: FolderLungs
) -> None:
    film = film_of(Path(), entries[0], lungs, views=tuple(Probe), augmentation=NO_VIEWS, seed=0)
    other = film_of(Path(), entries[1], lungs, views=tuple(Probe), augmentation=NO_VIEWS, seed=0)
    plain, exchanged = (view_name(view, NO_VIEWS, 0) for view in (0, Probe.EXCHANGED))
    assert film.donated(0, plain) == "plain"
    assert film.donated(Probe.EXCHANGED, exchanged).startswith("exchanged:")
    assert film.donated(Probe.EXCHANGED, exchanged) != other.donated(Probe.EXCHANGED, exchanged)


@pytest.fixture
def bright_lungs(tmp_path: Path) -> Film:
    """A film that is bright where the finder says that there are lungs, and dark elsewhere."""
    lung_map = np.zeros((28, 28), np.float32)
    lung_map[6:22, 5:11] = lung_map[6:22, 16:23] = 1
    path = tmp_path / "bright.png"
    Image.fromarray(np.kron(lung_map * 200 + 20, np.ones((20, 16))).astype(np.uint8)).save(path)
    found = FoundLungs(WHOLE, lung_map, Box(6 / 28, 5 / 28, 22 / 28, 23 / 28), np.zeros(3, np.float32), None, None)
    return Film(path, read_radiograph(path).sha256, lungs=found)


def test_what_is_lung_moves_with_the_view(bright_lungs: Film) -> None:
    moved = replace(LUNG_VIEWS, rotation=20, shift=0.1, exchange=0, reduction=0, degradation=0, noise=0)
    pixels, lungs = film_views(bright_lungs, range(8), config=moved, seed=1, size=224)
    assert lungs is not None
    assert lungs.shape == (8, 28, 28)
    small = pixels.reshape(8, 28, 8, 28, 8).mean(axis=(2, 4))
    for view, weights in zip(small, lungs, strict=True):
        assert np.corrcoef(view.ravel(), weights.ravel())[0, 1] > 0.95
    assert np.abs(lungs[1:] - lungs[0]).mean(axis=(1, 2)).min() > 0.01


def test_a_probe_keeps_the_lungs_place(bright_lungs: Film) -> None:
    pixels, lungs = film_views(bright_lungs, [0, Probe.SURROUNDINGS], config=NO_VIEWS, seed=1, size=224)
    assert lungs is not None
    np.testing.assert_array_equal(lungs[0], lungs[1])
    assert pixels[0][lungs[0].repeat(8, 0).repeat(8, 1) == 1].mean() > 200
    assert pixels[1][lungs[0].repeat(8, 0).repeat(8, 1) == 1].mean() < 50
