"""The current bundle and its history change together, whatever comes between."""

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from models.bundle import CURRENT_FILE, HEAD_FILE, HISTORY_FILE, BundleError, current_bundle, load_bundle
from models.registry.history import RegistryError, current_ref
from models.registry.promotion import previous_bundle, promote, rollback
from models.registry.served import read_history
from tests.models.registry.conftest import retrain

ROOT = Path(__file__).parents[3]


def _promote(name: str) -> None:
    promote(load_bundle(name), reason="a test", by="a tester")


def _roll_back() -> None:
    rollback(previous_bundle(), reason="a test", by="a tester")


def _served() -> list[str]:
    return [period.bundle.name for period in read_history().periods]


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_promotion_and_a_roll_back_are_on_record(root: Path) -> None:
    _promote("three")
    assert current_bundle() == "three"
    _roll_back()
    assert current_bundle() == "two"
    first, second, third = read_history().periods
    assert (first.bundle.name, first.since, first.until) == ("two", None, second.since)
    assert second.change is not None
    assert (second.change.event, second.change.by, second.change.reason) == ("promoted", "a tester", "a test")
    assert second.bundle.sha256 == load_bundle("three").sha256
    assert (second.until, third.until, third.current) == (third.since, None, True)


def test_rolling_back_goes_back_step_by_step_and_ends(root: Path) -> None:
    for name in ("three", "default", "two"):
        _promote(name)
    back = []
    while read_history().before:
        _roll_back()
        back.append(current_bundle())
    assert back == ["default", "three", "two"]
    with pytest.raises(RegistryError, match="No bundle is on record"):
        _roll_back()


def test_the_current_bundle_is_not_promoted_again(root: Path) -> None:
    assert promote(load_bundle("two"), reason="a test", by="a tester") is None
    assert (root / HISTORY_FILE).read_bytes() == b""


@pytest.mark.parametrize(
    "tamper",
    [lambda folder: (folder / HEAD_FILE).write_bytes(b"another head"), lambda folder: (folder / HEAD_FILE).unlink()],
)
def test_a_bundle_that_was_damaged_after_it_was_verified_is_not_promoted(
    tamper: Callable[[Path], Any], root: Path
) -> None:
    bundle = load_bundle("three")
    tamper(root / "three")
    with pytest.raises(BundleError, match="three"):
        promote(bundle, reason="a test", by="a tester")
    assert current_bundle() == "two"
    assert _served() == ["two"]


def test_a_bundle_that_was_trained_again_meanwhile_is_not_promoted_unseen(root: Path) -> None:
    bundle = load_bundle("three")
    retrain(root / "three")
    with pytest.raises(RegistryError, match="changed meanwhile"):
        promote(bundle, reason="a test", by="a tester")
    assert _served() == ["two"]


def test_there_is_no_way_back_to_a_bundle_that_has_changed_since(root: Path) -> None:
    _promote("three")
    retrain(root / "two")
    with pytest.raises(RegistryError, match=r"two served before, but its files have changed.*promote two"):
        previous_bundle()
    assert current_bundle() == "three"


def test_a_roll_back_that_came_too_late_changes_nothing(root: Path) -> None:
    _promote("three")
    target = previous_bundle()
    _promote("default")
    with pytest.raises(RegistryError, match="changed meanwhile"):
        rollback(target, reason="a test", by="a tester")
    assert _served() == ["two", "three", "default"]


@pytest.mark.parametrize("words", ["", "  ", "two\nlines", "\x1b[2J", "x" * 501])
def test_a_reason_is_one_line_that_can_be_read(words: str, root: Path) -> None:
    for reason, by in ((words, "a tester"), ("a test", words)):
        with pytest.raises(ValueError, match="must be one line"):
            promote(load_bundle("three"), reason=reason, by=by)
    assert _served() == ["two"]


# --- What comes between -----------------------------------------------------------------------------------------------


