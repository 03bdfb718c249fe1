"""Several films of one patient: what is said of them together, and what the command makes of it."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.__main__ import main
from models.bundle import BUNDLES_VARIABLE
from models.command_line.by_patient import films_sentence, judge_patients
from models.films.radiograph import Radiograph
from models.films.refusal import Refusal
from models.prediction import INDETERMINATE, OperatingPoint, Prediction
from models.predictor import Predictor
from tests.models.films.dicom_files import dataset, encode

RATE = (0.9, 0.8, 1.0)
POINTS = tuple(
    OperatingPoint(name, at, RATE, RATE) for name, at in (("rule_out", 0.3), ("balanced", 0.5), ("rule_in", 0.7))
)
REFUSED = Refusal("damaged", "It is broken.")


def judged(probability: float, *, withheld: bool = False) -> Prediction:
    verdict = INDETERMINATE if 0.3 <= probability < 0.7 else ("ILL" if probability >= 0.7 else "WELL")
    finding = Refusal("unlike_training_data", "It is unlike.") if withheld else None
    return Prediction(
        ("WELL", "ILL"), (1 - probability, probability), None if withheld else verdict, "b", "ILL", POINTS, prevalence=0.5,
        finding=finding,
    )  # fmt: skip


FILMS = [judged(0.1), judged(0.9), REFUSED, judged(0.2), judged(0.99, withheld=True), judged(0.2)]
KEYS = ["a", "a", "a", "b", "b", None]


@pytest.mark.parametrize(
    ("rule", "probabilities", "verdicts"),
    [("highest", [0.9, 0.2, 0.2], ["ILL", "WELL", "WELL"]), ("mean", [0.5, 0.2, 0.2], [INDETERMINATE, "WELL", "WELL"])],
)
def test_refused_and_withheld_films_do_not_count_and_are_counted(
    rule: Any, probabilities: list[float], verdicts: list[str]
) -> None:
    patients = judge_patients(FILMS, KEYS, rule)
    assert [patient.films for patient in patients] == [(0, 1, 2), (3, 4), (5,)]
    predictions = [patient.prediction for patient in patients]
    assert [one.probability("ILL") for one in predictions if one] == pytest.approx(probabilities)
    assert [one.verdict for one in predictions if one] == verdicts
    assert [films_sentence(one) for one in patients] == [
        "2 of 3 (1 damaged)",
        "1 of 2 (1 unlike_training_data)",
        "1 of 1",
    ]


def test_a_patient_without_a_judged_film_has_no_verdict() -> None:
    [patient] = judge_patients([REFUSED, judged(0.9, withheld=True)], ["a", "a"], "highest")
    assert patient.prediction is None
    assert patient.judged == 0


def test_the_mean_is_asked_at_a_point_and_a_prevalence_without_a_change_of_verdict() -> None:
    [patient] = judge_patients([judged(0.1), judged(0.9)], ["a", "a"], "mean")
    assert patient.prediction is not None
    assert patient.prediction.at_operating_point("balanced").verdict == "ILL"
    rare = patient.prediction.at_prevalence(0.01)
    assert rare.verdict == INDETERMINATE
    assert rare.probability("ILL") < 0.02
    assert rare.deciding_points[0].threshold < rare.probability("ILL") < rare.deciding_points[1].threshold


def test_of_more_classes_the_mean_takes_the_likeliest_and_the_highest_is_refused() -> None:
    films = [Prediction(("A", "B", "C"), p, "A", "b") for p in ((0.5, 0.4, 0.1), (0.2, 0.4, 0.4))]
    [patient] = judge_patients(films, ["a", "a"], "mean")
    assert patient.prediction is not None
    assert patient.prediction.verdict == "B"
    with pytest.raises(ValueError, match="Take mean"):
        judge_patients(films, ["a", "a"], "highest")


def test_one_film_is_as_it_is() -> None:
    only = replace(judged(0.8), heatmap=np.zeros((2, 2), np.float32), heatmap_label="ILL")
    assert [one.prediction for one in judge_patients([only], ["a"], "mean")] == [only]


@pytest.fixture
def folder(films: list[Radiograph], tmp_path: Path, bundles: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two films of one published patient, two of one study, one that is no film, and one of nobody known."""
    monkeypatch.setenv(BUNDLES_VARIABLE, str(bundles.root))
    monkeypatch.setenv("COLUMNS", "200")
    place = tmp_path / "films"
    place.mkdir()
    for name, film in zip(("person7_virus_1.png", "person7_virus_2.png", "z.png"), films, strict=False):
        Image.fromarray(film.pixels).save(place / name)
    (place / "person7_virus_3.png").write_bytes(b"words")
    for name, film in zip(("m1.dcm", "m2.dcm"), films[3:], strict=True):
        stated = {"StudyInstanceUID": "1.2.826.99", "PatientID": "SECRET-4711", "PatientName": "Doe^Jane"}
        (place / name).write_bytes(encode(dataset(film.pixels, **stated)))
    return place


@pytest.mark.parametrize("rule", ["highest", "mean"])
def test_the_command_gives_a_line_for_each_patient_and_names_nobody(
    folder: Path, tmp_path: Path, predictor: Predictor, capsys: pytest.CaptureFixture[str], rule: Any
) -> None:
    table = tmp_path / "out.csv"
    assert main(["predict", str(folder), "--bundle", "two", "--by-patient", rule, "--csv", str(table)]) == 3
    with table.open(newline="") as lines:
        rows = {Path(row["file"]).name: row for row in csv.DictReader(lines)}
    assert [rows[name]["patient"] for name in sorted(rows)] == ["1", "1", "2", "2", "2", "3"]
    assert rows["person7_virus_3.png"]["patient_films"] == "2 of 3 (1 not_an_image)"
    own = [float(rows[f"m{n}.dcm"]["p_PNEUMONIA"]) for n in (1, 2)]
    together = max(own) if rule == "highest" else sum(own) / 2
    assert float(rows["m1.dcm"]["patient_p_PNEUMONIA"]) == pytest.approx(together, abs=2e-6)
    shown = capsys.readouterr().out
    assert f"One line a patient: {rule}" in shown
    assert "6 films of 3 patients" in shown
    assert "does not hold for several films" in shown
    written = shown + table.read_text()
    assert not any(secret in written for secret in ("1.2.826.99", "SECRET", "Jane"))


def test_a_pattern_says_whose_a_film_is(folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "out.csv"
    arguments = ["--by-patient", "mean", "--patient-regex", "^([mpz])", "--csv", str(table)]
    assert main(["predict", str(folder), "--bundle", "two", *arguments]) == 3
    with table.open(newline="") as lines:
        rows = {Path(row["file"]).name: row["patient"] for row in csv.DictReader(lines)}
    assert [rows[name] for name in sorted(rows)] == ["1", "1", "2", "2", "2", "3"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--bundle", "three", "--by-patient", "highest"], "Take mean"),
        (["--bundle", "two", "--by-patient", "mean", "--patient-regex", "("], "regular expression"),
        (["--bundle", "two", "--patient-regex", "(a)"], "is for --by-patient"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert main(["predict", str(folder), *arguments]) == 2
    assert told in capsys.readouterr().err
