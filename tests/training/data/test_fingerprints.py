"""Films are decoded once; a changed file is always noticed."""

import shutil
from pathlib import Path

import pytest

from tests.training.films import write_film
from training.data.fingerprints import Prints
from training.data.manifest import read_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label, opacity in (("A", 0.0), ("B", 1.0)):
        for number in range(2):
            write_film(tmp_path / "films" / label / f"{number}.png", number, opacity)
    return tmp_path / "films"


def test_a_second_reading_tells_the_same_without_decoding(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "cache/prints.json"
    first = read_manifest(folder, prints=Prints(kept))
    written = kept.stat().st_mtime_ns
    assert read_manifest(folder, prints=Prints(kept)) == first == read_manifest(folder)
    assert kept.stat().st_mtime_ns == written
    # What the file of prints says of these bytes is believed: they were not decoded again.
    digest = first.entries[0].pixels_sha256
    kept.write_text(kept.read_text().replace(digest, "believed"))
    assert read_manifest(folder, prints=Prints(kept)).entries[0].pixels_sha256 == "believed"


def test_a_changed_file_is_noticed(folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "prints.json"
    before = read_manifest(folder, prints=Prints(kept)).entries[0]
    write_film(folder / before.path, 77, 2.0)
    after = read_manifest(folder, prints=Prints(kept)).entries[0]
    assert after.path == before.path
    assert after.sha256 != before.sha256
    assert after.pixels_sha256 != before.pixels_sha256
    assert read_manifest(folder) == read_manifest(folder, prints=Prints(kept))


def test_a_copy_of_a_known_file_needs_no_decoding_and_a_refused_one_is_refused_again(
    folder: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "prints.json"
    first = read_manifest(folder, prints=Prints(kept)).entries[0]
    kept.write_text(kept.read_text().replace(first.pixels_sha256, "believed"))
    shutil.copyfile(folder / first.path, folder / "A/9.png")
    (folder / "A/broken.png").write_bytes(b"no picture")
    for _ in range(2):
        manifest = read_manifest(folder, prints=Prints(kept))
        copies = [entry for entry in manifest.entries if entry.sha256 == first.sha256]
        assert [(entry.path.name, entry.pixels_sha256) for entry in copies] == [
            (first.path.name, "believed"), ("9.png", "believed")
        ]  # fmt: skip
        assert [(one.path.name, one.code) for one in manifest.set_aside] == [("broken.png", "not_an_image")]


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"version": 0, "prints": {}}', '{"version": 1, "prints": {"a": {}}}']
)
def test_a_damaged_file_of_prints_counts_as_none(damage: str, folder: Path, tmp_path: Path) -> None:
    kept = tmp_path / "prints.json"
    kept.write_text(damage)
    assert read_manifest(folder, prints=Prints(kept)) == read_manifest(folder)
    assert len(kept.read_text()) > 100
