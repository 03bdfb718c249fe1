"""The API: no answer without its lines in the log, and nothing in it that names a person."""

import json
from pathlib import Path

from app.api.routes import Settings
from app.api.tokens import Tokens, token_digest
from app.audit.log import AuditLog
from models.predictor import Predictor
from tests.app.api.conftest import Load, StartApi
from tests.app.conftest import MakeFilm


def test_the_api_writes_a_line_for_each_file_with_what_it_answers(
    start_api: StartApi, load: Load, predictor: Predictor, make_film: MakeFilm, tmp_path: Path
) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    tokens = Tokens({"ward-3": token_digest("secret")})
    with start_api(load, Settings(tokens=tokens, audit=log)) as client:
        files = {"KIM_19700101.png": make_film(), "notes.txt": b"words"}
        answer = client.predict(files, headers={"Authorization": "Bearer secret"}).json()
    film, refused = (json.loads(line) for line in log.path.read_text().splitlines())
    assert [film["picture"], refused["picture"]] == [one["sha256"] for one in answer["files"]]
    assert film["probabilities"] == answer["files"][0]["prediction"]["probabilities"]
    assert film["verdict"] == answer["files"][0]["prediction"]["verdict"]
    assert refused["refusal"] == "not_an_image"
    assert {film["door"], film["user"]} == {"api", "ward-3"}
    assert film["bundle_sha256"] == predictor.bundle.sha256
    assert film["engine"] == answer["engine"]["name"]
    assert "KIM" not in log.path.read_text()


def test_the_api_gives_no_answer_that_cannot_be_written_down(
    start_api: StartApi, load: Load, make_film: MakeFilm, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with start_api(load, Settings(audit=AuditLog(tmp_path / "file" / "audit.jsonl"))) as client:
        response = client.predict({"film.png": make_film()})
        assert (response.status_code, response.json()["code"]) == (503, "audit_unwritable")
        assert "probabilities" not in response.text
        assert client.get("/api/v1/health").status_code == 200
