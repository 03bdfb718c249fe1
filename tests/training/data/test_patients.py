"""Which files show the same patient."""

from pathlib import Path

import pytest

from models.films.patient_key import published_name
from training.data.patients import DatasetError, name_patients, read_patients_csv

FILES = [Path("A/p1_a.png"), Path("A/p1_b.png"), Path("B/p2_a.png"), Path("B/deep/p1_a.png")]


@pytest.mark.parametrize(
    ("file_name", "patient", "batch"),
    [
        ("person12_bacteria_46.jpeg", "person12", "bacteria"),
        ("person12_virus_3.jpeg", "person12", "virus"),
        ("person447_virus_921_1.jpeg", "person447", "virus"),
        ("person12_virus_3_flipped.png", "person12", "virus"),
        ("IM-0115-0001.jpeg", "IM-0115", "IM"),
        ("IM-0429-0001-0002.jpeg", "IM-0429", "IM"),
        ("NORMAL2-IM-0115-0001.jpeg", "NORMAL2-IM-0115", "NORMAL2-IM"),
        ("NORMAL2-IM-0587-0001-0001.JPG", "NORMAL2-IM-0587", "NORMAL2-IM"),
    ],
)
def test_published_names_give_patient_and_batch(file_name: str, patient: str, batch: str) -> None:
    assert published_name(file_name) == (patient, batch)


@pytest.mark.parametrize(
    "file_name",
    [
        "person12.jpeg",
        "person_bacteria_1.jpeg",
        "person1_fungus_2.jpeg",
        "IM-0115.jpeg",
        "chest IM-0115-0001.jpeg",
        "x.png",
        "IM-0001-0001.dcm",  # what a DICOM viewer calls the first image of anybody's first series
        "IM-0001-0001",
    ],
)
def test_other_names_say_nothing(file_name: str) -> None:
    assert published_name(file_name) is None


def test_names_that_match_in_part_are_used_in_part_and_counted() -> None:
    files = [Path("N/IM-0001-0001.jpeg"), Path("N/IM-0001-0002.jpeg"), Path("P/own.png"), Path("P/other.png")]
    names = name_patients(files)
    assert set(names.patients) == set(files[:2])
    assert names.describe(files) == (
        "the published file names: 2 files of 1 patient; unknown for 2 more: each of these is treated as a patient"
    )


def test_no_known_name_is_said_plainly() -> None:
    assert name_patients(FILES).describe(FILES) == "unknown: each file is treated as a patient"


def test_pattern_takes_its_first_group_from_the_file_name_only() -> None:
    names = name_patients([*FILES, Path("p9_/none.png")], patient_regex=r"(p\d)_(.)")
    assert names.patients == {FILES[0]: "p1", FILES[1]: "p1", FILES[2]: "p2", FILES[3]: "p1"}
    sentence = names.describe([*FILES, Path("p9_/none.png")])
    assert "4 files of 2 patients" in sentence
    assert "unknown for 1 more" in sentence


def test_pattern_whose_group_stays_empty_names_no_patient() -> None:
    assert name_patients([Path("A/x.png")], patient_regex=r"(\d*)x|(y)").patients == {}
    assert name_patients([Path("A/x.png")], patient_regex=r"(y)|x").patients == {}


@pytest.mark.parametrize("expression", [r"p\d_", "(", r"(?:p\d)_", "*("])
def test_pattern_without_group_or_invalid_is_refused(expression: str) -> None:
    with pytest.raises(DatasetError, match="Received") as caught:
        name_patients(FILES, patient_regex=expression)
    assert caught.value.code == "patient_regex"
    assert repr(expression) in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"file,patient\nA/p1_a.png,1\nA/p1_b.png,1\nB/p2_a.png,2\nB/deep/p1_a.png,3\n",
        b"\xef\xbb\xbffile,patient\r\nA/p1_a.png,1\r\np1_b.png,1\r\np2_a.png,2\r\nB/deep/p1_a.png,3\r\n",
        b"age,Patient , File\n4, 1,A/p1_a.png\n3,1,p1_b.png \n,2,p2_a.png\n\n,3,B/deep/p1_a.png",
    ],
    ids=["paths", "mark and Windows line ends", "further columns and spaces"],
)
def test_table_names_patients_by_path_or_unique_name(tmp_path: Path, content: bytes) -> None:
    table = tmp_path / "patients.csv"
    table.write_bytes(content)
    names = name_patients(FILES, patients_csv=table)
    names.require(FILES)
    assert names.patients == dict(zip(FILES, "1123", strict=True))
    assert names.describe(FILES) == "the table patients.csv: 4 files of 3 patients"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "an empty file"),
        (b"name;patient\nA/p1_a.png;1\n", "name;patient"),
        (b"file,who\nA/p1_a.png,1\n", "file, who"),
        (b"file,patient\nC/none.png,1\n", "no such image for 1 (C/none.png)"),
        (b"file,patient\np1_a.png,1\n", "several images for 1 (p1_a.png)"),
        (b"file,patient\np2_a.png,1\nB/p2_a.png,1\n", "second row for 1 (B/p2_a.png)"),
        (b"file,patient\nA/p1_b.png, \nB/p2_a.png\n", "no patient for 2 (A/p1_b.png, B/p2_a.png)"),
        (
            b"file,patient\n" + b"".join(b"%d.png,1\n" % n for n in range(7)),
            "0.png, 1.png, 2.png, 3.png, 4.png and 2 more",
        ),
        ("file,patient\nA/Müller.png,1\n".encode("latin-1"), "UTF-8"),
    ],
)
def test_table_that_does_not_fit_is_refused_by_name(tmp_path: Path, content: bytes, told: str) -> None:
    table = tmp_path / "patients.csv"
    table.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        read_patients_csv(table, FILES)
    assert caught.value.code == "patients_csv"
    assert told in str(caught.value)


def test_table_that_is_absent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"none\.csv"):
        read_patients_csv(tmp_path / "none.csv", FILES)


def test_images_without_a_row_are_named(tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("file,patient\nA/p1_a.png,1\n")
    with pytest.raises(DatasetError, match=r"3 of 4 images.*A/p1_b.png, B/p2_a.png, B/deep/p1_a.png") as caught:
        name_patients(FILES, patients_csv=table).require(FILES)
    assert caught.value.code == "patients_csv"


def test_pattern_and_table_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="both"):
        name_patients(FILES, patient_regex="(p)", patients_csv=tmp_path / "patients.csv")
