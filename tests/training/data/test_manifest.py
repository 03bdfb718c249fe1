"""From a folder of radiographs to a manifest."""

import csv
import io
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models.films.unforeseen import FAILING, fail
from training.data.manifest import DatasetError, Manifest, read_manifest

SHARED = Path(__file__).parents[4] / "shared" / "chest_xray"


def picture(seed: int) -> bytes:
    """A PNG that is unlike that of any other seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 40), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def fill(root: Path, *files: str) -> Path:
    """Write a picture to each path; a path that ends in / is an empty folder, one that ends in .txt holds words."""
    for seed, name in enumerate(files):
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no picture" if name.endswith(".txt") else picture(seed))
    return root


def paths(manifest: Manifest) -> list[str]:
    return [entry.path.as_posix() for entry in manifest.entries]


def test_class_folders_sorted_by_name_give_labels_and_order(tmp_path: Path) -> None:
    manifest = read_manifest(fill(tmp_path, "sick/b.png", "sick/deep/er/a.png", "healthy/z.png", "healthy/c.png"))
    assert manifest.labels == ("healthy", "sick")
    assert paths(manifest) == ["healthy/c.png", "healthy/z.png", "sick/b.png", "sick/deep/er/a.png"]
    assert [entry.label for entry in manifest.entries] == ["healthy", "healthy", "sick", "sick"]
    assert {entry.split for entry in manifest.entries} == {"train"}
    assert manifest.set_aside == ()


def test_splits_are_read_from_their_folders(tmp_path: Path) -> None:
    root = fill(
        tmp_path, "Train/A/1.png", "Train/B/2.png", "test/A/3.png", "test/B/4.png", "val/A/5.png", "val/B/6.png"
    )
    manifest = read_manifest(root)
    assert manifest.labels == ("A", "B")
    assert [(entry.split, entry.label) for entry in manifest.entries] == [
        (split, label) for split in ("train", "val", "test") for label in "AB"
    ]
    assert [entry.path.as_posix() for entry in manifest.select("test")] == ["test/A/3.png", "test/B/4.png"]
    with pytest.raises(ValueError, match="'all'"):
        manifest.select("all")


def test_hidden_files_junk_and_words_beside_the_classes_are_ignored(tmp_path: Path) -> None:
    root = fill(tmp_path, "A/1.png", "B/2.png", ".cache/x.png", "__MACOSX/A/._1.png", "A/.hidden/3.png", "A/._1.png")
    for name in ("README.md", "labels.csv", "notes.txt", "A/Thumbs.db", "A/.DS_Store", "B/desktop.ini", "Thumbs.db"):
        (root / name).write_bytes(b"words")
    manifest = read_manifest(root)
    assert paths(manifest) == ["A/1.png", "B/2.png"]
    assert manifest.set_aside == ()


def test_a_file_on_which_a_decoder_fails_unforeseen_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fill(tmp_path, "A/1.png", "B/2.png")
    (root / "A/failing.jpeg").write_bytes(FAILING)
    monkeypatch.setitem(Image.DECODERS, "jpeg", fail)
    manifest = read_manifest(root)
    assert paths(manifest) == ["A/1.png", "B/2.png"]
    assert [(one.path.as_posix(), one.code) for one in manifest.set_aside] == [("A/failing.jpeg", "internal_error")]


def test_bad_files_in_a_class_are_set_aside_with_code_and_sentence(tmp_path: Path) -> None:
    root = fill(tmp_path, "A/1.png", "A/notes.txt", "B/2.png")
    (root / "A/empty.png").touch()
    (root / "B/cut.png").write_bytes(picture(7)[:900])
    (root / "B/gone.png").symlink_to(root / "nowhere.png")
    manifest = read_manifest(root)
    assert paths(manifest) == ["A/1.png", "B/2.png"]
    assert [(item.path.as_posix(), item.code) for item in manifest.set_aside] == [
        ("A/empty.png", "empty_file"),
        ("A/notes.txt", "not_an_image"),
        ("B/cut.png", "damaged"),
        ("B/gone.png", "not_found"),
    ]
    assert all(item.sentence for item in manifest.set_aside)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_does_not_stop_the_reading(tmp_path: Path) -> None:
    root = fill(tmp_path, "A/1.png", "B/2.png")
    os.mkfifo(root / "A/pipe")
    assert len(read_manifest(root).entries) == 2


def _a_file(root: Path) -> Path:
    (root / "file").write_bytes(picture(0))
    return root / "file"


@pytest.mark.parametrize(
    ("make", "code", "told"),
    [
        (lambda root: root / "absent", "not_a_folder", "there is nothing"),
        (_a_file, "not_a_folder", "is a file"),
        (lambda root: root, "no_images", "none in"),
        (lambda root: fill(root, "A/", "B/"), "no_images", "none in"),
        (lambda root: fill(root, "A/x.txt", "B/y.txt"), "no_images", "not_an_image (such as A/x.txt"),
        (lambda root: fill(root, "1.png", "2.png"), "single_class", "2 images directly in it"),
        (lambda root: fill(root, "A/1.png"), "single_class", "only A"),
        (lambda root: fill(root, "train/A/1.png"), "single_class", "only A"),
        (lambda root: fill(root, "A/1.png", "B/"), "empty_class", "no files in B."),
        (lambda root: fill(root, "A/1.png", "B/x.txt", "B/y.txt"), "empty_class", "2 not_an_image (such as B/x.txt"),
        (
            lambda root: fill(root, "train/A/1.png", "train/B/2.png", "val/A/", "val/B/3.png"),
            "empty_class",
            "no files in val/A.",
        ),
        (lambda root: fill(root, "A/1.png", "B/2.png", "3.png"), "mixed_layout", "1 beside the class folders (3.png)"),
        (lambda root: fill(root, "train/A/1.png", "train/B/2.png", "C/3.png"), "mixed_layout", "C in"),
        (lambda root: fill(root, "train/A/1.png", "train/B/2.png", "valid/A/3.png"), "mixed_layout", "valid in"),
        (lambda root: fill(root, "training/A/1.png", "validation/A/2.png"), "mixed_layout", "training, validation in"),
        (lambda root: fill(root, "test/A/1.png", "test/B/2.png"), "mixed_layout", "one must be train"),
        (
            lambda root: fill(root, "train/A/1.png", "train/B/2.png", "test/A/3.png", "test/B/4.png", "test/C/5.png"),
            "mixed_layout",
            "A, B in train, A, B, C in test",
        ),
        (lambda root: fill(root, "train/A/1.png", "train/B/2.png", "val/A/3.png"), "mixed_layout", "A in val"),
    ],
)
def test_what_is_no_data_set_is_refused(tmp_path: Path, make: Callable[[Path], Path], code: str, told: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read_manifest(make(tmp_path))
    assert caught.value.code == code
    assert told in str(caught.value)


def test_structure_is_refused_before_any_file_is_read(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    with pytest.raises(DatasetError, match="B"):
        read_manifest(fill(tmp_path, "A/1.png", "B/"), progress=lambda done, total: calls.append((done, total)))
    assert calls == []


def test_progress_counts_every_file_in_order(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    root = fill(tmp_path, "A/1.png", "A/x.txt", "B/2.png")
    read_manifest(root, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_published_names_give_patients_that_do_not_collide_and_batches(tmp_path: Path) -> None:
    manifest = read_manifest(
        fill(
            tmp_path,
            "N/IM-0115-0001.jpeg",
            "N/NORMAL2-IM-0115-0001.jpeg",
            "N/NORMAL2-IM-0115-0001-0002.jpeg",
            "P/person115_bacteria_1.jpeg",
            "P/person115_virus_2.jpeg",
        )
    )
    assert {entry.path.name: (entry.patient, entry.batch) for entry in manifest.entries} == {
        "IM-0115-0001.jpeg": ("IM-0115", "IM"),
        "NORMAL2-IM-0115-0001.jpeg": ("NORMAL2-IM-0115", "NORMAL2-IM"),
        "NORMAL2-IM-0115-0001-0002.jpeg": ("NORMAL2-IM-0115", "NORMAL2-IM"),
        "person115_bacteria_1.jpeg": ("person115", "bacteria"),
        "person115_virus_2.jpeg": ("person115", "virus"),
    }
    assert manifest.patient_source == "the published file names: 5 files of 3 patients"


def test_unknown_patients_are_the_files_and_identical_copies_stay_together(tmp_path: Path) -> None:
    root = fill(tmp_path, "A/1.png", "A/2.png", "B/3.png")
    shutil.copy(root / "A/1.png", root / "A/copy.png")
    manifest = read_manifest(root)
    patient = {entry.path.name: entry.patient for entry in manifest.entries}
    assert patient["1.png"] == patient["copy.png"]
    assert len(set(patient.values())) == 3
    assert {entry.batch for entry in manifest.entries} == {""}
    assert manifest.patient_source.startswith("unknown: each file is treated as a patient")


def test_patients_come_from_the_pattern(tmp_path: Path) -> None:
    manifest = read_manifest(fill(tmp_path, "A/p1-a.png", "A/p1-b.png", "B/p2.png"), patient_regex=r"^p(\d+)")
    assert [entry.patient for entry in manifest.entries] == ["1", "1", "2"]


def test_a_file_that_is_set_aside_needs_no_row_in_the_table(tmp_path: Path) -> None:
    root = fill(tmp_path / "data", "A/1.png", "A/notes.txt", "B/2.png")
    table = tmp_path / "patients.csv"
    table.write_text("file,patient\n1.png,x\n2.png,y\n")
    assert [entry.patient for entry in read_manifest(root, patients_csv=table).entries] == ["x", "y"]
    (root / "B/without_suffix").write_bytes(picture(9))
    with pytest.raises(DatasetError, match="B/without_suffix"):
        read_manifest(root, patients_csv=table)


def test_fingerprint_knows_content_and_label_but_not_names(tmp_path: Path) -> None:
    first = read_manifest(fill(tmp_path / "first", "A/1.png", "A/2.png", "B/3.png")).fingerprint
    renamed = fill(tmp_path / "renamed", "A/9.png", "A/deep/0.png", "B/3.jpg")
    assert read_manifest(renamed).fingerprint == first
    (renamed / "A/9.png").rename(renamed / "B/9.png")
    assert read_manifest(renamed).fingerprint != first


def test_written_table_holds_every_entry_and_serves_as_table_of_patients(tmp_path: Path) -> None:
    root = fill(tmp_path / "data", "A/p1, a.png", "A/p1-ü.png", "B/p2.png")
    manifest = read_manifest(root, patient_regex=r"^p(\d+)")
    table = tmp_path / "run" / "manifest.csv"
    manifest.write_csv(table)
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["file"], row["label"], row["patient"], row["split"], row["sha256"]) for row in rows] == [
        (entry.path.as_posix(), entry.label, entry.patient, "train", entry.sha256) for entry in manifest.entries
    ]
    assert list(table.parent.iterdir()) == [table]
    assert read_manifest(root, patients_csv=table).entries == manifest.entries


def test_what_a_file_says_of_itself_reaches_the_written_table(tmp_path: Path) -> None:
    pydicom_data = pytest.importorskip("pydicom.data", reason="needs the sample files of pydicom")
    root = fill(tmp_path / "data", "A/1.png", "B/2.png")
    shutil.copy(pydicom_data.get_testdata_file("RG1_UNCR.dcm"), root / "B/film.dcm")
    manifest = read_manifest(root)
    facts = manifest.entries[-1].facts
    assert facts
    manifest.write_csv(tmp_path / "manifest.csv")
    with (tmp_path / "manifest.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert {fact: rows[2][fact] for fact in facts} == dict(facts)
    assert {rows[0][fact] for fact in facts} == {""}


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the radiographs in ../shared/chest_xray")
def test_the_published_training_split_has_2846_patients() -> None:
    manifest = read_manifest(SHARED)
    assert manifest.labels == ("NORMAL", "PNEUMONIA")
    assert Counter(entry.label for entry in manifest.entries) == {"NORMAL": 1341, "PNEUMONIA": 3875}
    assert manifest.patient_source == "the published file names: 5216 files of 2846 patients"
    assert len({entry.patient for entry in manifest.entries}) == 2846
    assert {entry.batch for entry in manifest.entries} == {"IM", "NORMAL2-IM", "bacteria", "virus"}
    assert manifest.set_aside == ()
