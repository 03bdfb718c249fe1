"""The audit log: lines that are whole and on the disk, or not there; and a change of any of them shows."""

import json
import random
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.__main__ import main
from app.audit.chain import Link, seal
from app.audit.log import AUDIT_VARIABLE, AuditError, AuditLog, head_path
from app.audit.verify import verify_log

ROOT = Path(__file__).parents[3]
LINES = 6
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)

APPEND = """
import sys, threading
from pathlib import Path
from app.audit.log import AuditLog
log = AuditLog(Path(sys.argv[1]))
def add(thread):
    for number in range(15):
        log.append([{"by": f"{sys.argv[2]}.{thread}.{number}"}])
threads = [threading.Thread(target=add, args=(thread,)) for thread in range(2)]
for one in threads: one.start()
for one in threads: one.join()
"""


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    """A log of a few lines."""
    made = AuditLog(tmp_path / "log" / "audit.jsonl")
    for number in range(LINES):
        made.append([{"picture": f"{number}"}])
    return made


def lines_of(log: AuditLog) -> list[bytes]:
    return log.path.read_bytes().splitlines(keepends=True)


def swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


def sealed_anew(lines: list[bytes]) -> list[bytes]:
    """One line changed by somebody who knows how lines are sealed, but does not write all the later ones anew."""
    before, own = json.loads(lines[1]), json.loads(lines[2])
    last = Link(before["n"], before["time"], before["sha256"])
    line, _ = seal([{"picture": "another"}], last, datetime.fromisoformat(own["time"]))
    return [*lines[:2], line, *lines[3:]]


TAMPERINGS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a value changed": (lambda lines: [*lines[:2], lines[2].replace(b'"2"', b'"7"'), *lines[3:]], "Line 3 was changed"),
    "sealed anew": (sealed_anew, "Line 4 does not follow on the line before"),
    "removed": (lambda lines: lines[:2] + lines[3:], "Before line 3, number 3 is missing"),
    "the first removed": (lambda lines: lines[1:], "Before line 1, number 1 is missing"),
    "moved": (swapped, "Line 4 is number 3, after number 4"),
    "written twice": (lambda lines: [*lines[:3], lines[2], *lines[3:]], "Line 4 is number 3, after number 3"),
    "the last cut off": (lambda lines: lines[:-1], "Number 6, the last line, is missing"),
    "several cut off": (lambda lines: lines[:3], "Numbers 4 to 6 are missing at the end"),
    "all gone": (lambda lines: [], "Numbers 1 to 6 are missing"),
    "cut within a line": (lambda lines: [*lines[:-1], lines[-1][:20]], "Line 6 is cut short"),
    "no JSON": (lambda lines: [*lines[:2], b"words\n", *lines[3:]], "Line 3 cannot be read"),
}


