"""Published label files, made here with their faults, become folders that can be trained on: counted to the last row."""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.training.conftest import Ran, Workshop
from tests.training.intake import label_files
from tests.training.intake.label_files import ROWS, Published
from training.data.manifest import Manifest, read_manifest
from training.intake.write_folder import new_folder


class Case(NamedTuple):
    """A label file, options of the command, and what must come out: films by split and class, patients, rows not taken."""

    write: Callable[[Path], Published]
    options: tuple[str, ...]
    films: dict[tuple[str, str], int]
    patients: int
    used_rows: int
    rejected: dict[str, int]


NIH_REJECTED = {
    "another_finding": 50, "missing_image": 10, "contradictory": 10, "duplicate_row": 5, "no_patient": 5, "malformed_row": 5,
    "unlisted_image": 3,
}  # fmt: skip
CHEXPERT_REJECTED = {
    "another_finding": 30, "lateral": 20, "contradictory": 5, "no_statement": 5, "missing_image": 5, "no_patient": 3,
    "malformed_row": 2, "unlisted_image": 2,
}  # fmt: skip
VINDR_REJECTED = {"another_finding": 20, "missing_image": 10}

CASES = {
    "NIH": Case(
        label_files.write_nih, (), {("train", "NORMAL"): 75, ("train", "PNEUMONIA"): 40}, 58, 115, NIH_REJECTED
    ),
    "NIH, with its test list": Case(
        label_files.write_nih,
        ("--test-list", "test_list.txt"),
        {("train", "NORMAL"): 55, ("train", "PNEUMONIA"): 30, ("test", "NORMAL"): 20, ("test", "PNEUMONIA"): 10},
        58,
        115,
        NIH_REJECTED,
    ),
    "NIH, another finding": Case(
        label_files.write_nih,
        ("--positive", "Effusion"),
        {("train", "NORMAL"): 75, ("train", "EFFUSION"): 50},
        63,
        125,
        {**NIH_REJECTED, "another_finding": 40},
    ),
    "RSNA, boxes alone": Case(
        lambda root: label_files.write_rsna(root, classes=False),
        (),
        {("train", "NORMAL"): 60, ("train", "PNEUMONIA"): 60},
        120,
        180,
        {"contradictory": 10, "missing_image": 10},
    ),
    "RSNA, with classes": Case(
        lambda root: label_files.write_rsna(root, classes=True),
        (),
        {("train", "NORMAL"): 30, ("train", "PNEUMONIA"): 60},
        90,
        150,
        {"another_finding": 30, "contradictory": 10, "missing_image": 10},
    ),
    "CheXpert": Case(
        label_files.write_chexpert,
        (),
        {("train", "NORMAL"): 60, ("train", "PNEUMONIA"): 40, ("val", "NORMAL"): 5, ("val", "PNEUMONIA"): 5},
        55,
        110,
        {**CHEXPERT_REJECTED, "uncertain": 20},
    ),
    "CheXpert, uncertain positive": Case(
        label_files.write_chexpert,
        ("--uncertain", "positive"),
        {("train", "NORMAL"): 60, ("train", "PNEUMONIA"): 60, ("val", "NORMAL"): 5, ("val", "PNEUMONIA"): 5},
        65,
        130,
        CHEXPERT_REJECTED,
    ),
    "CheXpert, uncertain negative": Case(
        label_files.write_chexpert,
        ("--uncertain", "negative"),
        {("train", "NORMAL"): 60, ("train", "PNEUMONIA"): 40, ("val", "NORMAL"): 5, ("val", "PNEUMONIA"): 5},
        55,
        110,
        {**CHEXPERT_REJECTED, "no_statement": 25},
    ),
    "VinDr, the majority": Case(
        label_files.write_vindr,
        (),
        {("train", "NORMAL"): 40, ("train", "PNEUMONIA"): 10},
        0,
        150,
        {**VINDR_REJECTED, "uncertain": 20},
    ),
    "VinDr, any reader": Case(
        label_files.write_vindr,
        ("--readers", "any"),
        {("train", "NORMAL"): 30, ("train", "PNEUMONIA"): 30},
        0,
        170,
        VINDR_REJECTED,
    ),
    "PadChest": Case(
        label_files.write_padchest,
        (),
        {("train", "NORMAL"): 70, ("train", "PNEUMONIA"): 40},
        55,
        110,
        {
            "lateral": 30, "another_finding": 15, "other_view": 10, "excluded": 10, "no_statement": 10, "no_patient": 5,
            "missing_image": 5, "malformed_row": 5, "unlisted_image": 5,
        },
    ),
}  # fmt: skip


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def run_import(workshop: Workshop, published: Published, to: Path, *options: object) -> Ran:
    return workshop.run("import", "--csv", published.csv, "--images", published.images, "--to", to, *options)


