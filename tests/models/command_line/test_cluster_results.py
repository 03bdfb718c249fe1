"""Results of a run on a cluster: kept as they come, gone on with, and the same CSV as on one machine."""

from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pytest

from models.command_line.cluster_results import ResultsFolder, counts, refused
from models.command_line.cluster_worker import result_columns, result_row
from models.command_line.csv_table import csv_row, write_csv
from models.command_line.screening import Outcome
from models.films.refusal import Refusal
from models.prediction import Prediction

LABELS = ("NORMAL", "PNEUMONIA")
FILES = ["a.png", "=b.png", "caf\udce9.png", "d.png"]
RUN = {"bundle": "0" * 64, "upright": False}


def judged(first: float, verdict: str | None = "NORMAL", finding: Refusal | None = None) -> Prediction:
    return Prediction(labels=LABELS, probabilities=(first, 1 - first), verdict=verdict, bundle="b", finding=finding)


OUTCOMES: list[Outcome] = [
    judged(2 / 3),
    Refusal("damaged", "Cut short."),
    judged(0.1234565, None, Refusal("unlike_training_data", "Unlike.")),
    judged(0.1, "PNEUMONIA"),
]


def open_folder(path: Path, files: list[str] = FILES, **run: object) -> ResultsFolder:
    return ResultsFolder(path, result_columns(LABELS), files, {**RUN, **run})


def part(*numbers: int) -> pa.Table:
    rows = [{"id": number, **result_row(OUTCOMES[number], LABELS)} for number in numbers]
    return pa.Table.from_pylist(rows, result_columns(LABELS))


def test_results_in_any_order_give_the_csv_of_one_machine(tmp_path: Path) -> None:
    with open_folder(tmp_path / "results") as folder:
        folder.add(part(3, 1))
        folder.add(part(2, 0))
    folder.write_csv(tmp_path / "cluster.csv", "b")
    with (tmp_path / "plain.csv").open("w", encoding="utf-8", newline="") as stream:
        write_csv(stream, LABELS, [csv_row(*one, LABELS, "b") for one in zip(FILES, OUTCOMES, strict=True)])
    assert (tmp_path / "cluster.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()
    assert (tmp_path / "cluster.csv").read_text(encoding="utf-8").count("\n") == 5
    found = folder.read()
    assert found["p_NORMAL"].to_pylist()[0] == 2 / 3, "kept to the last digit"
    assert refused(found) == 1
    assert counts(found)[0][1] == 1
    assert {name for name, _ in counts(found)} == {"NORMAL", "PNEUMONIA", "damaged", "unlike_training_data"}


def test_a_run_that_was_stopped_goes_on_and_what_is_half_written_does_not_count(tmp_path: Path) -> None:
    stopped = ExitStack()
    stopped.enter_context(open_folder(tmp_path)).add(part(0, 2))
    stopped.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with open_folder(tmp_path) as again:
        assert again.read()["id"].to_pylist() == [0, 2]
        again.add(part(1, 3))
    assert again.read()["id"].to_pylist() == [0, 1, 2, 3]
    some = next(tmp_path.glob("*.parquet"))
    some.write_bytes(some.read_bytes()[:-20])
    assert len(open_folder(tmp_path).read()) == 2


def test_results_of_another_run_are_not_mixed_in(tmp_path: Path) -> None:
    with open_folder(tmp_path) as folder:
        folder.add(part(0))
    for other in ({"bundle": "1" * 64}, {"upright": True}, {"files": FILES[:2]}):
        with pytest.raises(ValueError, match="--results must be a new folder"):
            open_folder(tmp_path, **other)  # type: ignore[arg-type]
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange/thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else"):
        open_folder(tmp_path / "strange")
    assert len(open_folder(tmp_path).read()) == 1
