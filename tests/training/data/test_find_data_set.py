"""Folders as they come: archives within folders, several data sets, links, and what programs leave behind."""

import shlex
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.training.conftest import Workshop
from tests.training.data.test_manifest import fill, paths
from training.data.find_data_set import find_data_set
from training.data.manifest import DatasetError, read_manifest

SPLITS = ("train", "val", "test")
ARCHIVE = tuple(f"{split}/{label}/{n}.png" for split in SPLITS for label in ("NORMAL", "PNEUMONIA") for n in range(2))


def unpacked(root: Path) -> Path:
    """The published archive, as it unpacks: the folder in itself, once more beside it, and what macOS left behind."""
    fill(root, *(f"chest_xray/chest_xray/{name}" for name in ARCHIVE))
    shutil.copytree(root / "chest_xray/chest_xray", root / "chest_xray", dirs_exist_ok=True)
    for folder in ("chest_xray/__MACOSX/train/NORMAL", "chest_xray/chest_xray/__MACOSX", "chest_xray/train/.cache"):
        (root / folder).mkdir(parents=True)
    (root / "chest_xray/__MACOSX/train/NORMAL/._0.png").write_bytes(b"attributes")
    return root / "chest_xray"


@pytest.mark.parametrize("outer", ["", "chest_xray", "download/chest_xray"])
def test_the_class_folders_are_found_up_to_two_levels_down(tmp_path: Path, outer: str) -> None:
    fill(tmp_path / outer, *ARCHIVE)
    (tmp_path / "__MACOSX").mkdir()
    manifest = read_manifest(tmp_path)
    assert manifest.root == tmp_path / outer
    assert len(manifest.select("test")) == 4
    assert [(one.path, one.reason) for one in manifest.left_out] == [(tmp_path / "__MACOSX", "left behind by macOS")]


def test_three_levels_down_is_too_deep(tmp_path: Path) -> None:
    fill(tmp_path / "a/b/c", *ARCHIVE)
    with pytest.raises(DatasetError) as caught:
        read_manifest(tmp_path)
    assert caught.value.code == "single_class"


def test_the_archive_as_it_unpacks_names_the_command_at_each_level(tmp_path: Path, workshop: Workshop) -> None:
    outer = unpacked(tmp_path)
    started = time.monotonic()
    ran = workshop.quick.train(outer, "archive", "--views", 0)
    assert time.monotonic() - started < 5
    assert ran.status == 2
    assert ran.err.startswith("error [mixed_layout]: ")
    offered = [shlex.split(line) for line in ran.err.splitlines() if line.startswith("  ")]
    assert {tuple(line[1:4]) for line in offered} == {("-m", "training", "train")}
    assert Path(offered[0][0]).resolve() == Path(sys.executable).resolve()
    named = [Path(line[4]) for line in offered]
    assert named == [outer / name for name in ("chest_xray", "train", "val", "test")]
    assert all(line[5:7] == ["--name", "archive"] for line in offered)
    for folder in named:
        assert find_data_set(folder).root == folder


def test_one_data_set_beside_other_films_is_offered_and_not_taken(tmp_path: Path) -> None:
    fill(tmp_path, "good/NORMAL/1.png", "good/PNEUMONIA/2.png", "3.png")
    with pytest.raises(DatasetError) as caught:
        read_manifest(tmp_path)
    assert caught.value.candidates == (tmp_path / "good",)
    assert "Name one of them" in str(caught.value)


def test_data_sets_beside_each_other_are_no_classes(tmp_path: Path) -> None:
    fill(tmp_path, *(f"{site}/{name}" for site in ("lyon", "turin") for name in ARCHIVE))
    with pytest.raises(DatasetError) as caught:
        read_manifest(tmp_path)
    assert caught.value.code == "mixed_layout"
    assert caught.value.candidates == (tmp_path / "lyon", tmp_path / "turin")


