"""Page, command line and API say the same of the same files."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.samples import sample_names
from app.screening import screen
from models.command_line.screening import judge_files
from models.films.refusal import Refusal
from models.prediction import Prediction
from models.predictor import Predictor
from tests.app.api.conftest import Client
from tests.app.conftest import MakeFilm
from tests.models.films.bad_input import bad_inputs

FILES = 40
WIDTHS = (260, 400)


def mended(content: bytes) -> Iterator[tuple[str, bytes]]:
    """A film turned, inverted, mirrored and cut."""
    pixels = np.asarray(Image.open(io.BytesIO(content)))
    others = {"turned": np.rot90(pixels), "inverted": 255 - pixels, "mirrored": pixels[:, ::-1], "cut": pixels[:, 90:]}
    for name, other in others.items():
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(other)).save(stream, "PNG")
        yield f"{name}.png", stream.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, make_film: MakeFilm) -> list[Path]:
    """Films at several sizes, films with findings, and a file or more of every kind that is refused."""
    folder = tmp_path_factory.mktemp("films")
    films = {
        f"film_{number}_{width}.png": make_film(number, width=width)
        for width in WIDTHS
        for number in range(len(sample_names()))
    }
    films |= dict(mended(make_film()))
    for name, content in films.items():
        (folder / name).write_bytes(content)
    bad = [one for one in bad_inputs(tmp_path_factory.mktemp("bad")) if one.code != "not_found"]
    of_each = {code: next(one.path for one in bad if one.code == code) for code in sorted({one.code for one in bad})}
    others = [one.path for one in bad if one.path.stat().st_size < 100_000 and one.path not in of_each.values()]
    chosen = [*(folder / name for name in films), *of_each.values(), *others[:: len(others) // 15]]
    return chosen[:FILES]


def told(outcome: Prediction | Refusal) -> tuple[object, ...]:
    """What an outcome says, as the API says it."""
    if isinstance(outcome, Refusal):
        return outcome.code, outcome.sentence
    finding = outcome.finding.code if outcome.finding else None
    return outcome.verdict, finding, [note.code for note in outcome.notes]


def told_by_api(answer: dict) -> tuple[object, ...]:
    if refusal := answer["refusal"]:
        return refusal["code"], refusal["message"]
    said = answer["prediction"]
    finding = said["finding"]["code"] if said["finding"] else None
    return said["verdict"], finding, [note["code"] for note in said["notes"]]


def test_page_command_line_and_api_say_the_same(predictor: Predictor, api: Client, files: list[Path]) -> None:
    assert len(files) == FILES
    page = [screen(predictor, file.name, file.read_bytes()).outcome for file in files]
    terminal = [outcome for _, _, outcome in judge_files(predictor, files)]
    answers = [api.predict([(file.name, file.read_bytes()) for file in files[start : start + 20]]) for start in (0, 20)]
    asked = [one for answer in answers for one in answer.json()["files"]]

    assert [one["file"] for one in asked] == [file.name for file in files]
    assert [told(outcome) for outcome in page] == [told(outcome) for outcome in terminal]
    assert [told(outcome) for outcome in page] == [told_by_api(one) for one in asked]
    codes = {outcome.code for outcome in page if isinstance(outcome, Refusal)}
    assert {"turned", "inverted", "damaged", "too_large", "multi_frame", "empty_file", "not_an_image"} <= codes
    judged = [place for place, outcome in enumerate(page) if isinstance(outcome, Prediction)]
    assert len(judged) >= len(WIDTHS) * len(sample_names())
    for place in judged:
        expected = page[place].probabilities
        assert terminal[place].probabilities == pytest.approx(expected, abs=1e-6)
        assert list(asked[place]["prediction"]["probabilities"].values()) == pytest.approx(expected, abs=1e-6)


def test_programs_that_ask_at_once_get_their_own_answers(api: Client, make_film: MakeFilm) -> None:
    films = [make_film(number % 8, width=200 + number) for number in range(24)]
    alone = [api.predict({f"{number}.png": film}).json() for number, film in enumerate(films)]
    together: list[dict] = [{}] * len(films)

    def ask(first: int) -> None:
        client = Client(api.url)
        for number in range(first, first + 4):
            together[number] = client.predict({f"{number}.png": films[number]}).json()
        client.close()

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(0, len(films), 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        (expected,), (got,) = one["files"], other["files"]
        assert (got["file"], got["sha256"]) == (expected["file"], expected["sha256"])
        assert told_by_api(got) == told_by_api(expected)
        if expected["prediction"]:
            before, after = (list(each["prediction"]["probabilities"].values()) for each in (expected, got))
            assert after == pytest.approx(before, abs=1e-6)
