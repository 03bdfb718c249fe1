"""The thread that judges batches, one after the other, with the model of the page; knows nothing of Streamlit."""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Final

from app.audit.entry import audit_entry
from app.audit.log import AuditError, configured_log
from app.batch.job import Job, Judged, Status, Waiting, delete_old
from app.batch.outcomes import outcome_text, points_text, uncertainty
from app.batch.places import MOST_FILES, kept_days, spool_folder
from app.batch.table import REFUSED, WITHHELD
from app.pictures import draw_pixels, smaller, thumbnail
from models.backbones.weights import WeightsError
from models.bundle import BundleError
from models.command_line.screening import judge_files
from models.films.patient_key import patient_key
from models.films.radiograph import Radiograph
from models.films.refusal import Refusal, attempt
from models.lungs.findings import Finding
from models.prediction import Prediction
from models.predictor import Predictor
from models.system.archive import ArchiveError, Limits, unpack
from models.system.files import digest
from models.system.sentence import CodedError

THUMBNAIL_SIDE, PICTURE_SIDE = 128, 640
_OPACITY: Final = 0.4
_HOUR: Final = 3600
_SECONDS_TO_END: Final = 30

# The whole vocabulary of why a batch stops before its end: a stable code and a sentence. Codes of the audit log come to these.
STOPPED_CODES: Final = {
    "model_unavailable": "The model cannot be loaded. {why}",
    "other_bundle": "This batch was begun with the bundle {begun}, and now {served} is served. One judges all its films: "
    "let {begun} be served again and go on, or begin a new batch.",
    "spool_unwritable": "What came of the films cannot be kept: {why} Whoever runs this server must make room, or make the "
    "folder of batches writable; then go on.",
}


class StoppedError(CodedError):
    """Raised where a batch cannot go on."""

    codes = STOPPED_CODES


