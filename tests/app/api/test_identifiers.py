"""Names and numbers of patients, planted in files and file names: they come into no log, metric, audit or error page."""

import io
import logging
import tempfile
from concurrent.futures import Future
from pathlib import Path

import pydicom
import pytest
from PIL import Image, PngImagePlugin

from app.api.routes import Settings
from app.audit.log import AUDIT_VARIABLE, AuditLog
from app.audit.verify import verify_log
from app.batch.intake import job_of_uploads
from app.batch.runner import BatchRunner
from app.samples import read_sample
from models.predictor import Predictor
from tests.app.api.conftest import Client, Load, StartApi
from tests.app.conftest import MakeFilm
from tests.models.films.unforeseen import FAILING, fail

DICOM_TAGS = (
    "PatientName", "PatientID", "OtherPatientNames", "PatientAddress", "PatientMotherBirthName", "AccessionNumber",
    "ReferringPhysicianName", "InstitutionName", "StationName", "OperatorsName", "PatientComments", "StudyID",
)  # fmt: skip
EXIF_TAGS = (0x010E, 0x013B, 0x8298, 0x9C9D)  # description, artist, copyright, author
TEXTS = ("Title", "Author", "Comment", "Description")

IN_FILES = tuple(f"ZQ{number:02}KIM" for number in range(len(DICOM_TAGS) + len(EXIF_TAGS) + len(TEXTS)))
NAMES = tuple(f"ZQ{number:02}KIM" for number in range(len(IN_FILES), 30))


def planted_dicom() -> bytes:
    dataset = pydicom.dcmread(io.BytesIO(read_sample("pneumonia_4.dcm")))
    for tag, identifier in zip(DICOM_TAGS, IN_FILES, strict=False):
        setattr(dataset, tag, identifier)
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def planted_png(film: bytes) -> bytes:
    picture, texts, exif = Image.open(io.BytesIO(film)), PngImagePlugin.PngInfo(), Image.Exif()
    identifiers = iter(IN_FILES[len(DICOM_TAGS) :])
    for tag in EXIF_TAGS:
        exif[tag] = next(identifiers)
    for key in TEXTS:
        texts.add_text(key, next(identifiers))
    stream = io.BytesIO()
    picture.save(stream, "PNG", pnginfo=texts, exif=exif)
    return stream.getvalue()


@pytest.fixture
def planted(make_film: MakeFilm) -> list[tuple[str, bytes]]:
    """Files that are judged, refused, broken, and failed on, each with identifiers."""
    dicom, png = planted_dicom(), planted_png(make_film())
    contents = (dicom, png, b"words", b"", dicom[:4000], png[:900], FAILING, b"%PDF-1.7", b"PK\x03\x04", dicom)
    return [(f"{name}.dcm", content) for name, content in zip(NAMES, contents, strict=True)]


def found_in(content: bytes, *, identifiers: tuple[str, ...] = IN_FILES + NAMES) -> list[str]:
    return [one for one in identifiers if one.encode() in content]


def asked_wrongly(client: Client, planted: list[tuple[str, bytes]]) -> bytes:
    """Everything that the API says of requests that it does not answer."""
    name, content = planted[0]
    wrong = [
        client.predict(planted, params={"heatmap": name}),
        client.predict([planted[0]] * 60),
        client.get(f"/api/v1/{name}"),
        client.ask(
            "POST", "/api/v1/predict", data=content, headers={"Content-Type": "multipart/form-data; boundary=x"}
        ),
        client.ask("POST", "/api/v1/predict", data={"files": name}),
    ]
    assert all(response.status_code >= 400 for response in wrong)
    return b"".join(response.content for response in wrong)


def test_thirty_planted_identifiers_are_found_nowhere(
    start_api: StartApi,
    load: Load,
    predictor: Predictor,
    planted: list[tuple[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert len({*IN_FILES, *NAMES}) == 30
    assert found_in(b"".join(content for _, content in planted)) == list(IN_FILES)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv(AUDIT_VARIABLE, str(tmp_path / "audit.jsonl"))
    monkeypatch.setitem(Image.DECODERS, "jpeg", fail)
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "urllib3")  # of the client, which may know what it asks for
    with start_api(load, Settings(audit=AuditLog(tmp_path / "audit.jsonl"))) as client:
        answer = client.predict(planted).json()
        said = asked_wrongly(client, planted) + client.get("/metrics").content
    assert {one["refusal"]["code"] for one in answer["files"] if one["refusal"]} >= {"internal_error", "damaged"}
    assert found_in(str(answer).encode()) == list(NAMES)  # the names, to whoever sent them

    loaded: Future[Predictor] = Future()
    loaded.set_result(predictor)
    runner = BatchRunner(lambda: loaded)
    job = job_of_uploads(tmp_path / "spool", "local", [(name, io.BytesIO(content)) for name, content in planted])
    runner.submit(job)
    while runner.pending(job):
        pass
    runner.end()
    assert job.status().state == "done"
    kept = b"".join(path.read_bytes() for path in job.folder.rglob("*") if path.is_file())
    assert found_in(kept, identifiers=IN_FILES) == []
    job.delete()

    assert verify_log(tmp_path / "audit.jsonl").lines == 2 * len(planted)
    assert found_in(said) == []
    assert found_in(caplog.text.encode()) == []
    assert found_in(b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())) == []
    assert found_in("".join(str(path) for path in tmp_path.rglob("*")).encode()) == []
