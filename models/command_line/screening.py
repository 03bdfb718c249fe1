"""Many files through one predictor: the batch behind `python -m models predict`."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.bundle import Bundle, BundleError
from models.command_line.by_patient import Patient, Rule, check_rule, judge_patients
from models.command_line.csv_table import csv_row, write_csv
from models.command_line.patient_table import patient_cells, patient_header, show_patients
from models.engines.batching import BATCH_SIZE
from models.films.patient_key import patient_key, patient_pattern
from models.films.radiograph import Radiograph, read_radiograph
from models.films.refusal import Refusal, attempt
from models.heatmap import overlay
from models.lungs.findings import Finding
from models.prediction import Prediction, verdict_values
from models.predictor import Predictor
from models.system.files import atomic_path
from models.system.progress import progress_bar

_SHOWN_ROWS: Final = 50
_READERS: Final = 2

Outcome = Prediction | Refusal
File = TypeVar("File")
"""A path, or what else a film is read from."""


def predict_paths(
    bundle: Bundle,
    paths: Sequence[Path],
    *,
    engine: str = "auto",
    csv: str | None = None,
    heatmaps: Path | None = None,
    operating_point: str | None = None,
    prevalence: float | None = None,
    upright: bool = False,
    by_patient: Rule | None = None,
    patient_regex: str | None = None,
) -> int:
    """Judge files and folders, show a table, write what was asked for; return how many files were refused.

    Args:
        engine: one of `models.engines.load.ENGINES`.
        csv: a file, or "-" for standard output (the table then goes to standard error).
        heatmaps: a folder for the films with their heatmaps, as `<start of the file's name>-<start of its digest>.png`.
        operating_point: the name of the one that plain verdicts are taken at; None: `indeterminate` is a verdict, too.
        prevalence: the share of positive films that probabilities are for; None: that of the training films.
        upright: turn films back that are found turned, and invert those found inverted, and judge them so.
        by_patient: judge films of one patient together, too, by this rule, and say so in table and CSV.
        patient_regex: searched in file names; its first group is the patient. None: as `models.films.patient_key` finds them.
    """
    files = find_files(paths)
    pattern = patient_pattern(patient_regex) if patient_regex is not None else None
    _check(bundle, paths, files, two_classes=bool(operating_point or prevalence), by_patient=by_patient)
    _prepare_places(csv, heatmaps)
    messages = Console(stderr=True)
    with messages.status(f"Loading the bundle {bundle.spec.name} …"):
        predictor = Predictor(bundle, engine=engine)
    judged = _judge_all(predictor, files, heatmaps, upright, messages)
    outcomes = [(file, as_asked(one, operating_point, prevalence)) for file, one in zip(files, judged, strict=True)]
    console = messages if csv == "-" else Console()
    _show(console, bundle, outcomes)
    if compared := predictor.compare_group([one for _, one in outcomes if isinstance(one, Prediction)]):
        console.print(compared.sentence(), style="yellow" if compared.differs else None, markup=False)
    patients = None
    if by_patient:
        keys = [patient_key(file.name, file, pattern) for file in files]
        patients = [_asked_of(one, operating_point, prevalence) for one in judge_patients(judged, keys, by_patient)]
        show_patients(console, bundle.spec, patients, files, rule=by_patient, printable=_printable, most=_SHOWN_ROWS)
    if csv:
        _write_csv(csv, bundle, outcomes, patients)
    return sum(isinstance(outcome, Refusal) for _, outcome in outcomes)


def _judge_all(
    predictor: Predictor, files: Sequence[Path], heatmaps: Path | None, upright: bool, messages: Console
) -> list[Outcome]:
    """The outcome of each file; the heatmaps are written as they come."""
    judged: list[Outcome] = []
    with progress_bar(messages, "Reading and judging") as advance:
        for file, radiograph, outcome in judge_files(predictor, files, heatmaps=heatmaps is not None, upright=upright):
            if heatmaps and radiograph and isinstance(outcome, Prediction):
                outcome = _write_heatmap(heatmaps, file, radiograph, outcome)
            judged.append(outcome)
            advance(len(judged), len(files))
    return judged


def _check(
    bundle: Bundle, paths: Sequence[Path], files: Sequence[Path], *, two_classes: bool, by_patient: str | None
) -> None:
    """Refuse, before the model is loaded, what cannot be done."""
    if not files:
        raise BundleError(f"There is no file in {', '.join(map(str, paths))}. Name files, or folders that hold some.")
    if bundle.spec.positive is None and two_classes:
        raise ValueError(
            "--operating-point and --prevalence are for bundles of two classes. Received: one of "
            f"{', '.join(bundle.spec.labels)}"
        )
    if by_patient:
        check_rule(by_patient, bundle.spec.positive)


def _asked_of(patient: Patient, operating_point: str | None, prevalence: float | None) -> Patient:
    asked = as_asked(patient.prediction, operating_point, prevalence) if patient.prediction else None
    return replace(patient, prediction=asked if isinstance(asked, Prediction) else None)


def as_asked(outcome: Outcome, operating_point: str | None, prevalence: float | None) -> Outcome:
    """An outcome at an operating point and for a prevalence, where these are given."""
    if isinstance(outcome, Prediction) and operating_point is not None:
        outcome = outcome.at_operating_point(operating_point)
    if isinstance(outcome, Prediction) and prevalence is not None:
        outcome = outcome.at_prevalence(prevalence)
    return outcome


def _prepare_places(csv: str | None, heatmaps: Path | None) -> None:
    """Make the folders of the results, so that what cannot be written fails before all the judging."""
    if csv and csv != "-":
        if Path(csv).is_dir():
            raise ValueError(f"--csv must name a file. Received a folder: {csv}")
        Path(csv).parent.mkdir(parents=True, exist_ok=True)
    if heatmaps:
        heatmaps.mkdir(parents=True, exist_ok=True)


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files that paths lead to: folders are searched to their depth, leaving out hidden names; others are kept as named."""
    files: list[Path] = []
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112 - `Path.is_dir` raises for a name that is too long
            files.append(path)
            continue
        below = (found for found in path.rglob("*") if not found.is_dir())
        files += sorted(found for found in below if not any(p.startswith(".") for p in found.relative_to(path).parts))
    return files


