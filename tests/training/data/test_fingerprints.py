"""Films are read and decoded once; a changed file is always noticed."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.training.films import write_film
from training.data.fingerprints import PRINTS_FILE, read_prints, write_prints
from training.data.known_files import KNOWN_FOLDERS, known_folders
from training.data.manifest import Manifest, read_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four films that have not changed for a minute."""
    for label, opacity in (("A", 0.0), ("B", 1.0)):
        for number in range(2):
            write_film(tmp_path / "films" / label / f"{number}.png", number, opacity)
    return tmp_path / "films"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute has passed since the films were written: what changed a moment ago is not believed."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 60_000_000_000)


def believe(cache: Path, pixels_sha256: str) -> None:
    """Let the file of prints say "believed" of a film, which no decoding would."""
    rows = read_prints(cache / PRINTS_FILE)
    changed = {sha: ("believed", *row[1:]) if row[0] == pixels_sha256 else row for sha, row in rows.items()}
    write_prints(cache / PRINTS_FILE, changed)


def test_a_second_reading_tells_the_same_without_decoding(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = read_manifest(folder, cache=cache)
    written = (cache / PRINTS_FILE).stat().st_mtime_ns
    assert read_manifest(folder, cache=cache) == first == read_manifest(folder)
    assert (cache / PRINTS_FILE).stat().st_mtime_ns == written
    # What the file of prints says of these bytes is believed: they were not decoded again.
    believe(cache, first.entries[0].pixels_sha256)
    assert read_manifest(folder, cache=cache).entries[0].pixels_sha256 == "believed"


@pytest.mark.usefixtures("later")
def test_what_did_not_change_is_not_even_opened(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = read_manifest(folder, cache=cache).entries
    # What the table says of an unchanged file is believed: it was not read again.
    (kept,) = (cache / KNOWN_FOLDERS).iterdir()
    table = pq.read_table(kept)
    digests = [first[1].sha256, *table["sha256"].to_pylist()[1:]]
    place = table.column_names.index("sha256")
    pq.write_table(table.set_column(place, "sha256", [digests]), kept)
    again = read_manifest(folder, cache=cache).entries
    assert [entry.sha256 for entry in again] == digests
    assert again[0].pixels_sha256 == first[1].pixels_sha256


@pytest.mark.usefixtures("later")
def test_a_changed_file_is_noticed_though_size_and_time_are_as_before(folder: Path, tmp_path: Path) -> None:
    before = read_manifest(folder, cache=tmp_path)
    path = folder / before.entries[0].path
    stamp, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    after = read_manifest(folder, cache=tmp_path)
    assert path.stat().st_size == stamp.st_size
    assert digests(after) == digests(read_manifest(folder))
    assert digests(after) != digests(before)


def digests(manifest: Manifest) -> list[object]:
    return [(one.path, one.sha256) for one in manifest.entries] + [(one.path, one.code) for one in manifest.set_aside]


def test_a_film_of_another_content_is_noticed(folder: Path, tmp_path: Path) -> None:
    before = read_manifest(folder, cache=tmp_path).entries[0]
    write_film(folder / before.path, 77, 2.0)
    after = read_manifest(folder, cache=tmp_path).entries[0]
    assert after.path == before.path
    assert after.sha256 != before.sha256
    assert after.pixels_sha256 != before.pixels_sha256
    assert read_manifest(folder) == read_manifest(folder, cache=tmp_path)


def test_a_copy_of_a_known_file_needs_no_decoding_and_a_refused_one_is_refused_again(
    folder: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    first = read_manifest(folder, cache=cache).entries[0]
    believe(cache, first.pixels_sha256)
    shutil.copyfile(folder / first.path, folder / "A/9.png")
    (folder / "A/broken.png").write_bytes(b"no picture")
    for _ in range(2):
        manifest = read_manifest(folder, cache=cache)
        copies = [entry for entry in manifest.entries if entry.sha256 == first.sha256]
        assert [(entry.path.name, entry.pixels_sha256) for entry in copies] == [
            (first.path.name, "believed"), ("9.png", "believed")
        ]  # fmt: skip
        assert [(one.path.name, one.code) for one in manifest.set_aside] == [("broken.png", "not_an_image")]


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("name", [PRINTS_FILE, KNOWN_FOLDERS])
def test_no_damage_to_what_is_known_is_an_error_or_tells_something_else(
    name: str, folder: Path, tmp_path: Path
) -> None:
    cache, right = tmp_path / "cache", read_manifest(folder)
    read_manifest(folder, cache=cache)
    (path,) = [cache / name] if name == PRINTS_FILE else (cache / name).iterdir()
    whole = path.read_bytes()
    for place in np.linspace(0, len(whole) - 1, 16).astype(int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        assert read_manifest(folder, cache=cache) == right, f"byte {place}"
        path.write_bytes(whole[:place])
        assert read_manifest(folder, cache=cache) == right, f"{place} bytes"
    assert len(pq.read_table(path)) == 4


def test_a_cache_knows_the_folders_that_were_read(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    manifest = read_manifest(folder, cache=cache)
    (known,) = known_folders(cache)
    assert known.root == folder.resolve()
    assert known.films == {entry.sha256 for entry in manifest.entries}
    (folder / manifest.entries[0].path).unlink()
    read_manifest(folder, cache=cache)
    (known,) = known_folders(cache)
    assert len(known.films) == 3


def test_a_name_that_is_not_utf_8_is_read_each_time(folder: Path, tmp_path: Path) -> None:
    strange = folder / "A" / os.fsdecode(b"caf\xe9.png")
    shutil.copyfile(folder / "A/1.png", strange)
    first = read_manifest(folder, cache=tmp_path / "cache")
    assert read_manifest(folder, cache=tmp_path / "cache") == first
    assert strange.name in {entry.path.name for entry in first.entries}
