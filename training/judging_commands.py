"""The commands that judge a bundle: `python -m training evaluate` and `python -m training stress`."""

import argparse
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from models.bundle import Bundle, load_bundle
from models.system.quiet import import_keras_quietly
from training.config import RunConfig
from training.data.failed_films import exit_status, set_aside, without_failed
from training.data.folder import read_folder_for
from training.data.locked import lock_patients
from training.data.manifest import Manifest
from training.options import (
    add_cache,
    add_engine,
    add_into_card,
    add_lock,
    add_patients,
    add_progress_file,
    watched_console,
)

_EVALUATE: Final = """\
Judge a bundle on a folder that it was not trained on: discrimination, calibration, predictive values at several
prevalences, net benefit, abstention and subgroups, each with a 95 % interval by patient.

    python -m training evaluate mine other_hospital --out report
    python -m training evaluate mine other_hospital --out report --compare models/bundles/mine/report.json
    python -m training evaluate mine other_hospital --out report --subgroups table.csv

Writes evaluation.html, one page that stands alone; evaluation.json with its numbers; and its plots. The page and the sheet
of the most confident errors show films of patients. Half a minute for 5,000 images whose embeddings are kept."""

_COMPARE: Final = """\
Show two bundles the same locked patients, with the --lock that the first was trained with: the differences of AUROC,
sensitivity, specificity and Brier score with paired 95 % intervals over patients; the same with the surroundings of the
lungs exchanged, and on the surroundings alone.

    python -m training train radiographs --name mine --lock 0.2
    python -m training compare mine radiographs --lock 0.2 --out comparison"""

_STRESS: Final = """\
Show a bundle films that went through worse than its own: thirteen corruptions in five severities, films without their
lungs, films with a letter in a corner; and ask whether its heatmaps show what it learnt.

    python -m training stress mine radiographs --out stress
    python -m training stress mine other_hospital --sample 100        a first look

Some minutes for 400 films on two cores. Where DATA is the folder that the bundle was trained on, the heads of its
cross-validation are fitted again, from the cache, and each film is judged by one that has not seen its patient. A folder
that holds only a part of those films cannot be told from a new one, and flatters. Writes stress.json, stress.png and
stress_films.png; the last shows a patient."""


def add_evaluate(parser: argparse.ArgumentParser) -> None:
    """The options of `evaluate`."""
    parser.description = _EVALUATE
    parser.set_defaults(command=_evaluate)
    _add_what_is_judged(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="evaluation.html, evaluation.json and the plots go there"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="JSON",
        help="an earlier result: the report.json of a bundle, or an evaluation.json; the page begins with the change from it",
    )
    parser.add_argument(
        "--subgroups",
        type=Path,
        metavar="CSV",
        help="a table with the column file and further ones, such as sex, age, view or device, each a way to divide the "
        "images (the table of --patients will do); without it: batches by published names, and what DICOM files say",
    )
    add_into_card(parser)
    add_patients(parser)
    add_engine(parser)
    add_cache(parser)


def add_compare(parser: argparse.ArgumentParser) -> None:
    """The options of `compare`."""
    parser.description = _COMPARE
    parser.set_defaults(command=_compare)
    parser.add_argument("later", metavar="NEW", help="the bundle that has never learnt from these patients")
    parser.add_argument("data", type=Path, metavar="DATA", help="the folder that it was trained on")
    parser.add_argument(
        "--with", dest="earlier", metavar="NAME", help="the bundle to compare with (default: the current one)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="comparison.json and comparison.png go there"
    )
    add_lock(parser)
    add_patients(parser)
    add_engine(parser)
    add_cache(parser)
    add_progress_file(parser)


def _add_what_is_judged(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the bundle")
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="a folder per class; where it has a test split, that alone"
    )


def add_stress(parser: argparse.ArgumentParser) -> None:
    """The options of `stress`."""
    parser.description = _STRESS
    parser.set_defaults(command=_stress)
    _add_what_is_judged(parser)
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write; it shows a patient (default: runs/NAME/stress)"
    )
    parser.add_argument(
        "--sample",
        type=int,
        default=400,
        metavar="N",
        help="films, as many of each class, of as many patients as can be (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the sample and of the noise (default: %(default)s)"
    )
    add_into_card(parser)
    add_patients(parser)
    add_engine(parser)
    add_cache(parser)


def _compare(options: argparse.Namespace) -> int:
    from training.evaluation.compare_bundles import compare_bundles

    console, later = watched_console(options), load_bundle(options.later)
    manifest = lock_patients(_read_folder_for(later, options, console), options.lock)
    earlier = load_bundle(options.earlier)
    compare_bundles(later, earlier, manifest, options.out, console, cache=options.cache, engine=options.engine)
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    # Only here: scikit-learn takes a second to import.
    from training.evaluation.earlier_result import read_earlier
    from training.evaluation.evaluate import Task, evaluate
    from training.evaluation.subgroup_columns import find_columns
    from training.reports.amend_bundle import amend_card, external_result

    console, bundle = Console(), load_bundle(options.name)
    earlier = read_earlier(options.compare) if options.compare else None
    manifest = _read_folder_for(bundle, options, console)

    def judged(films: Manifest) -> dict[str, Any]:
        entries = films.select("test") or films.entries
        task = Task(bundle, films, entries, find_columns(entries, options.subgroups), earlier)
        return evaluate(task, options.out, console, cache=options.cache, engine=options.engine)

    report, manifest = without_failed(manifest, judged, set_aside, console)
    if options.into_card:
        amend_card(bundle, {"external": external_result(report)}, console)
    return exit_status(manifest)


def _stress(options: argparse.Namespace) -> int:
    console, bundle = Console(), load_bundle(options.name)
    manifest = _read_folder_for(bundle, options, console)
    with console.status("Loading TensorFlow …"):
        import_keras_quietly()
        from training.reports.amend_bundle import amend_card
        from training.stress.stress import stress
    out = options.out or RunConfig.runs / options.name / "stress"
    how = {"cache": options.cache, "sample": options.sample, "seed": options.seed, "engine": options.engine}
    report, manifest = without_failed(
        manifest, lambda films: stress(bundle, films, out, console, **how), set_aside, console
    )
    if options.into_card:
        amend_card(bundle, {"robustness": report}, console)
    return exit_status(manifest)


def _read_folder_for(bundle: Bundle, options: argparse.Namespace, console: Console) -> Manifest:
    return read_folder_for(
        bundle,
        options.data,
        console,
        patient_regex=options.patient_regex,
        patients_csv=options.patients,
        cache=options.cache,
    )
