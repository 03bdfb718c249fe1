"""Patients in the terminal and in CSV, after the films."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.bundle import BundleSpec
from models.command_line.by_patient import Patient, Rule, films_sentence, patient_sentence
from models.command_line.csv_table import PROBABILITY_DIGITS

PATIENT_COLUMNS: Final = ("patient", "patient_films", "patient_verdict", "patient_p_")


def show_patients(
    console: Console,
    spec: BundleSpec,
    patients: Sequence[Patient],
    files: Sequence[Path],
    *,
    rule: Rule,
    printable: Callable[[Path], str],
    most: int,
) -> None:
    """A line for each patient, by number: who they are is not shown, only the first of their files."""
    probabilities = (escape(f"p({label})") for label in spec.labels)
    table = Table("patient", "films", "judged", "verdict", *probabilities, caption=f"One line a patient: {rule}")
    for number, patient in enumerate(patients[:most], start=1):
        name = escape(printable(files[patient.films[0]]))
        others = f" and {len(patient.films) - 1} more" if len(patient.films) > 1 else ""
        one = patient.prediction
        values = [f"{p:.3f}" for p in one.probabilities] if one else [""] * len(spec.labels)
        verdict = escape(str(one.verdict)) if one else "[yellow]none"
        table.add_row(str(number), f"{name}{others}", films_sentence(patient), verdict, *values)
    console.print(table)
    if len(patients) > most:
        console.print(f"The first {most} of {len(patients)}; --csv FILE has them all.")
    console.print(patient_sentence(patients, rule), markup=False)


def patient_header(labels: Sequence[str]) -> list[str]:
    """The columns that follow those of a film: the patient's number, films judged, verdict, and probabilities."""
    *plain, probability = PATIENT_COLUMNS
    return [*plain, *(f"{probability}{label}" for label in labels)]


def patient_cells(patients: Sequence[Patient], labels: Sequence[str]) -> list[list[str]]:
    """What stands in these columns, for each film in its place."""
    cells: dict[int, list[str]] = {}
    for number, patient in enumerate(patients, start=1):
        one = patient.prediction
        values = [f"{p:.{PROBABILITY_DIGITS}f}" for p in one.probabilities] if one else [""] * len(labels)
        row = [str(number), films_sentence(patient), (one.verdict or "") if one else "", *values]
        cells |= dict.fromkeys(patient.films, row)
    return [cells[place] for place in sorted(cells)]
