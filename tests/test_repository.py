"""What the repository must and must not contain."""

import io
import pickle
import pickletools
import re
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
MEBIBYTE = 1 << 20

REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"), key=lambda path: path.name)


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git working copy (an unpacked archive): what is tracked cannot be told")
    # The folder may belong to another user than the one who runs the tests, as on a build server.
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return [path for name in listing.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def required_names(requirements: Path) -> set[str]:
    """The packages that a requirements file names, those of the files it includes too."""
    names: set[str] = set()
    for line in requirements.read_text(encoding="utf-8").splitlines():
        statement = line.partition("#")[0].strip()
        if statement.startswith("-r "):
            names |= required_names(requirements.parent / statement[3:].strip())
        elif statement:
            names.add(canonical(re.match(r"[\w.-]+", statement)[0]))
    return names


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(lock: Path) -> dict[str, list[str]]:
    """`name==version; marker` → hashes."""
    entries: dict[str, list[str]] = {}
    for line in lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        statement = line.partition(" #")[0].strip()
        if statement and not statement.startswith("#"):
            entries[statement.partition(" --hash")[0].strip()] = re.findall(r"--hash=(\S+)", statement)
    return entries


@pytest.mark.parametrize("requirements", REQUIREMENTS, ids=lambda path: path.stem)
def test_every_requirement_is_locked_with_hashes_only(requirements):
    entries = locked(requirements.with_suffix(".lock"))

    pinned = {canonical(re.match(r"([\w.-]+)==", entry)[1]) for entry in entries if "==" in entry}
    assert required_names(requirements) <= pinned
    for entry, hashes in entries.items():
        assert re.match(r"[\w.-]+==[\w.]+( ; .+)?$", entry), f"{entry} is not one exact version"
        assert hashes, f"{entry} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes), entry


@pytest.mark.parametrize("requirements", REQUIREMENTS, ids=lambda path: path.stem)
def test_a_lock_file_names_no_place_to_fetch_from(requirements):
    text = requirements.with_suffix(".lock").read_text(encoding="utf-8")

    assert not re.search(r"://|index-url|find-links|trusted-host|file:| @ ", text)


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("requirements.lock", "requirements-dev.lock"),
        ("requirements.lock", "requirements-gpu.lock"),
        ("requirements-light.lock", "requirements.lock"),
    ],
)
def test_the_lock_files_agree_on_versions(part, whole):
    missing = set(locked(ROOT / part)) - set(locked(ROOT / whole))
    assert not missing, f"{whole} must contain {part}'s versions: run `make lock`"


def test_no_tracked_file_is_over_ten_mebibytes():
    large = {str(path.relative_to(ROOT)): path.stat().st_size for path in tracked_files()}

    assert not {name: size for name, size in large.items() if size > 10 * MEBIBYTE}


def is_pickle(content: bytes) -> bool:
    """Whether the content is a pickle from its first byte to its STOP, or an archive (.npz, .pt, .zip) holding one."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(is_pickle(archive.read(member)) for member in archive.namelist())
    if content.startswith(b"\x93NUMPY"):
        return bool(re.match(rb"\{.{0,80}'descr': '\|O", content[10:200]))
    if not content.startswith((b"\x80", b"(", b"c", b"]", b"}")):
        return False
    try:
        operations = [operation.name for operation, _, _ in pickletools.genops(content)]
    except ValueError:
        return False
    return operations[-1] == "STOP" and len(operations) > 1


def test_no_tracked_file_is_a_pickle():
    pickles = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.suffix in {".pkl", ".pickle", ".joblib", ".pt", ".pth"} or is_pickle(path.read_bytes())
    ]

    assert not pickles


def saved(save: Callable[..., None], *arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    save(file, *arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(pickle.dumps({"weights": [1.0, 2.0]}), True, id="pickle"),
        pytest.param(pickle.dumps({"weights": [1.0, 2.0]}, protocol=0), True, id="pickle-of-protocol-0"),
        pytest.param(saved(np.savez, np.array([{}])), True, id="npz-of-objects"),
        pytest.param(saved(np.savez, np.arange(3)), False, id="npz-of-numbers"),
        pytest.param(b"(see the licence)\n", False, id="text"),
        pytest.param(b"", False, id="nothing"),
    ],
)
def test_a_pickle_is_told_from_other_files(content, expected):
    assert is_pickle(content) == expected