def test_a_class_that_is_divided_is_no_data_set(tmp_path: Path) -> None:
    fill(tmp_path, "NORMAL/2019/1.png", "NORMAL/2020/2.png")
    with pytest.raises(DatasetError, match="only NORMAL"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (("Normal/1.png", "NORMAL/2.png", "PNEUMONIA/3.png"), "'NORMAL' and 'Normal'"),
        (("NORMAL/1.png", "NOR MAL /2.png"), "'NOR MAL ' and 'NORMAL'"),
        (("no\u0308/1.png", "n\u00f6/2.png"), "Received:"),
        (("chest/train/A/1.png", "chest/train/a/2.png"), "'train/A' and 'train/a'"),
        (("train/A/1.png", "train/B/2.png", "test/A/3.png", "test/b/4.png"), "'B' and 'b'"),
        (("train/A/1.png", "train/B/2.png", "Train/A/3.png"), "'Train' and 'train'"),
    ],
)
def test_classes_that_differ_in_case_or_blanks_alone_are_refused_by_name(
    tmp_path: Path, files: tuple[str, ...], told: str
) -> None:
    fill(tmp_path, *files)
    with pytest.raises(DatasetError) as caught:
        read_manifest(tmp_path)
    assert caught.value.code == "alike_classes"
    assert told in str(caught.value)


def test_links_to_folders_are_listed_and_not_followed(tmp_path: Path) -> None:
    store = fill(tmp_path / "store", "1.png")
    root = fill(tmp_path / "data", "A/0.png", "B/deep/2.png")
    for place, target in {"A/outside": store, "B/deep/loop": root / "B", "B/top": root, "B/other": root / "A"}.items():
        (root / place).symlink_to(target)
    manifest = read_manifest(root)
    assert paths(manifest) == ["A/0.png", "B/deep/2.png"]
    reasons = {one.path.relative_to(root).as_posix(): one.reason for one in manifest.left_out}
    assert reasons.keys() == {"A/outside", "B/deep/loop", "B/top", "B/other"}
    assert "out of the data set" in reasons["A/outside"]
    assert "above it" in reasons["B/deep/loop"]
    assert "above it" in reasons["B/top"]
    assert "another folder of the data set" in reasons["B/other"]


def test_class_folders_that_are_links_are_named_in_the_refusal(tmp_path: Path) -> None:
    store = fill(tmp_path / "store", "NORMAL/1.png", "PNEUMONIA/2.png")
    (tmp_path / "data").mkdir()
    for label in ("NORMAL", "PNEUMONIA"):
        (tmp_path / "data" / label).symlink_to(store / label)
    with pytest.raises(DatasetError, match=r"a link out of the data set, to .*NORMAL"):
        read_manifest(tmp_path / "data")


def test_links_to_files_and_a_named_link_are_read(tmp_path: Path) -> None:
    store = fill(tmp_path / "store", "1.png", "2.png")
    for label, name in (("A", "1.png"), ("B", "2.png")):
        (tmp_path / "data" / label).mkdir(parents=True)
        (tmp_path / "data" / label / name).symlink_to(store / name)
    (tmp_path / "named").symlink_to(tmp_path / "data")
    assert paths(read_manifest(tmp_path / "named")) == ["A/1.png", "B/2.png"]


def test_hidden_and_checkpoint_folders_are_listed(tmp_path: Path) -> None:
    left = (".ipynb_checkpoints", "A/.ipynb_checkpoints", "A/.git", "B/checkpoints", "__MACOSX")
    root = fill(tmp_path, "A/1.png", "B/2.png", *(f"{folder}/x.png" for folder in left))
    manifest = read_manifest(root)
    assert paths(manifest) == ["A/1.png", "B/2.png"]
    assert {one.path.relative_to(root).as_posix() for one in manifest.left_out} == set(left)


def test_a_run_says_where_the_classes_lie_and_what_was_left_out(tmp_path: Path, workshop: Workshop) -> None:
    fill(tmp_path, "outer/A/1.png", "outer/B/2.png", "outer/B/.ipynb_checkpoints/2.png", "__MACOSX/x.png")
    ran = workshop.quick.train(tmp_path, "few", "--views", 0)
    assert f"The class folders lie in {tmp_path / 'outer'}." in ran.out
    assert f"Left out: {tmp_path / 'outer/B/.ipynb_checkpoints'}: checkpoints" in ran.out
    assert f"Left out: {tmp_path / '__MACOSX'}: left behind by macOS" in ran.out
