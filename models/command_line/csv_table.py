"""Results as rows: the same CSV from the page and from the command line."""

import csv
from collections.abc import Iterable, Sequence
from typing import Final, TextIO

from models.films.refusal import Refusal
from models.prediction import Prediction

# A spreadsheet takes a cell that starts like this for a formula (OWASP, "CSV injection"); file names are not ours.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\n")

PROBABILITY_DIGITS: Final = 6


def csv_header(labels: Sequence[str]) -> list[str]:
    """`file,verdict,refusal_code,p_<LABEL>…,bundle`, labels in the bundle's order."""
    return ["file", "verdict", "refusal_code", *(f"p_{label}" for label in labels), "bundle"]


def csv_row(file: str, outcome: Prediction | Refusal, labels: Sequence[str], bundle: str) -> list[str]:
    """One row: a refused file has its code, and neither verdict nor probabilities; a withheld verdict, code and probabilities.
    Between rule-out and rule-in the verdict is `indeterminate`, without a code.

    In a file's name, bytes that are not UTF-8 and carriage returns, which `csv` leaves unquoted, are written as escapes,
    so that the table can always be saved and read again.
    """
    name = csv_name(file)
    if isinstance(outcome, Refusal):
        return [name, "", outcome.code, *("" for _ in labels), bundle]
    probabilities = [f"{probability:.{PROBABILITY_DIGITS}f}" for probability in outcome.probabilities]
    return [name, outcome.verdict or "", outcome.finding.code if outcome.finding else "", *probabilities, bundle]


def csv_name(file: str) -> str:
    """A file's name for a cell, see `csv_row`."""
    name = file.encode("utf-8", "backslashreplace").decode().replace("\r", "\\r")
    return f"'{name}" if name.startswith(_FORMULA_STARTS) else name


def write_csv(
    stream: TextIO, labels: Sequence[str], rows: Iterable[Sequence[str]], further: Sequence[str] = ()
) -> None:
    """Write the header, with `further` columns after the usual ones, then the rows as they come."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*csv_header(labels), *further])
    writer.writerows(rows)
