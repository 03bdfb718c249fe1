"""Archives of strangers: whole in a folder of their own, or refused, and nothing anywhere."""

import errno
import io
import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from models.system.archive import ARCHIVE_CODES, ArchiveError, Limits, unpack
from tests.models.system.archives import FILM, broken, malicious, packed

ROOT = Path(__file__).parents[3]
MOST_SECONDS, MOST_MEMORY = 1.0, 200 * 2**20

TRY_EACH = """
import json, re, sys, time
from pathlib import Path
from models.system.archive import ArchiveError, unpack
for archive in sorted(Path(sys.argv[1]).iterdir()):
    started, code = time.monotonic(), None
    try:
        unpack(archive, Path(sys.argv[2]))
    except ArchiveError as refused:
        code = refused.code
    print(json.dumps([archive.name, code, time.monotonic() - started]))
status = Path("/proc/self/status")  # `getrusage` would count what the parent had before this program began
print(json.dumps(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) if status.exists() else 0))
"""


def everything_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_malicious_archives_are_refused_fast_in_little_memory_and_write_nothing(tmp_path: Path) -> None:
    archives = {**malicious(), **broken()}
    assert len(malicious()) >= 20
    (tmp_path / "archives").mkdir()
    for name, (_, content) in archives.items():
        (tmp_path / "archives" / name).write_bytes(content)
    before = everything_below(tmp_path)
    command = [sys.executable, "-c", TRY_EACH, tmp_path / "archives", tmp_path / "films"]
    tried = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    *found, memory = (json.loads(line) for line in tried.stdout.splitlines())
    assert {name: code for name, code, _ in found} == {name: code for name, (code, _) in archives.items()}
    assert max(seconds for *_, seconds in found) < MOST_SECONDS
    assert memory < MOST_MEMORY
    assert everything_below(tmp_path) == before
    assert not Path("/tmp/outside.png").exists()  # noqa: S108


@pytest.mark.parametrize("name", ["1.png", "NORMAL/환자 1.png", "a/b/c/film", "…/film.dcm", "..a/film.png"])
def test_a_plain_archive_is_unpacked_whole_and_for_its_owner_alone(tmp_path: Path, name: str) -> None:
    previous = os.umask(0)
    try:
        files = unpack(io.BytesIO(packed((name, FILM), ("other/", b""))), tmp_path / "films")
    finally:
        os.umask(previous)
    assert [(str(file.relative_to(tmp_path / "films")), file.read_bytes()) for file in files] == [(name, FILM)]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "films").rglob("*") if path.is_dir()}
    assert modes == {0o700}
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["films"]


def test_names_in_utf_8_are_read_where_the_archive_does_not_say_so(tmp_path: Path) -> None:
    archive = packed(("x" * 9 + ".png", FILM)).replace(b"x" * 9, "가나다".encode())
    assert [file.name for file in unpack(io.BytesIO(archive), tmp_path / "films")] == ["가나다.png"]


@pytest.mark.parametrize(
    ("limits", "code"), [(Limits(members=1), "too_many_members"), (Limits(total_bytes=3000), "too_large")]
)
def test_limits_are_told(tmp_path: Path, limits: Limits, code: str) -> None:
    with pytest.raises(ArchiveError) as refused:
        unpack(io.BytesIO(packed(("1", FILM), ("2", FILM))), tmp_path / "films", limits=limits)
    assert refused.value.code == code
    assert not list(tmp_path.iterdir())


def test_what_stops_half_way_leaves_nothing(tmp_path: Path) -> None:
    class StoppedError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        assert 0 < done < total
        raise StoppedError

    with pytest.raises(StoppedError):
        unpack(io.BytesIO(packed(("1", FILM), ("2", FILM))), tmp_path / "films", progress=stop)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_is_told(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(ArchiveError) as refused:
            unpack(io.BytesIO(packed(("1", FILM))), tmp_path / "films")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert refused.value.code == "no_room"
    assert not list(tmp_path.iterdir())
    assert isinstance(refused.value.__cause__, OSError)
    assert refused.value.__cause__.errno == errno.EFBIG


def test_an_archive_never_lands_on_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="new folder"):
        unpack(io.BytesIO(packed(("1", FILM))), tmp_path)


def test_every_code_says_what_to_do() -> None:
    said = {code: sentence.format(place=3, most=7) for code, sentence in ARCHIVE_CODES.items()}
    assert all(sentence.count(". ") == 1 and sentence.endswith(".") for sentence in said.values())
    assert ArchiveError("encrypted", place=3).sentence == said["encrypted"]