def test_a_log_that_is_whole_is_found_whole_and_is_its_owners_alone(log: AuditLog) -> None:
    found = verify_log(log.path)
    assert (found.lines, found.faults) == (LINES, ())
    assert verify_log(log.path, known=json.loads(lines_of(log)[2])["sha256"]).faults == ()
    assert "is another one" in verify_log(log.path, known="0" * 64).faults[0]
    assert {stat.S_IMODE(path.stat().st_mode) for path in log.path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("kind", TAMPERINGS)
def test_each_line_that_was_tampered_with_is_named(log: AuditLog, kind: str) -> None:
    tamper, fault = TAMPERINGS[kind]
    log.path.write_bytes(b"".join(tamper(lines_of(log))))
    assert any(one.startswith(fault) for one in verify_log(log.path).faults), verify_log(log.path).faults


def test_a_missing_head_is_told_and_nothing_is_added_to_such_a_log(log: AuditLog) -> None:
    head_path(log.path).unlink()
    assert ".head file" in verify_log(log.path).faults[0]
    with pytest.raises(AuditError) as refused:
        log.append([{}])
    assert refused.value.code == "audit_broken"
    assert len(lines_of(log)) == LINES


def test_nothing_is_added_to_a_log_that_was_cut(log: AuditLog) -> None:
    log.path.write_bytes(b"".join(lines_of(log)[:-1]))
    with pytest.raises(AuditError, match="is not as it was left"):
        log.append([{}])


def test_threads_of_several_processes_add_to_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    running = [subprocess.Popen([sys.executable, "-c", APPEND, path, str(n)], cwd=ROOT) for n in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert verify_log(path).faults == ()
    assert len({json.loads(line)["by"] for line in path.read_bytes().splitlines()}) == 3 * 2 * 15


def test_time_never_runs_backwards_and_a_clock_that_does_is_told(tmp_path: Path) -> None:
    times = iter([NOON, NOON - timedelta(days=1), NOON + timedelta(seconds=1)])
    log = AuditLog(tmp_path / "audit.jsonl", clock=lambda: next(times))
    for _ in range(3):
        log.append([{}])
    first, behind, after = (json.loads(line) for line in lines_of(log))
    assert behind["time"] == first["time"] == "2026-11-28T12:00:00.000000Z"
    assert behind["clock"] == "2026-11-27T12:00:00.000000Z"
    assert after["time"] == "2026-11-28T12:00:01.000000Z"
    assert "clock" not in after
    assert verify_log(log.path).faults == ()


@pytest.mark.parametrize("left", [b'{"n":7,"time":"20', b"{", b'{"n":7}'])
def test_what_a_killed_process_left_half_written_goes_and_the_chain_goes_on(log: AuditLog, left: bytes) -> None:
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + left)
    log.check()
    assert log.path.read_bytes() == whole
    log.append([{}])
    assert verify_log(log.path).lines == LINES + 1
    assert verify_log(log.path).faults == ()


def test_a_line_whose_writer_was_killed_before_it_stated_the_end_stays(log: AuditLog) -> None:
    head = head_path(log.path).read_bytes()
    log.append([{}])
    head_path(log.path).write_bytes(head)
    log.append([{}])
    assert verify_log(log.path).lines == LINES + 2
    assert verify_log(log.path).faults == ()


def refusal_on_a_disk_with(log: AuditLog, room: int) -> AuditError | None:
    """Add two lines where the log may grow by so many bytes."""
    size = log.path.stat().st_size if log.path.exists() else 0
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, limits[1]))
    try:
        log.append([{"picture": "a" * 64}] * 2)
    except AuditError as error:
        return error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    return None


def test_a_disk_that_is_full_loses_no_line_and_leaves_no_half_one(tmp_path: Path) -> None:
    log, kept, rooms = AuditLog(tmp_path / "audit.jsonl"), 0, random.Random(0)  # noqa: S311
    for _ in range(60):
        refused = refusal_on_a_disk_with(log, rooms.randrange(800))
        kept += 0 if refused else 2
        assert refused is None or "File too large" in refused.sentence
        assert not log.path.exists() or log.path.read_bytes().count(b"\n") == kept
    assert 10 < kept < 110
    assert verify_log(log.path).faults == ()


def test_the_command_says_whether_it_is_whole(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "verify", str(log.path)]) == 0
    assert json.loads(lines_of(log)[-1])["sha256"] in capsys.readouterr().out
    log.path.write_bytes(b"".join(TAMPERINGS["removed"][0](lines_of(log))))
    monkeypatch.setenv(AUDIT_VARIABLE, str(log.path))
    assert main(["audit", "verify"]) == 1
    assert "number 3 is missing" in capsys.readouterr().out
    assert main(["audit", "verify", str(log.path.parent / "absent")]) == 2
    monkeypatch.delenv(AUDIT_VARIABLE)
    assert main(["audit", "verify"]) == 2
    assert AUDIT_VARIABLE in capsys.readouterr().err
