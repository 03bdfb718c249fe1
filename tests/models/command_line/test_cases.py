"""Films in the shapes in which people have them, through `predict` with the shipped bundle: each row of the shared table."""

import csv
from pathlib import Path

import pytest

from models.__main__ import main

CASES = Path(__file__).parents[4] / "shared" / "cases"
JUDGED = {
    "clean.png": "clean.png",
    "film_on_white_page.png": "clean.png",
    "letterbox.png": "clean.png",
    "colour_profile_2mb.png": "clean.png",
    "clean12.dcm": "clean12.dcm",
    "empty_rescale.dcm": "clean12.dcm",
    "modality_lut_12bit.dcm": "clean12.dcm",
    "rescale_in_functional_group.dcm": "clean12.dcm",
    "no_preamble.dcm": "clean12.dcm",
    "dataset_only_implicit.dcm": "clean12.dcm",
}
REFUSED = {
    "three_frames_no_number.dcm": "multi_frame",
    "heic_named.jpg": "not_an_image",
    "turned_90.png": "turned",
    "inverted.png": "inverted",
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    if not CASES.is_dir():
        pytest.skip("the films on which these faults were seen are not in the repository")
    table = tmp_path_factory.mktemp("cases") / "results.csv"
    assert main(["predict", *(str(CASES / name) for name in (*JUDGED, *REFUSED)), "--csv", str(table)]) == 3
    read = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return {Path(row["file"]).name: row for row in read}


@pytest.mark.parametrize(("name", "clean"), JUDGED.items())
def test_a_film_is_judged_like_the_clean_one(name: str, clean: str, rows: dict[str, dict[str, str]]) -> None:
    assert rows[name]["refusal_code"] == ""
    assert rows[name]["verdict"] == rows[clean]["verdict"] == "NORMAL"
    # A film within a page has been reduced to fit it; elsewhere a grey level may be rounded otherwise.
    reduced = 0.05 if name in ("film_on_white_page.png", "letterbox.png") else 0.005
    assert float(rows[name]["p_PNEUMONIA"]) == pytest.approx(float(rows[clean]["p_PNEUMONIA"]), abs=reduced)


@pytest.mark.parametrize(("name", "code"), REFUSED.items())
def test_what_is_wrong_with_a_file_is_told_by_its_code(name: str, code: str, rows: dict[str, dict[str, str]]) -> None:
    assert rows[name]["refusal_code"] == code
