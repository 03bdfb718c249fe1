"""No film and no patient on both sides of a split."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from models.films.radiograph import read_radiograph
from tests.training import films
from tests.training.conftest import Trained, Workshop
from training.data.folds import grouped_folds
from training.data.manifest import Entry, Manifest, read_manifest
from training.data.patients import DatasetError
from training.data.perceptual_hash import perceptual_hash
from training.leaks.find import Leaks, find_leaks, regroup
from training.leaks.near_pairs import near_pairs


def film(seed: int, opacity: float = 0.0) -> NDArray[np.uint8]:
    """A synthetic film with anatomy of its own at every scale, as a real one has and a perceptual hash needs."""
    plain = films.film(seed, opacity)
    detail = Image.fromarray(np.random.default_rng([seed, 7]).normal(0, 25, (20, 20)).astype(np.float32))
    grown = np.asarray(detail.resize(plain.shape[::-1], Image.Resampling.BICUBIC))
    return np.round(plain + grown).clip(0, 255).astype(np.uint8)


def write_film(path: Path, seed: int, opacity: float = 0.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(film(seed, opacity)).save(path)


def write_folder(root: Path, *, splits: Sequence[str] = ("",), patients: int = 6) -> Path:
    """One film of each patient, by class; patients are named in the file, as in `p3_1.png`, and differ between splits."""
    for number, split in enumerate(splits):
        for patient in range(patients):
            seed = 100 * number + 2 * patient
            write_film(root / split / "A" / f"p{seed}_1.png", seed)
            write_film(root / split / "B" / f"p{seed + 1}_1.png", seed + 1, opacity=0.9)
    return root


def save(path: Path, pixels: NDArray[np.uint8], *, scale: float = 1.0, **options: object) -> None:
    image = Image.fromarray(pixels)
    size = (round(scale * image.width), round(scale * image.height))
    image.resize(size, Image.Resampling.BICUBIC).save(path, **options)


def read(root: Path) -> Manifest:
    return read_manifest(root, patient_regex=r"^(p\d+)_")


def search(manifest: Manifest) -> Leaks:
    """Search with an embedding that needs no network: the film, averaged down to 8 by 8."""

    def embed_plain(entries: Sequence[Entry]) -> NDArray[np.float32]:
        pictures = [Image.fromarray(read_radiograph(manifest.root / entry.path).pixels) for entry in entries]
        return np.stack([np.asarray(one.resize((8, 8), Image.Resampling.BOX), np.float32).ravel() for one in pictures])

    return find_leaks(manifest, embed_plain, seed=1)


def pairs(leaks: Leaks) -> list[tuple[str, str, str]]:
    return [(pair.kind, pair.first.path.as_posix(), pair.second.path.as_posix()) for pair in leaks.pairs]


def test_films_of_different_patients_are_no_leak(tmp_path: Path) -> None:
    manifest = read(write_folder(tmp_path, splits=("train", "val", "test")))
    assert search(manifest) == Leaks(36, ())


def test_equal_pixels_are_found_in_another_format_and_with_other_metadata(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    save(root / "A/p50_1.bmp", film(0))
    comment = PngImagePlugin.PngInfo()
    comment.add_text("Comment", "a copy")
    save(root / "A/p60_1.png", film(2), pnginfo=comment)
    assert pairs(search(read(root))) == [("exact", "A/p0_1.png", "A/p50_1.bmp"), ("exact", "A/p2_1.png", "A/p60_1.png")]


@pytest.mark.parametrize(
    ("scale", "quality"), [(1.0, 60), (0.7, 90), (0.7, 60), (1.4, 75)], ids=["encoded", "small", "both", "large"]
)
def test_a_copy_in_another_encoding_or_size_is_found(tmp_path: Path, scale: float, quality: int) -> None:
    root = write_folder(tmp_path)
    save(root / "A/p50_1.jpg", film(4), scale=scale, quality=quality)
    leaks = search(read(root))
    assert pairs(leaks) == [("near", "A/p4_1.png", "A/p50_1.jpg")]
    (pair,) = leaks.pairs
    assert leaks.cosine_threshold is not None
    assert pair.cosine is not None
    assert leaks.cosine_threshold < pair.cosine <= 1.0001


def test_what_the_embedding_does_not_confirm_is_no_near_duplicate(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    save(root / "A/p50_1.jpg", film(4), quality=60)
    manifest = read(root)
    dice = np.random.default_rng(3)
    unlike = {entry.sha256: dice.normal(size=32) for entry in manifest.entries}
    unlike[next(entry.sha256 for entry in manifest.entries if entry.patient == "p50")] = -unlike[
        next(entry.sha256 for entry in manifest.entries if entry.patient == "p4")
    ]
    assert find_leaks(manifest, lambda entries: np.stack([unlike[one.sha256] for one in entries]), seed=1).pairs == ()


def test_copies_of_one_patient_in_one_part_are_no_leak(tmp_path: Path) -> None:
    root = write_folder(tmp_path, splits=("train", "val", "test"))
    save(root / "train/A/p0_2.png", film(0))
    save(root / "val/A/p0_3.jpg", film(0), quality=60)  # train and val are learnt from together, by patient
    save(root / "test/A/p999_1.png", film(200))  # of two patients, but both only judged
    assert search(read(root)).pairs == ()


def test_copies_and_patients_across_the_test_split_are_found(tmp_path: Path) -> None:
    root = write_folder(tmp_path, splits=("train", "test"))
    save(root / "test/A/p500_1.png", film(0))
    save(root / "test/A/p501_1.jpg", film(2), scale=0.7, quality=80)
    save(root / "test/A/p4_2.png", film(901))
    assert pairs(search(read(root))) == [
        ("exact", "train/A/p0_1.png", "test/A/p500_1.png"),
        ("near", "train/A/p2_1.png", "test/A/p501_1.jpg"),
        ("patient", "train/A/p4_1.png", "test/A/p4_2.png"),
    ]


def test_one_film_under_two_labels_is_a_leak_even_of_one_patient(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    save(root / "A/p50_1.png", film(2))
    save(root / "B/p4_2.png", film(4))
    leaks = search(read(root))
    assert pairs(leaks)[0] == ("exact", "A/p4_1.png", "B/p4_2.png"), "conflicts come first"
    assert (leaks.conflicts, leaks.count("exact")) == (1, 2)


def test_regrouping_puts_copies_into_one_fold(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    save(root / "A/p50_1.png", film(2))
    save(root / "A/p51_1.jpg", film(2), quality=60)  # near both: the three become one patient
    manifest = read(root)
    grouped, leaks = regroup(manifest, search(manifest))
    of_file = {entry.path.name: entry.patient for entry in grouped.entries}
    assert {of_file[name] for name in ("p2_1.png", "p50_1.png", "p51_1.jpg")} == {"p2"}
    assert len(set(of_file.values())) == 12
    assert (leaks.merged, leaks.taken_out) == (2, 0)
    truth = np.array([grouped.labels.index(entry.label) for entry in grouped.entries])
    copies = {number for number, entry in enumerate(grouped.entries) if entry.patient == "p2"}
    for _, judged in grouped_folds(truth, [entry.patient for entry in grouped.entries], folds=3, seed=1):
        assert copies <= set(judged.tolist()) or not copies & set(judged.tolist())


def test_regrouping_leaves_the_test_split_whole_and_takes_its_patients_out_of_training(tmp_path: Path) -> None:
    root = write_folder(tmp_path, splits=("train", "val", "test"))
    save(root / "test/A/p500_1.png", film(0))  # a film of p0
    write_film(root / "train/A/p0_2.png", 902)
    save(root / "val/A/p2_2.png", film(903))
    write_film(root / "test/A/p2_3.png", 904)  # p2 is in train, val and test
    manifest = read(root)
    grouped, leaks = regroup(manifest, search(manifest))
    gone = {entry.path.as_posix() for entry in manifest.entries} - {entry.path.as_posix() for entry in grouped.entries}
    assert gone == {"train/A/p0_1.png", "train/A/p0_2.png", "train/A/p2_1.png", "val/A/p2_2.png"}
    assert (leaks.merged, leaks.taken_out) == (1, 4)
    assert search(grouped).pairs == ()


def test_regrouping_refuses_to_take_out_a_whole_class(tmp_path: Path) -> None:
    root = write_folder(tmp_path, splits=("train", "test"), patients=2)
    for seed in (0, 2):
        save(root / f"test/A/p{seed}_2.png", film(seed))
    manifest = read(root)
    with pytest.raises(DatasetError, match=r"none of A after --regroup") as caught:
        regroup(manifest, search(manifest))
    assert caught.value.code == "leak"


def test_a_hash_survives_brightness_and_contrast() -> None:
    pixels = film(8)
    paler = (0.7 * pixels + 40).astype(np.uint8)
    both = np.frombuffer(perceptual_hash(pixels) + perceptual_hash(paler), np.uint8).reshape(2, 32)
    assert len(near_pairs(both, most_bits=12)[0]) == 1


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an exact copy, a re-encoded copy and a divided patient, all by the published names."""
    root = tmp_path_factory.mktemp("leaking")
    for number in range(6):
        for part, seed in (("train", 2 * number), ("test", 300 + 2 * number)):
            write_film(root / part / "NORMAL" / f"IM-{seed:04}-0001.png", seed)
            write_film(root / part / "PNEUMONIA" / f"person{seed}_virus_1.png", seed + 1, opacity=0.9)
    save(root / "train/NORMAL/IM-0700-0001.png", film(0))
    save(root / "train/NORMAL/IM-0701-0001.jpeg", film(2), quality=90)
    write_film(root / "test/PNEUMONIA/person4_virus_2.png", 905, opacity=0.9)
    return root


