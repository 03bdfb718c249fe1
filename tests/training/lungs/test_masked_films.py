"""Which films are fitted on, and which judge."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.films import write_film
from tests.training.lungs.drawn import drawn_lungs, write_drawn, write_index
from training.data.patients import DatasetError
from training.lungs.masked_films import coverage, divide, list_masked_films


def test_films_get_the_masks_of_their_names(tmp_path: Path) -> None:
    films, masks = write_drawn(tmp_path, films=12)
    found = list_masked_films([films], masks)
    assert len(found) == 12
    assert {film.patient for film in found} == {f"IM-{number:04}" for number in range(12)}
    assert found[0].pixels().shape == found[0].lungs().shape == (150, 140)


def test_a_film_in_two_forms_stands_on_one_side(tmp_path: Path) -> None:
    films, masks = write_drawn(tmp_path, films=24)
    for path in films.rglob("*.png"):
        (tmp_path / "copies").mkdir(exist_ok=True)
        Image.open(path).resize((64, 64)).save(tmp_path / "copies" / path.name)
    fitted, judging = divide(list_masked_films([films, tmp_path / "copies"], masks))
    assert len(fitted) + len(judging) == 48
    assert not {film.patient for film in fitted} & {film.patient for film in judging}
    assert 2 <= len(judging) <= 20


def test_patients_that_are_left_out_only_judge(tmp_path: Path) -> None:
    films, masks = write_drawn(tmp_path, films=24)
    for number in range(6):
        write_film(tmp_path / "native" / f"IM-{number:04}-0002.png", number)
    fitted, judging = divide(list_masked_films([films], masks), left_out=[tmp_path / "native"])
    strangers = {f"IM-{number:04}" for number in range(6)}
    assert not strangers & {film.patient for film in fitted}
    assert strangers <= {film.patient for film in judging}


def test_a_mask_whose_film_is_not_certain_is_left_alone(tmp_path: Path) -> None:
    films, masks = write_drawn(tmp_path, films=4)
    write_index(masks, ["IM-0000-0001.png"], mapped_by="order only")
    with pytest.raises(DatasetError, match="none of those in"):
        list_masked_films([films], masks)


def test_folders_that_are_none_are_named(tmp_path: Path) -> None:
    films, _ = write_drawn(tmp_path, films=4)
    with pytest.raises(DatasetError, match=r"must be in folders\. Received: .*nowhere"):
        list_masked_films([films], tmp_path / "nowhere")


def test_one_patient_cannot_be_divided(tmp_path: Path) -> None:
    films, masks = write_drawn(tmp_path, films=1)
    with pytest.raises(DatasetError, match="patients to fit on and of others"):
        divide(list_masked_films([films], masks))


def test_coverage_is_the_share_of_lung() -> None:
    shares = coverage(drawn_lungs(0), 10)
    assert shares.shape == (10, 10)
    assert shares.mean() == pytest.approx((drawn_lungs(0) > 0).mean(), abs=1e-3)
    np.testing.assert_array_equal(coverage(np.full((30, 20), 255, np.uint8), 4), np.ones((4, 4), np.float32))
