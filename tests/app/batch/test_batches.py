"""Batches: judged as everywhere, kept for their owner alone, never lost, and gone when they are deleted."""

import csv
import io
import json
import resource
import stat
import time
from pathlib import Path

import pytest

from app.audit.log import AUDIT_VARIABLE, head_path
from app.audit.verify import verify_log
from app.batch.intake import job_of_folder, job_of_uploads
from app.batch.job import Job, delete_old, find_jobs
from app.batch.table import batch_csv, count_kinds, read_rows, read_study
from app.samples import read_sample
from app.screening import as_csv, screen
from models.predictor import Predictor
from tests.app.batch.conftest import Judge
from tests.app.conftest import MakeFilm
from tests.models.system.archives import packed

NAME = "KIM^CHEOLSU_19700101.png"


@pytest.fixture
def uploads(make_film: MakeFilm) -> list[tuple[str, io.BytesIO]]:
    """Two films and a note, one of the films in an archive."""
    archive = packed((f"환자/{NAME}", make_film(1)))
    return [
        ("a.png", io.BytesIO(make_film(0))),
        ("=1+2.txt", io.BytesIO(b"words")),
        ("films.ZIP", io.BytesIO(archive)),
    ]


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_a_batch_gives_what_the_page_gives_and_keeps_no_film(
    spool: Path, judge: Judge, uploads: list, predictor: Predictor, make_film: MakeFilm
) -> None:
    job = job_of_uploads(spool, "local", uploads)
    assert len(list(job.films.iterdir())) == 3
    status = judge(job)
    assert (status.state, job.counts()) == ("done", (3, 3))
    names = ["a.png", "=1+2.txt", f"films.ZIP/환자/{NAME}"]
    shown = [
        screen(predictor, name, content)
        for name, content in zip(names, (make_film(0), b"words", make_film(1)), strict=True)
    ]
    theirs, ours = (table(content) for content in (as_csv(shown, status.labels, status.bundle), batch_csv(job, status)))
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        assert one["p_NORMAL"] == other["p_NORMAL"] or float(one["p_NORMAL"]) == pytest.approx(
            float(other["p_NORMAL"]), abs=1e-5
        )
        assert {k: v for k, v in one.items() if "p_" not in k} == {k: v for k, v in other.items() if "p_" not in k}
    assert not [path for path in job.films.rglob("*") if path.is_file()]
    assert count_kinds(job, status)["refused"] == 1


def test_what_is_kept_is_its_owners_alone_and_goes_with_the_batch(spool: Path, judge: Judge, uploads: list) -> None:
    job = job_of_uploads(spool, "ward-3", uploads)
    paths = [job.folder, *job.folder.rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}
    judge(job)
    assert not [path for path in spool.rglob("*") if "KIM" in path.name]
    assert [one.name for one in find_jobs(spool, "ward-3")] == [job.name]
    assert find_jobs(spool, "local") == []
    job.delete()
    assert list(spool.iterdir()) == []


def test_a_cancelled_batch_goes_on_where_it_was(spool: Path, judge: Judge, uploads: list) -> None:
    job = job_of_uploads(spool, "local", uploads)
    assert judge(job, first=job.ask_to_cancel).state == "cancelled"
    done, total = job.counts()
    assert 0 < done < total
    first = [row.outcome for row in read_rows(job, job.status())]
    assert judge(job).state == "done"
    assert job.counts() == (3, 3)
    assert [row.outcome for row in read_rows(job, job.status())][:done] != [None] * len(first)


def test_lines_are_filtered_and_sorted_by_how_uncertain_they_are(spool: Path, judge: Judge, uploads: list) -> None:
    job = job_of_uploads(spool, "local", uploads)
    status = judge(job)
    uncertain = [row.uncertainty for row in read_rows(job, status, order="uncertain")]
    assert uncertain[-1] is None
    assert uncertain[:-1] == sorted(uncertain[:-1], reverse=True)
    assert all(0 <= one <= 1 for one in uncertain[:-1])
    assert [row.name for row in read_rows(job, status, show=":refused")] == ["=1+2.txt"]
    assert [row.place for row in read_rows(job, status, first=1, most=1)] == [2]
    assert len(read_study(job, status, 1)) == 1


def test_films_of_one_study_are_together(spool: Path, judge: Judge) -> None:
    film = read_sample("pneumonia_4.dcm")
    job = job_of_uploads(spool, "local", [(name, io.BytesIO(film)) for name in ("1.dcm", "2.dcm")])
    status = judge(job)
    assert [row.name for row, _ in read_study(job, status, 2)] == ["1.dcm", "2.dcm"]