class BatchRunner:
    """One thread for all batches of this server: a second one would only take the first one's cores."""

    def __init__(self, load: Callable[[], "Future[Predictor]"]) -> None:
        self._load = load
        self._coming: SimpleQueue[Job | None] = SimpleQueue()
        self._ending = Event()
        self._pending: set[str] = set()
        self._thread = Thread(target=self._work, name="batches", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Judge a batch, or what is left of it, when those before it are done."""
        job.ask_to_cancel(wanted=False)
        job.update(state="waiting", code="", sentence="")
        self._pending.add(job.name)
        self._coming.put(job)

    def pending(self, job: Job) -> bool:
        """Whether it is this thread's turn to judge it, now or when others are done."""
        return job.name in self._pending

    def end(self) -> None:
        """End after the film at hand; what is left can go on when the server is there again."""
        self._ending.set()
        self._coming.put(None)
        self._thread.join(_SECONDS_TO_END)

    def _work(self) -> None:
        while not self._ending.is_set():
            with suppress(OSError, sqlite3.Error):  # the page says that the folder cannot be used
                delete_old(spool_folder(), kept_days())
            try:
                job = self._coming.get(timeout=_HOUR)
            except Empty:
                continue
            if job is not None:
                unforeseen = attempt(lambda job=job: self._run(job))
                if unforeseen is not None:
                    _stop(job, unforeseen.code, unforeseen.sentence)
                self._pending.discard(job.name)

    def _run(self, job: Job) -> None:
        try:
            with job.lock() as free:
                if free and not job.cancel_wanted():
                    self._judge(job)
        except (AuditError, StoppedError) as error:
            _stop(job, error.code, error.sentence)
        except (OSError, sqlite3.Error) as error:
            stopped = StoppedError("spool_unwritable", why=f"{getattr(error, 'strerror', None) or error}.")
            _stop(job, stopped.code, stopped.sentence)

    def _judge(self, job: Job) -> None:
        predictor = self._predictor()
        status = _begin(job, predictor)
        _unpack_archives(job)
        waiting = job.waiting()
        for file, film, outcome in judged_of(predictor, waiting):
            if log := configured_log():
                sha256 = film.sha256 if film else _digest(file.path)
                log.append([audit_entry(predictor, sha256, outcome, door="batch", user=status.user)])
            job.keep(file, _kept(file, film, outcome))
            if self._ending.is_set() or job.cancel_wanted():
                break
        left = job.waiting()
        job.update(state="done" if not left else "cancelled" if job.cancel_wanted() else "waiting")

    def _predictor(self) -> Predictor:
        try:
            return self._load().result()
        except (BundleError, WeightsError) as error:
            raise StoppedError("model_unavailable", why=str(error)) from error


def judged_of(
    predictor: Predictor, waiting: Sequence[Waiting]
) -> Iterator[tuple[Waiting, Radiograph | None, Prediction | Refusal]]:
    """Each file with its film and outcome, in order."""
    if waiting:
        judged = judge_files(predictor, [file.path for file in waiting], heatmaps=True)
        for file, (_, film, outcome) in zip(waiting, judged, strict=True):
            yield file, film, outcome


def _begin(job: Job, predictor: Predictor) -> Status:
    """Say what judges it; a StoppedError where another bundle has judged a part of it."""
    status, bundle = job.status(), predictor.bundle
    done, _ = job.counts()
    if done and status.sha256 != bundle.sha256:
        raise StoppedError(
            "other_bundle", begun=_named(status.bundle, status.sha256), served=_named(bundle.spec.name, bundle.sha256)
        )
    return job.update(
        state="running",
        since=time.time(),
        done_before=done,
        bundle=bundle.spec.name,
        sha256=bundle.sha256,
        labels=bundle.spec.labels,
        points=points_text(bundle.spec.operating_points),
    )


def _named(bundle: str, sha256: str) -> str:
    return f"{bundle} ({sha256[:12]})"


def _unpack_archives(job: Job) -> None:
    """Put the files of archives in their place; an archive that is refused is remarked on, and the other files are judged."""
    for archive in (one for one in job.waiting() if one.archive):
        folder = job.films / f"unpacked-{archive.place}"
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed before it had written this down
        try:
            files = unpack(archive.path, folder, limits=Limits(members=MOST_FILES))
        except ArchiveError as error:
            if error.code == "no_room":  # not the archive's fault: it waits
                raise StoppedError("spool_unwritable", why=error.sentence) from error
            job.update(remarks=(*job.status().remarks, (error.code, error.sentence)))
            files = []
        job.unpacked(archive, ((f"{archive.name}/{file.relative_to(folder)}", file) for file in files))


def _kept(file: Waiting, film: Radiograph | None, outcome: Prediction | Refusal) -> Judged:
    """What is kept of a file."""
    pictures = attempt(lambda: _pictures(film, outcome))
    small, large = (None, None) if isinstance(pictures, Refusal) else pictures
    judged = isinstance(outcome, Prediction)
    return Judged(
        sha256=film.sha256 if film else _digest(file.path),
        study=patient_key(Path(file.name).name, file.path),
        kind=REFUSED if not judged else "verdict" if outcome.verdict else WITHHELD,
        verdict=outcome.verdict if judged else None,
        positive=outcome.probability(outcome.positive or outcome.labels[-1]) if judged else None,
        uncertainty=uncertainty(outcome),
        outcome=outcome_text(outcome),
        thumbnail=small,
        picture=large,
    )


def _pictures(film: Radiograph | None, outcome: Prediction | Refusal) -> tuple[bytes | None, bytes | None]:
    """The film, small, and larger with heatmap and outline; None of what is no chest film."""
    if film is None or not isinstance(outcome, Prediction | Finding):
        return None, None
    large = smaller(film.pixels, PICTURE_SIDE)
    prediction = outcome if isinstance(outcome, Prediction) else None
    return thumbnail(large, THUMBNAIL_SIDE), draw_pixels(large, prediction, opacity=_OPACITY, outlined=True)


def _digest(path: Path) -> str | None:
    """Of a file that was refused; None where there is none to be read."""
    try:
        return digest(path) if path.is_file() else None
    except OSError:
        return None


def _stop(job: Job, code: str, sentence: str) -> None:
    """Write down why a batch stopped. Where not even that can be written, it is seen as interrupted."""
    with suppress(OSError, sqlite3.Error):
        job.update(state="stopped", code=code, sentence=sentence)
