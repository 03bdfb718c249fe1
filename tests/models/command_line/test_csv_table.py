"""Rows of results, whatever a file is called."""

import csv
import io
from dataclasses import replace

import pytest

from models.command_line.csv_table import csv_header, csv_row, write_csv
from models.films.refusal import Refusal
from models.prediction import INDETERMINATE, Prediction

LABELS = ("NORMAL", "PNEUMONIA")
JUDGED = Prediction(LABELS, (0.25, 0.75), "PNEUMONIA", "default")
REFUSED = Refusal("not_an_image", "This is not an image.")


def _written(*rows: list[str]) -> str:
    stream = io.StringIO(newline="")
    write_csv(stream, LABELS, rows)
    return stream.getvalue()


def test_the_header_and_both_kinds_of_row_are_exact() -> None:
    rows = [csv_row("a.png", JUDGED, LABELS, "default"), csv_row("b.txt", REFUSED, LABELS, "default")]
    assert _written(*rows) == (
        "file,verdict,refusal_code,p_NORMAL,p_PNEUMONIA,bundle\n"
        "a.png,PNEUMONIA,,0.250000,0.750000,default\n"
        "b.txt,,not_an_image,,,default\n"
    )


def test_an_indeterminate_verdict_has_no_code() -> None:
    doubtful = replace(JUDGED, verdict=INDETERMINATE)
    assert csv_row("a.png", doubtful, LABELS, "default") == [
        *("a.png", "indeterminate", "", "0.250000", "0.750000", "default")
    ]


def test_labels_keep_the_order_of_the_bundle() -> None:
    labels = ("VIRUS", "NORMAL", "BACTERIA")
    assert csv_header(labels) == ["file", "verdict", "refusal_code", "p_VIRUS", "p_NORMAL", "p_BACTERIA", "bundle"]


@pytest.mark.parametrize("name", ["=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\n=1", '=HYPERLINK("http://x","y")'])
def test_a_spreadsheet_takes_no_file_name_for_a_formula(name: str) -> None:
    for outcome in (JUDGED, REFUSED):
        written = _written(csv_row(name, outcome, LABELS, "default"))
        cell = list(csv.reader(io.StringIO(written, newline="")))[1][0]
        assert cell == f"'{name}"


@pytest.mark.parametrize("name", ["a,b.png", 'a "b".png', "a\nb.png", "Müller/胸.png", " a.png", "a-b=c.png"])
def test_any_other_name_comes_back_as_it_was(name: str) -> None:
    written = _written(csv_row(name, JUDGED, LABELS, "default"))
    assert list(csv.reader(io.StringIO(written, newline="")))[1][0] == name


def test_a_carriage_return_starts_no_row() -> None:
    written = _written(csv_row("film\r=1+2.png", JUDGED, LABELS, "default"))
    assert [row[0] for row in csv.reader(io.StringIO(written, newline=""))] == ["file", r"film\r=1+2.png"]


def test_a_name_that_is_not_utf8_can_be_saved() -> None:
    name = b"film-\xff.png".decode("utf-8", "surrogateescape")
    assert r"film-\udcff.png" in _written(csv_row(name, JUDGED, LABELS, "default")).encode().decode()