def test_an_archive_that_is_refused_hinders_no_other_file(spool: Path, judge: Judge, make_film: MakeFilm) -> None:
    bad = packed(("../../out.png", make_film()))
    job = job_of_uploads(spool, "local", [("bad.zip", io.BytesIO(bad)), ("a.png", io.BytesIO(make_film()))])
    status = judge(job)
    assert [code for code, _ in status.remarks] == ["unsafe_path"]
    assert [row.name for row in read_rows(job, status)] == ["a.png"]


def test_a_folder_is_judged_where_it_lies(spool: Path, server_folder: Path, judge: Judge, make_film: MakeFilm) -> None:
    (server_folder / "2026").mkdir()
    (server_folder / "2026" / "a.png").write_bytes(make_film())
    (server_folder / "out.png").symlink_to("/etc/hostname")
    job = job_of_folder(spool, "local", server_folder, "")
    status = judge(job)
    assert [row.name for row in read_rows(job, status)] == ["2026/a.png"]
    assert [code for code, _ in status.remarks] == ["links_left_out"]
    job.delete()
    assert (server_folder / "2026" / "a.png").is_file()


def test_every_file_is_in_the_audit_log_and_no_name_is(
    spool: Path, judge: Judge, uploads: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "audit.jsonl"
    monkeypatch.setenv(AUDIT_VARIABLE, str(log))
    job = job_of_uploads(spool, "ward-3", uploads)
    status = judge(job)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["picture"] for line in lines] == [row.sha256 for row in read_rows(job, status)]
    assert {(line["door"], line["user"]) for line in lines} == {("batch", "ward-3")}
    assert "KIM" not in log.read_text()
    assert verify_log(log).faults == ()


def test_without_its_audit_log_a_batch_stops_and_goes_on_later(
    spool: Path, judge: Judge, uploads: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "audit.jsonl"
    monkeypatch.setenv(AUDIT_VARIABLE, str(log))
    log.write_text("words\n")
    job = job_of_uploads(spool, "local", uploads)
    status = judge(job)
    assert (status.state, status.code, job.counts()[0]) == ("stopped", "audit_broken", 0)
    log.unlink()
    head_path(log).unlink()
    assert judge(job).state == "done"
    assert verify_log(log).lines == 3


def test_a_full_disk_stops_a_batch_with_a_sentence_and_loses_nothing(
    spool: Path, judge: Judge, uploads: list, caplog: pytest.LogCaptureFixture
) -> None:
    job = job_of_uploads(spool, "local", uploads)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = (job.folder / "batch.sqlite").stat().st_size
    try:
        status = judge(job, first=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1])))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (status.state, status.code) == ("stopped", "spool_unwritable")
    assert caplog.text == ""
    assert judge(job).state == "done"
    assert job.counts() == (3, 3)


def test_one_bundle_judges_a_batch_to_its_end(spool: Path, judge: Judge, uploads: list) -> None:
    job = job_of_uploads(spool, "local", uploads)
    judge(job, first=job.ask_to_cancel)
    job.update(sha256="0" * 64, bundle="older")
    status = judge(job)
    assert (status.state, status.code) == ("stopped", "other_bundle")
    assert "older (000000000000)" in status.sentence


def test_old_batches_are_deleted_and_nothing_else(spool: Path, uploads: list) -> None:
    old, new = (job_of_uploads(spool, "local", uploads[:1]) for _ in range(2))
    old.update(created=time.time() - 3 * 86_400)
    (spool / "something else").mkdir()
    with old.lock():
        delete_old(spool, 2)
        assert len(find_jobs(spool)) == 2
    delete_old(spool, 2)
    assert [job.name for job in find_jobs(spool)] == [new.name]
    assert (spool / "something else").is_dir()


def test_a_batch_that_cannot_be_kept_leaves_nothing(spool: Path, make_film: MakeFilm) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    film = make_film(width=1200)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            job_of_uploads(spool, "local", [("a.png", io.BytesIO(film))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(spool.iterdir()) == []


def test_a_damaged_batch_hides_no_other(spool: Path, uploads: list) -> None:
    whole, damaged = (job_of_uploads(spool, "local", uploads[:1]) for _ in range(2))
    (damaged.folder / "batch.sqlite").write_bytes(b"words" * 1000)
    assert [job.name for job in find_jobs(spool)] == [whole.name]
    assert Job(damaged.folder).folder.is_dir()