def test_a_leaking_folder_is_refused_with_list_and_picture(workshop: Workshop, leaking: Path) -> None:
    ran = workshop.train(leaking, "refused")
    assert ran.status == 2
    assert "error [leak]:" in ran.err
    assert "1 exact duplicate, 1 near-duplicate, 1 patient in both the training part and the test split" in ran.err
    assert "train/NORMAL/IM-0000-0001.png equals train/NORMAL/IM-0700-0001.png" in ran.err
    assert "--regroup" in ran.err
    assert not (workshop.bundles / "refused").exists()
    table, picture = workshop.runs / "refused" / "leaks.csv", workshop.runs / "refused" / "leaks.png"
    assert str(table) in ran.err
    assert str(picture) in ran.err
    with table.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["kind"] for row in rows] == ["exact", "near", "patient"]
    assert rows[1]["file_2"] == "train/NORMAL/IM-0701-0001.jpeg"
    assert (rows[2]["split_1"], rows[2]["split_2"]) == ("train", "test")
    with Image.open(picture) as sheet:
        assert sheet.format == "PNG"
        assert min(sheet.size) > 200


def test_regroup_trains_and_says_what_it_did(workshop: Workshop, leaking: Path) -> None:
    ran = workshop.quick.train(leaking, "regrouped", "--regroup")
    assert ran.status == 0, ran.err
    assert "patients merged into another: 2; images taken out of the training part: 1" in ran.out
    report = workshop.report("regrouped")
    counts = {"exact": 1, "near": 1, "patients": 1, "label_conflicts": 0, "merged": 2, "taken_out": 1, "images": 27}
    assert {name: report["leaks"][name] for name in counts} == counts
    assert report["data"]["images"] == {"NORMAL": 8, "PNEUMONIA": 5}
    assert report["data"]["patients"] == 11
    section = re.search(r"## Leaks\n(.*?)\n## ", workshop.card("regrouped"), re.DOTALL)
    assert section
    for line in (
        "exact duplicates: 1",
        "near-duplicates: 1",
        "merged into another: 2",
        "taken out of the training part",
    ):
        assert line in section[1]
    with (workshop.runs / "regrouped" / "manifest.csv").open(newline="") as lines:
        patient = {row["file"]: row["patient"] for row in csv.DictReader(lines)}
    assert patient["train/NORMAL/IM-0700-0001.png"] == patient["train/NORMAL/IM-0000-0001.png"] == "IM-0000"
    assert {path.name for path in (workshop.bundles / "regrouped").iterdir()}.isdisjoint({"leaks.csv", "leaks.png"})


def test_where_nothing_is_found_the_run_says_so(workshop: Workshop, trained: Trained) -> None:
    assert "none found among 48 images" in trained.ran.out
    assert "None found among 48 images." in workshop.card(trained.name)
    leaks = workshop.report(trained.name)["leaks"]
    assert (leaks["images"], leaks["exact"], leaks["near"], leaks["patients"]) == (48, 0, 0, 0)
    assert (workshop.runs / trained.name / "leaks.csv").read_text().count("\n") == 1
    assert not (workshop.runs / trained.name / "leaks.png").exists()
