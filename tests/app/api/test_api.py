"""What a program gets: answers, problems, counts; and who gets none."""

import base64
import io
import re
import tempfile
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from app.api.openapi import document
from app.api.problems import PROBLEMS
from app.api.rate import RATE_VARIABLE, RateLimit
from app.api.routes import Settings, read_settings
from app.api.tokens import TOKENS_VARIABLE, Tokens, TokensError, new_token, read_tokens, token_digest, token_line
from app.api.uploads import MOST_FILES
from models.bundle import BundleError
from models.films.radiograph import MAX_BYTES
from models.predictor import Predictor
from tests.app.api.conftest import ELSEWHERE, Client, Load, StartApi
from tests.app.conftest import MakeFilm
from tests.models.films.unforeseen import FAILING, fail

BROKEN = b"--x\r\nContent-Disposition: form-data; name=files; filename=film.png\r\n\r\nhalf a fi"


def fits(answer: Any, name: str) -> None:
    """Hold an answer against a schema of the OpenAPI document."""
    jsonschema.validate(answer, {"$ref": f"#/components/schemas/{name}", **document()})


def problem_of(response: Any) -> str:
    """The code of a problem, after everything that each must have was looked at."""
    problem = response.json()
    fits(problem, "Problem")
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (problem["status"], problem["title"]) == (response.status_code, PROBLEMS[problem["code"]][1])
    assert response.status_code == PROBLEMS[problem["code"]][0]
    return problem["code"]


def test_films_and_refusals_come_back_in_their_order(api: Client, predictor: Predictor, make_film: MakeFilm) -> None:
    response = api.predict([("a.png", make_film()), ("notes.txt", b"words"), ("a.png", make_film(1))])
    answer = response.json()
    fits(answer, "Answers")
    assert response.status_code == 200
    assert answer["bundle"] == {"name": predictor.bundle.spec.name, "sha256": predictor.bundle.sha256}
    assert [one["file"] for one in answer["files"]] == ["a.png", "notes.txt", "a.png"]
    assert [one["prediction"] is None for one in answer["files"]] == [False, True, False]
    assert answer["files"][1]["refusal"]["code"] == "not_an_image"
    assert answer["files"][0]["prediction"]["heatmap"] is None


def test_a_heatmap_is_a_picture_of_the_film(api: Client, make_film: MakeFilm) -> None:
    film = make_film(4, width=300)
    answer = api.predict({"film.png": film}, params={"heatmap": "png"}).json()
    fits(answer, "Answers")
    picture = Image.open(io.BytesIO(base64.b64decode(answer["files"][0]["prediction"]["heatmap"])))
    assert picture.size == Image.open(io.BytesIO(film)).size
    assert np.ptp(np.asarray(picture).astype(int), axis=-1).max() > 50  # in colour, where the model looked


def test_an_error_that_nobody_foresaw_is_that_files_alone(
    api: Client, make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_film()
    monkeypatch.setitem(Image.DECODERS, "jpeg", fail)
    failing, whole = api.predict([("odd.jpeg", FAILING), ("film.png", film)]).json()["files"]
    assert failing["refusal"]["code"] == "internal_error"
    assert whole["prediction"]["probabilities"]


def test_the_model_says_what_it_is_and_health_that_it_judges(api: Client, predictor: Predictor) -> None:
    model, health = api.get("/api/v1/model").json(), api.get("/api/v1/health").json()
    fits(model, "Model")
    fits(health, "Health")
    assert model["labels"] == list(predictor.bundle.spec.labels)
    assert model["bundle"] == health["bundle"]


def test_a_model_that_cannot_be_loaded_is_told(start_api: StartApi, load: Load) -> None:
    broken: Future[Predictor] = Future()
    broken.set_exception(BundleError("The head is damaged. Train it again."))
    with start_api(lambda: load()._replace(loading=broken), Settings()) as client:
        response = client.get("/api/v1/health")
        assert problem_of(response) == "model_unavailable"
        assert "The head is damaged" in response.json()["detail"]
        assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "options", "code"),
    [
        ("GET", "/api/v2/predict", {}, "no_such_path"),
        ("GET", "/api", {}, "no_such_path"),
        ("GET", "/api/v1/predict", {}, "method_not_allowed"),
        ("POST", "/api/v1/predict", {"data": {"files": "text"}}, "not_multipart"),
        ("POST", "/api/v1/predict", {"files": {"files": (None, "text without a file name")}}, "no_files"),
        ("POST", "/api/v1/predict?heatmap=jpeg", {"files": {"files": b"x"}}, "bad_parameter"),
        ("POST", "/api/v1/predict?heatmaps=png", {"files": {"files": b"x"}}, "bad_parameter"),
        ("POST", "/api/v1/predict", {"files": [("files", b"x")] * (MOST_FILES + 1)}, "too_many_files"),
        ("POST", "/api/v1/predict", {"files": [("files", b"x")] * (MOST_FILES + 9)}, "too_many_files"),
        (
            "POST",
            "/api/v1/predict",
            {"data": BROKEN, "headers": {"Content-Type": "multipart/form-data"}},
            "broken_multipart",
        ),
        ("GET", "/api/v1/model", {"headers": ELSEWHERE}, "loopback_only"),
        ("GET", "/metrics", {"headers": ELSEWHERE}, "loopback_only"),
        ("GET", "/api/docs", {"headers": ELSEWHERE}, "loopback_only"),
        ("GET", "/api/v1/model", {"headers": {"Host": "rebound.example"}}, "loopback_only"),
        ("GET", "/api/v1/model", {"headers": {"Origin": "http://elsewhere.example"}}, "foreign_origin"),
        ("GET", "/api/v1/model", {"headers": {"Origin": "http://[", "Host": "["}}, "loopback_only"),
    ],
)
def test_what_is_not_answered_is_a_problem_with_its_code(
    api: Client, method: str, path: str, options: dict[str, Any], code: str
) -> None:
    response = api.ask(method, path, **options)
    assert problem_of(response) == code
    assert ("Allow" in response.headers) == (code == "method_not_allowed")


