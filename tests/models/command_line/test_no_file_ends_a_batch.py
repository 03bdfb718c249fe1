"""What nobody foresaw in one file is told of that file alone, and all others are judged."""

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from models.bundle import BUNDLES_VARIABLE
from models.command_line.screening import judge_files
from models.films.radiograph import Radiograph
from models.films.refusal import Refusal, RefusedError, attempt
from models.prediction import Prediction
from models.predictor import Predictor
from tests.models.films.unforeseen import FAILING, UnforeseenError, fail

ROOT = Path(__file__).parents[3]
MakeFilm = Callable[..., Radiograph]


def save(film: Radiograph, path: Path) -> Path:
    Image.fromarray(film.pixels).save(path)
    return path


def test_a_hundred_files_of_which_one_breaks_the_decoder(
    bundles: Any, make_film: MakeFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, table = tmp_path / "films", tmp_path / "results.csv"
    folder.mkdir()
    for number in range(99):
        save(make_film(number, 64, 64), folder / f"{number:03d}.png")
    (folder / "049-Muster-Erika.jpeg").write_bytes(FAILING)
    monkeypatch.setenv(BUNDLES_VARIABLE, str(bundles.root))
    code = (
        "import sys; from models.__main__ import main; from tests.models.films.unforeseen import plant\n"
        f"plant(); sys.exit(main(['predict', {str(folder)!r}, '--bundle', 'two', '--csv', {str(table)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 100
    (failed,) = [row for row in rows if row["refusal_code"]]
    assert (Path(failed["file"]).name, failed["refusal_code"]) == ("049-Muster-Erika.jpeg", "internal_error")
    assert all(row["p_PNEUMONIA"] and row["verdict"] for row in rows if row is not failed)
    (reference,) = re.findall(r"reference\s+([0-9a-f]{8})\s+with", done.stdout)
    assert f"internal_error, reference {reference}\nTraceback" in done.stderr
    assert "UnforeseenError: nobody foresaw this" in done.stderr
    assert "Erika" not in done.stderr


def test_of_films_judged_together_the_one_that_fails_fails_alone(
    predictor: Predictor, make_film: MakeFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [save(make_film(number, 64, 60 + number), tmp_path / f"{number}.png") for number in range(5)]
    convert = Image.Image.convert

    def fail_for_one(image: Image.Image, mode: str | None = None, **options: Any) -> Image.Image:
        return fail() if mode == "F" and image.width == 62 else convert(image, mode, **options)

    monkeypatch.setattr(Image.Image, "convert", fail_for_one)
    outcomes = [outcome for _, _, outcome in judge_files(predictor, files)]
    assert [isinstance(outcome, Prediction) for outcome in outcomes] == [True, True, False, True, True]
    assert isinstance(outcomes[2], Refusal)
    assert outcomes[2].code == "internal_error"


def test_each_error_has_a_reference_of_its_own_and_its_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    first, second = attempt(fail), attempt(fail)
    assert isinstance(first, Refusal)
    assert first != second
    (reference,) = re.findall(r"[0-9a-f]{8}", first.sentence)
    record = next(record for record in caplog.records if reference in record.getMessage())
    assert record.name == "pneumolens"
    assert record.exc_info is not None
    assert record.exc_info[0] is UnforeseenError


def test_too_little_memory_for_one_film_is_no_end() -> None:
    def ask_for_too_much() -> None:
        raise MemoryError

    outcome = attempt(ask_for_too_much)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "internal_error"


def test_a_refusal_stays_what_it_is() -> None:
    def refuse() -> None:
        raise RefusedError("damaged", "This file is broken.")

    assert attempt(refuse) == Refusal("damaged", "This file is broken.")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_whoever_stops_the_program_stops_it(stop: type[BaseException]) -> None:
    def stopped() -> None:
        raise stop

    with pytest.raises(stop):
        attempt(stopped)