def by_split_and_label(manifest: Manifest) -> dict[tuple[str, str], int]:
    return dict(Counter((entry.split, entry.label) for entry in manifest.entries))


@pytest.mark.parametrize("name", CASES)
def test_every_row_is_taken_or_listed_with_its_reason(
    tmp_path: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = CASES[name]
    monkeypatch.chdir(tmp_path)
    published = case.write(tmp_path)
    ran = run_import(workshop, published, tmp_path / "made", *case.options)
    assert ran.status == 0, ran.err

    manifest = read_manifest(tmp_path / "made")
    assert by_split_and_label(manifest) == case.films
    assert manifest.set_aside == ()
    if case.patients:
        number = sum(case.films.values())
        assert len({entry.patient for entry in manifest.entries}) == case.patients
        assert manifest.patient_source == f"the table manifest.csv: {number} files of {case.patients} patients"
    else:
        assert manifest.patient_source == "unknown: each file is treated as a patient"

    rejected = rows_of(tmp_path / "made/rejected.csv")
    assert Counter(row["reason"] for row in rejected) == case.rejected
    lines = [(row["table"], row["line"]) for row in rejected if row["line"]]
    assert len(set(lines)) == len(lines) == ROWS - case.used_rows
    assert f"{ROWS} rows; {case.used_rows} of them speak of the films that are taken" in ran.out
    for reason, count in case.rejected.items():
        assert any(reason in line and str(count) in line for line in ran.out.splitlines())


def test_facts_of_the_table_are_kept_and_impossible_ages_left_out(tmp_path: Path, workshop: Workshop) -> None:
    run_import(workshop, label_files.write_nih(tmp_path), tmp_path / "made")
    rows = rows_of(tmp_path / "made/manifest.csv")
    assert {row["age_years"] for row in rows} == {"", "58"}
    assert {row["sex"] for row in rows} == {"M", "F"}
    assert {row["view"] for row in rows} == {"PA", "AP"}


def test_films_are_relative_links_that_survive_a_move_of_both_folders(tmp_path: Path, workshop: Workshop) -> None:
    (tmp_path / "here").mkdir()
    run_import(workshop, label_files.write_nih(tmp_path / "here"), tmp_path / "here/made")
    (tmp_path / "here").rename(tmp_path / "there")
    films = list((tmp_path / "there/made").rglob("*.png"))
    assert len(films) == 115
    assert all(film.is_symlink() and film.is_file() and not film.readlink().is_absolute() for film in films)


def test_copies_stand_alone(tmp_path: Path, workshop: Workshop) -> None:
    published = label_files.write_vindr(tmp_path)
    ran = run_import(workshop, published, tmp_path / "made", "--copy")
    published.images.rename(tmp_path / "gone")
    assert "0 links, 50 copies" in ran.out
    films = list((tmp_path / "made").rglob("*.dicom"))
    assert len(films) == 50
    assert all(film.is_file() and not film.is_symlink() for film in films)


def own_table(root: Path, films: Path, *, ends: str = "\n") -> Published:
    """A table of semicolons on the synthetic films: patients who are not in the file names, a film without label."""
    lines = ["Name;Finding;Person;Part"]
    for number, film in enumerate(sorted(films.glob("*/*.png"))):
        label = film.parent.name.lower() if number else ""
        lines.append(
            f'"{film.parent.name}/{film.name}";{label};person {number // 2};{("training", "Test")[number % 48 // 2 % 4 == 3]}'
        )
    (root / "mine.csv").write_text(ends.join(lines), encoding="utf-8")
    return Published(root / "mine.csv", films)


OWN = ("--file", "name", "--label", "Finding", "--patient", "PERSON")


def test_a_table_of_ones_own_is_trained_on_with_its_patients(tmp_path: Path, workshop: Workshop, films: Path) -> None:
    published = own_table(tmp_path, films, ends="\r\n")
    ran = run_import(workshop, published, tmp_path / "made", *OWN, "--split", "part")
    assert ran.status == 0, ran.err
    ran = workshop.quick.train(tmp_path / "made", "imported", "--views", 0)
    assert ran.status == 0, ran.err
    assert "Patients: the table manifest.csv: 47 files of 24 patients." in ran.out
    data = workshop.load("imported").spec.data
    assert data["images"] == {"normal": 17, "pneumonia": 18}
    assert data["patients"] == 18
    assert data["test_images"] == 12


def test_two_labels_of_a_table_are_put_together_by_positive_and_negative(
    tmp_path: Path, workshop: Workshop, films: Path
) -> None:
    classes = ("--positive", "PNEUMONIA", "--negative", "normal")
    ran = run_import(workshop, own_table(tmp_path, films), tmp_path / "made", *OWN, *classes)
    assert ran.status == 0, ran.err
    assert by_split_and_label(read_manifest(tmp_path / "made")) == {("train", "NORMAL"): 23, ("train", "PNEUMONIA"): 24}


REFUSED = {
    "an unknown header": ("a,b\n1,2\n", (), "labels_csv", "--file COLUMN --label COLUMN"),
    "no table": ("", (), "labels_csv", "begin with the names of the columns"),
    "another encoding": (b"Image Index,\xff\xfe\n", (), "labels_csv", "Save it as CSV UTF-8"),
    "a column that is not there": ("a,b\n1,2\n", ("--file", "a", "--label", "c"), "labels_csv", "It has a, b."),
    "a format that does not fit": ("a,b\n1,2\n", ("--format", "nih"), "labels_csv", "without finding labels"),
    "labels alike": ("a,b\n1,x\n2,X\n", ("--file", "a", "--label", "b"), "alike_classes", "'X' and 'x'"),
    "a label that is no folder": ("a,b\n1,x\n2,../x\n", ("--file", "a", "--label", "b"), "labels_csv", "../x"),
    "one class": ("a,b\n1,x\n2,y\n", ("--file", "a", "--label", "b"), "single_class", "2 missing_image"),
    "a finding that never occurs": (
        "patientId,class\n1,Normal\n2,Lung Opacity\n", ("--positive", "Mass"), "labels_csv", "mass, which do not",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_imported_is_refused_and_nothing_is_left(tmp_path: Path, workshop: Workshop, what: str) -> None:
    content, options, code, told = REFUSED[what]
    table = tmp_path / "labels.csv"
    table.write_bytes(content if isinstance(content, bytes) else content.encode())
    label_files.write_images(tmp_path / "images", ["film.png"])
    ran = run_import(workshop, Published(table, tmp_path / "images"), tmp_path / "made", *options)
    assert ran.status == 2
    assert ran.err.startswith(f"error [{code}]: ")
    assert told in ran.err
    assert {path.name for path in tmp_path.iterdir()} == {"labels.csv", "images"}


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, workshop: Workshop) -> None:
    published = label_files.write_vindr(tmp_path)
    (tmp_path / "made").mkdir()
    assert run_import(workshop, published, tmp_path / "made").status == 0
    before = {path.name for path in tmp_path.iterdir()}
    ran = run_import(workshop, published, tmp_path / "made")
    assert ran.status == 2
    assert ran.err.startswith("error [not_empty]: ")
    assert {path.name for path in tmp_path.iterdir()} == before


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with new_folder(tmp_path / "made") as folder:
            (folder / "half.png").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_lies_with_every_patient_is_never_taken_from_another(tmp_path: Path, workshop: Workshop) -> None:
    header = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{label_files.CHEXPERT}"
    rows = [
        f"CheXpert-v1.0/train/patient{n}/study1/view1_frontal.jpg,,,Frontal,,{n % 2},,,,,,,{1 - n % 2},,,,,,"
        for n in range(4)
    ]
    (tmp_path / "train.csv").write_text("\n".join([header, *rows]))
    label_files.write_images(tmp_path / "films", [f"train/patient{n}/study1/view1_frontal.jpg" for n in range(3)])
    ran = run_import(workshop, Published(tmp_path / "train.csv", tmp_path / "films"), tmp_path / "made")
    assert ran.status == 0, ran.err
    [row] = rows_of(tmp_path / "made/rejected.csv")
    assert (row["reason"], row["line"]) == ("missing_image", "5")