def test_a_request_of_too_many_bytes_is_left_unread(api: Client) -> None:
    def endless() -> Any:
        yield BROKEN
        for _ in range(300):
            yield bytes(2**20)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = api.ask("POST", "/api/v1/predict", data=endless(), headers=headers)
    assert problem_of(response) == "request_too_large"


def test_a_file_of_too_many_bytes_is_refused_alone(api: Client) -> None:
    answer = api.predict([("big.png", bytes(MAX_BYTES + 1)), ("notes.txt", b"words")]).json()
    assert [one["refusal"]["code"] for one in answer["files"]] == ["too_large", "not_an_image"]


def test_tokens_let_in_who_has_one_from_anywhere(start_api: StartApi, load: Load, tmp_path: Path) -> None:
    token, other = new_token(), new_token()
    file = tmp_path / "tokens"
    file.write_text(f"# who asks\n\n{token_line('ward-3', token)}\n", encoding="utf-8")
    assert token not in file.read_text(encoding="utf-8")
    with start_api(load, Settings(tokens=read_tokens(file))) as client:
        for headers in ({}, {"Authorization": f"Bearer {other}"}, {"Authorization": f"Basic {token}"}):
            refused = client.get("/api/v1/model", headers=headers)
            assert problem_of(refused) == "token_required"
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert problem_of(client.get("/metrics")) == "token_required"
        let_in = {"Authorization": f"Bearer {token}", "Host": "pneumolens.example", **ELSEWHERE}
        assert client.get("/api/v1/model", headers=let_in).status_code == 200
        assert client.get("/api/docs", headers=ELSEWHERE).status_code == 200


@pytest.mark.parametrize(
    "text", ["", "# none\n", "ward-3", "ward-3 sha256:12", f"a sha256:{'0' * 64}\na sha256:{'1' * 64}", "\x80"]
)
def test_a_file_of_tokens_that_cannot_be_used_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text, encoding="latin-1")
    with pytest.raises(TokensError, match="python -m app token NAME"):
        read_tokens(file)
    with pytest.raises(TokensError, match=TOKENS_VARIABLE):
        read_tokens(tmp_path / "absent")


def test_a_wrong_rate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RATE_VARIABLE, "10 films")
    with pytest.raises(ValueError, match=RATE_VARIABLE):
        read_settings()


def test_who_asks_too_often_is_told_when_to_come_back(start_api: StartApi, load: Load) -> None:
    tokens = Tokens({name: token_digest(name) for name in ("one", "two")})
    with start_api(load, Settings(tokens, rate=60)) as client:
        one, two = ({"Authorization": f"Bearer {name}"} for name in ("one", "two"))
        films = [("empty.png", b"")] * 31
        assert client.predict(films, headers=one).status_code == 200
        response = client.predict(films, headers=one)
        assert problem_of(response) == "too_many_requests"
        assert 1 <= int(response.headers["Retry-After"]) <= 10
        assert client.predict(films, headers=two).status_code == 200


def test_permits_come_back_with_time() -> None:
    now = 0.0
    rate = RateLimit(60, clock=lambda: now)
    rate.take("one", 60)
    now = 10.0
    rate.take("one", 10)
    with pytest.raises(Exception, match="Come back in 5 s"):
        rate.take("one", 5)
    now = 15.0
    rate.take("one", 5)


def test_metrics_count_requests_verdicts_and_refusals_and_name_no_file(
    start_api: StartApi, load: Load, make_film: MakeFilm
) -> None:
    with start_api(load, Settings()) as client:
        verdict = client.predict({"DOE^JANE.png": make_film()}).json()["files"][0]["prediction"]["verdict"]
        client.predict({"DOE^JANE.txt": b"words", "DOE^JOHN.txt": b"words"})
        client.get("/api/DOE^JANE")
        text = client.get("/metrics").text
    assert f'pneumolens_films_total{{verdict="{verdict}"}} 1.0' in text
    assert 'pneumolens_refusals_total{code="not_an_image"} 2.0' in text
    assert 'pneumolens_requests_total{method="POST",path="/api/v1/predict",status="200"} 2.0' in text
    assert 'pneumolens_requests_total{method="GET",path="other",status="404"} 1.0' in text
    assert 'pneumolens_request_seconds_count{path="/api/v1/predict"} 2.0' in text
    assert re.search(r'pneumolens_model_info\{bundle="\w+",engine="\w+",sha256="[0-9a-f]{64}"\} 1.0', text)
    assert "DOE" not in text


def test_the_documentation_names_all_paths_and_asks_no_other_server(api: Client) -> None:
    page = api.get("/api/docs").text
    stated = api.get("/api/openapi.json").json()
    assert stated == document()
    assert all(path in page for path in stated["paths"])
    assert not re.search(r"<(script|link|img)|@import|url\(", page)


def test_films_are_never_on_disk(
    api: Client, make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))  # where any temporary file is an error
    film = make_film(width=2400)
    assert len(film) > 2**20
    (answer,) = api.predict({"film.png": film}).json()["files"]
    assert answer["prediction"]
