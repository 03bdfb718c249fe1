"""Films of one patient on the page: which they are, and what is said of them together."""

from collections.abc import Sequence
from dataclasses import replace

from app.screening import Screened
from app.words.language import _
from app.words.wording import percent, verdict_name
from models.command_line.by_patient import Patient, Rule, films_sentence, group_films, judge_patients
from models.films.patient_key import name_key


def patient_groups(results: Sequence[Screened]) -> list[tuple[int, ...]]:
    """The places of films of one patient, as far as DICOM files or published names say whose they are."""
    return group_films(_keys(results))


def patients_of(results: Sequence[Screened], rule: Rule, prevalence: float | None) -> list[Patient]:
    """The patients, judged by the rule; `results` are as the model was calibrated, the patients for `prevalence`."""
    patients = judge_patients([result.outcome for result in results], _keys(results), rule)
    if prevalence is None:
        return patients
    return [
        replace(one, prediction=one.prediction.at_prevalence(prevalence)) if one.prediction else one for one in patients
    ]


def patient_row(number: int, patient: Patient, results: Sequence[Screened], labels: Sequence[str]) -> dict[str, str]:
    """A patient as a row of the table; by number, as nobody's name belongs on the page."""
    name = _("{number}: {name}", number=number, name=results[patient.films[0]].name)
    if others := len(patient.films) - 1:
        name = _("{name} and {count} more", name=name, count=others)
    one = patient.prediction
    return {
        _("Patient"): name,
        _("Films judged"): _(films_sentence(patient)),
        _("Verdict"): verdict_name(one.verdict if one else None),
        **{f"p({label})": percent(one.probability(label)) if one else "" for label in labels},
    }


def _keys(results: Sequence[Screened]) -> list[str | None]:
    return [result.study or name_key(result.name) for result in results]
