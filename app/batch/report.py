"""What a report of a study says, whatever it is written as."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.batch.job import Status
from app.batch.outcomes import Outcome, read_points
from app.batch.table import Row
from app.words.language import _, day_and_time
from app.words.wording import percent, points_sentence, verdict_sentence
from models.command_line.by_patient import CAUTION, films_sentence, judge_patients
from models.prediction import Prediction


@dataclass(frozen=True)
class ReportedFilm:
    """One film of a study.

    Attributes:
        name: of its file.
        outcome: what came of it, as the model was calibrated.
        picture: a JPEG with heatmap and outline; None of what is no chest film.
    """

    name: str
    outcome: Outcome
    picture: bytes | None


@dataclass(frozen=True)
class Report:
    """A study, judged.

    Attributes:
        facts: names and values: when it was made, by what.
        together: sentences on all films together; none for a single one.
        promise: what the operating points promise; empty for a bundle without any.
        films: in the order in which they came.
    """

    facts: tuple[tuple[str, str], ...]
    together: tuple[str, ...]
    promise: str
    films: tuple[ReportedFilm, ...]


def study_report(status: Status, films: Sequence[tuple[Row, bytes | None]], now: datetime) -> Report:
    """The report of the films of a study, or of a film by itself."""
    points = read_points(status.points)
    facts = (
        (_("Report made"), day_and_time(now)),
        (_("Films"), str(len(films))),
        (_("Bundle"), status.bundle),
        (_("SHA-256 of bundle.json"), status.sha256),
    )
    return Report(
        facts=facts,
        together=_together([row.outcome for row, _picture in films]),
        promise=points_sentence(points) if points else "",
        films=tuple(ReportedFilm(row.name, row.outcome, picture) for row, picture in films),
    )


def _together(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """What is said of several films of one study: the film with the highest probability speaks, or the mean does."""
    if len(outcomes) < 2:
        return ()
    first = next((outcome for outcome in outcomes if isinstance(outcome, Prediction)), None)
    if first is None:
        return (_("None of the films was judged."),)
    [patient] = judge_patients(outcomes, ["one"] * len(outcomes), "highest" if first.positive else "mean")
    if patient.prediction is None:
        return (_("None of the films has a verdict."),)
    one, positive = patient.prediction, patient.prediction.positive
    values = {"verdict": verdict_sentence(one), "films": _(films_sentence(patient))}
    if positive is None:
        said = _("All films together, by the mean of the probabilities: {verdict}. Films judged: {films}.", **values)
    else:
        said = _(
            "All films together, by the film with the highest probability: {verdict} ({share} probability of {label}). Films "
            "judged: {films}.",
            share=percent(one.probability(positive)),
            label=positive,
            **values,
        )
    return said, _(CAUTION)