def _fail(code: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("step", [(Path, "replace"), (Path, "write_bytes"), (os, "fsync")], ids=lambda step: step[1])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
def test_a_step_that_fails_leaves_everything_as_it_was(
    step: tuple[object, str], code: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _promote("three")
    before, bundle = _files(root), load_bundle("two")
    monkeypatch.setattr(*step, _fail(code))
    with pytest.raises(RegistryError, match=r"Nothing was changed: .* cannot be written .*try again"):
        promote(bundle, reason="a test", by="a tester")
    monkeypatch.undo()
    monkeypatch.setenv("PNEUMOLENS_BUNDLES", str(root))
    assert _files(root) == before
    _roll_back()
    assert _served() == ["two", "three", "two"]


def test_a_disk_that_fills_up_within_the_line_leaves_nothing_of_it(root: Path) -> None:
    """At twenty places of the line: the system takes a part, and says no to the rest."""
    _promote("three")
    before, bundle = _files(root), load_bundle("two")
    length = len(before[HISTORY_FILE])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in range(0, length, length // 20):
        resource.setrlimit(resource.RLIMIT_FSIZE, (length + room, hard))
        try:
            with pytest.raises(RegistryError, match=r"Nothing was changed: .* cannot be written"):
                promote(bundle, reason="a test", by="a tester")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert _files(root) == before


def test_killed_between_the_line_and_current_the_promotion_never_was(root: Path) -> None:
    _promote("three")
    (root / CURRENT_FILE).write_text("two\n")  # as it still was
    (root / ".CURRENT-begun").write_text("thr")
    history = read_history()
    assert [period.bundle.name for period in history.periods] == ["two"]
    assert history.periods[0].current
    assert "did not take effect" in history.notes[0]
    _promote("default")
    assert not (root / ".CURRENT-begun").exists()
    assert _served() == ["two", "default"]
    assert previous_bundle().spec.name == "two"


def test_a_line_that_a_crash_cut_off_is_left_aside_and_said(root: Path) -> None:
    _promote("three")
    whole = (root / HISTORY_FILE).read_bytes()
    (root / HISTORY_FILE).write_bytes(whole + whole[:40])
    history = read_history()
    assert [period.bundle.name for period in history.periods] == ["two", "three"]
    assert history.notes == (
        f"Line 2 of {HISTORY_FILE} cannot be read and is left aside: a crash cut it off, or a hand.",
    )
    _promote("default")
    assert _served() == ["two", "three", "default"]
    assert (root / HISTORY_FILE).read_bytes().startswith(whole + whole[:40] + b"\n")


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"time": 1}', b'"x"', b"1" * 5000]
)
def test_no_line_ends_the_history(line: bytes, root: Path) -> None:
    _promote("three")
    with (root / HISTORY_FILE).open("ab") as file:
        file.write(line + b"\n")
    _roll_back()
    history = read_history()
    assert [period.bundle.name for period in history.periods] == ["two", "three", "two"]
    assert "Line 2" in history.notes[0]


def test_current_changed_by_hand_is_said_and_can_be_gone_back_from(root: Path) -> None:
    _promote("three")
    (root / CURRENT_FILE).write_text("default\n")
    history = read_history()
    assert [(period.bundle.name, period.since) for period in history.periods][-1] == ("default", None)
    assert "default came after three by other means" in history.notes[0]
    assert previous_bundle().spec.name == "three"


def test_a_clock_that_was_set_back_changes_no_order(root: Path) -> None:
    _promote("three")
    line = json.loads((root / HISTORY_FILE).read_bytes())
    (root / HISTORY_FILE).write_text(json.dumps({**line, "time": "2999-01-01T00:00:00+00:00"}) + "\n")
    _promote("default")
    history = read_history()
    assert [period.bundle.name for period in history.periods] == ["two", "three", "default"]
    assert "Line 2" in history.notes[0]
    assert "clock was set back" in history.notes[0]
    assert previous_bundle().spec.name == "three"


# --- Many at once -----------------------------------------------------------------------------------------------------


def _check_whole(root: Path, changes: int) -> None:
    """Each line found what the line before it left, and `CURRENT` is what the last one says."""
    lines = [json.loads(line) for line in (root / HISTORY_FILE).read_text().splitlines()]
    assert len(lines) == changes
    assert all(later["before"] == earlier["bundle"] for earlier, later in pairwise(lines))
    current = current_ref()
    assert current is not None
    assert lines[-1]["bundle"] == {"name": current.name, "sha256": current.sha256}
    assert load_bundle().spec.name == current.name
    assert not read_history().notes
    assert not [path for path in root.iterdir() if path.name.startswith(".")]


def _change_once(number: int) -> int:
    """How many changes were made: none where the bundle was the current one, or another change came first."""
    try:
        if number % 3:
            bundle = load_bundle(("two", "three", "default")[number % 7 % 3])
            return promote(bundle, reason=f"number {number}", by="a tester") is not None
        return rollback(previous_bundle(), reason=f"number {number}", by="a tester") is not None
    except RegistryError as error:
        if "meanwhile" in str(error) or "No bundle is on record" in str(error):
            return 0
        raise


def test_fifty_changes_in_threads_at_once_leave_one_whole_history(root: Path) -> None:
    with ThreadPoolExecutor(10) as pool:
        made = sum(pool.map(_change_once, range(50)))
    assert made > 5
    _check_whole(root, made)


def test_fifty_changes_in_processes_at_once_leave_one_whole_history(root: Path) -> None:
    code = "import sys; from tests.models.registry.test_promotion import _change_once as once\n" \
           "print(sum(once(number) for number in range(int(sys.argv[1]), 50, 5)))"  # fmt: skip
    command = [sys.executable, "-c", code]
    workers = [
        subprocess.Popen([*command, str(first)], cwd=ROOT, stdout=subprocess.PIPE, text=True) for first in range(5)
    ]
    made = sum(int(worker.communicate(timeout=60)[0]) for worker in workers)
    assert made > 5
    _check_whole(root, made)