def read_film(path: Path) -> Radiograph | Refusal:
    """Read and decode a film; or why it cannot be judged."""
    return attempt(lambda: read_radiograph(path))


def judge_files(
    predictor: Predictor,
    files: Sequence[File],
    *,
    heatmaps: bool = False,
    upright: bool = False,
    read: Callable[[Any], Radiograph | Refusal] = read_film,
) -> Iterator[tuple[File, Radiograph | None, Outcome]]:
    """Yield each file with its film and outcome, in order; no more than two batches of films are in memory.

    With `upright`, films that are turned or inverted are judged after they were turned back, and yielded so.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        batches = [files[start : start + BATCH_SIZE] for start in range(0, len(files), BATCH_SIZE)]
        coming = [readers.submit(read, file) for file in batches[0]]
        for number, batch in enumerate(batches):
            come = [future.result() for future in coming]
            following = batches[number + 1] if number + 1 < len(batches) else []
            coming = [readers.submit(read, file) for file in following]
            films = [film for film in come if isinstance(film, Radiograph)]
            predictions = iter(_judge(predictor, films, heatmaps=heatmaps))
            for file, film in zip(batch, come, strict=True):
                if not isinstance(film, Radiograph):
                    yield file, None, film
                    continue
                outcome = next(predictions)
                if upright and isinstance(outcome, Finding) and outcome.mendable:
                    film = replace(film, pixels=outcome.mended(film.pixels))
                    outcome = _judge_one(predictor, film, heatmaps=heatmaps)
                yield file, film, outcome


def _judge(predictor: Predictor, films: Sequence[Radiograph], *, heatmaps: bool) -> Sequence[Outcome]:
    """Judge films together or, where one of them makes that fail, each by itself."""
    outcomes = attempt(
        lambda: predictor.predict(films, heatmaps=heatmaps),
        otherwise=lambda: [_judge_one(predictor, film, heatmaps=heatmaps) for film in films],
    )
    return [outcomes] * len(films) if isinstance(outcomes, Refusal) else outcomes


def _judge_one(predictor: Predictor, film: Radiograph, *, heatmaps: bool) -> Outcome:
    return attempt(lambda: predictor.predict([film], heatmaps=heatmaps)[0])


def _write_heatmap(folder: Path, file: Path, radiograph: Radiograph, prediction: Prediction) -> Outcome:
    """Draw and save one heatmap; the outcome of a film of which none can be drawn is why."""
    if (heatmap := prediction.heatmap) is None:
        return prediction
    picture = attempt(lambda: overlay(radiograph.pixels, heatmap, field=prediction.field))
    if isinstance(picture, Refusal):
        return picture
    # A name may have 255 bytes, and a letter up to four.
    with atomic_path(folder / f"{file.stem[:50]}-{radiograph.sha256[:8]}.png") as temporary:
        picture.save(temporary)
    return prediction


def _show(console: Console, bundle: Bundle, outcomes: Sequence[tuple[Path, Outcome]]) -> None:
    spec = bundle.spec
    table = Table(
        "file", "verdict", *(escape(f"p({label})") for label in spec.labels), caption="Research use only: no diagnosis"
    )
    for file, outcome in outcomes[:_SHOWN_ROWS]:
        if isinstance(outcome, Refusal):
            table.add_row(escape(_printable(file)), f"[yellow]refused: {outcome.code}", *("" for _ in spec.labels))
        else:
            table.add_row(
                escape(_printable(file)), escape(_verdict(outcome)), *(f"{p:.3f}" for p in outcome.probabilities)
            )
    console.print(table)
    if len(outcomes) > _SHOWN_ROWS:
        console.print(f"The first {_SHOWN_ROWS} of {len(outcomes)}; --csv FILE has them all.")
    counts = Counter(o.code if isinstance(o, Refusal) else _verdict(o) for _, o in outcomes)
    console.print(f"{spec.name}: " + ", ".join(f"{count} {name}" for name, count in counts.most_common()), markup=False)
    _show_values(console, outcomes)
    for file, outcome in outcomes:
        for said in (outcome,) if isinstance(outcome, Refusal) else (outcome.finding, *outcome.notes):
            if said:
                console.print(f"{_printable(file)}: {said.sentence}", style="yellow", markup=False)


def _show_values(console: Console, outcomes: Sequence[tuple[Path, Outcome]]) -> None:
    """The prevalence that the table speaks of, with the predictive values of its verdicts."""
    first = next((outcome for _, outcome in outcomes if isinstance(outcome, Prediction)), None)
    if first is None or first.positive is None or first.prevalence is None:
        return
    ppv, npv = verdict_values(first.deciding_points, first.prevalence)
    negative = first.labels[1 - first.labels.index(first.positive)]
    console.print(
        f"Probabilities are for films of which {first.prevalence:.1%} are {first.positive}. There, the verdict "
        f"{first.positive} is right in {ppv:.1%} (PPV) and {negative} in {npv:.1%} (NPV), after the sensitivity and "
        "specificity measured in cross-validation.",
        markup=False,
    )


def _verdict(prediction: Prediction) -> str:
    return prediction.verdict or (prediction.finding.code if prediction.finding else "")


def _printable(file: Path) -> str:
    """A path for the terminal: no control characters, and none that stand for bytes which are not UTF-8."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(file))


def _write_csv(
    target: str, bundle: Bundle, outcomes: Sequence[tuple[Path, Outcome]], patients: Sequence[Patient] | None
) -> None:
    spec = bundle.spec
    rows = [csv_row(str(file), outcome, spec.labels, spec.name) for file, outcome in outcomes]
    further = []
    if patients is not None:
        further = patient_header(spec.labels)
        rows = [[*row, *cells] for row, cells in zip(rows, patient_cells(patients, spec.labels), strict=True)]
    if target == "-":
        write_csv(sys.stdout, spec.labels, rows, further)
        return
    with atomic_path(Path(target)) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        write_csv(stream, spec.labels, rows, further)
