"""The command `python -m training lungs`."""

import argparse
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from models.backbones.weights import find_weights
from models.engines.load import load_engine
from models.films.refusal import Refusal
from models.lungs.finder import FINDER_FILE, finder_backbone
from models.system.files import atomic_path
from models.system.progress import progress_bar
from training.data.failed_films import INTERNAL_ERROR_STATUS, without_failed
from training.lungs.fit import fit_finder
from training.lungs.masked_films import MaskedFilm, divide, list_masked_films
from training.lungs.score import Agreement, quantile_estimate, score_films
from training.metrics.bootstrap import interval_text

_DRAWS: Final = 1000
_TAIL: Final = 40  # characters of a path: its class and name, and some of its folder's
_LUNGS: Final = """\
Fit the lung finder on films whose lungs people have drawn: linear read-outs of a frozen network, solved in closed form. Three
quarters of the patients teach it, the others judge it; the numbers are printed before the file is written.

    python -m training lungs originals/train lung_masks --to finder.npz
    python -m training lungs originals/train copies/train lung_masks --left-out native     several forms of the same films
    python -m training lungs originals/train lung_masks                                    replaces the shipped finder

FILMS are folders with films at any depth. MASKS is a folder of NAME.png, white where lung is, in the film's proportions, with
a table index.csv whose column `film` names the film that each belongs to. About five minutes for 1,600 films on two cores."""


def add_lungs(parser: argparse.ArgumentParser) -> None:
    """The options of `lungs`."""
    parser.description = _LUNGS
    parser.set_defaults(command=_lungs)
    parser.add_argument("films", type=Path, nargs="+", metavar="FILMS", help="folders of films")
    parser.add_argument("masks", type=Path, metavar="MASKS", help="the folder of drawn lungs and their index.csv")
    parser.add_argument(
        "--to", type=Path, default=FINDER_FILE, metavar="FILE", help="where to write it (default: the shipped finder)"
    )
    parser.add_argument(
        "--left-out",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders whose patients are not fitted on either, so that other forms of these films can judge it",
    )
    parser.add_argument(
        "--most",
        type=int,
        default=1600,
        metavar="N",
        help="films to fit on at most: more of them change little (default: %(default)s)",
    )


def _lungs(options: argparse.Namespace) -> int:
    if options.most < 2:
        raise ValueError(f"--most must be at least 2. Received: {options.most}")
    console = Console()
    films = list_masked_films(options.films, options.masks)
    _, kept = without_failed(films, lambda some: _fit(options, some, console), _leave_out, console)
    return 0 if len(kept) == len(films) else INTERNAL_ERROR_STATUS


def _leave_out(films: list[MaskedFilm], refusals: Mapping[Path, Refusal]) -> list[MaskedFilm]:
    return [film for film in films if film.path not in refusals]


def _fit(options: argparse.Namespace, films: list[MaskedFilm], console: Console) -> None:
    fitted, judging = divide(films, left_out=options.left_out)
    fitted = sorted(fitted, key=_shuffled)[: options.most]
    console.print(f"{len(fitted):,} films to fit on, {len(judging):,} of other patients to judge by.")
    backbone = finder_backbone()
    engine = load_engine(backbone, find_weights(backbone))
    with progress_bar(console, "Fitting the lung finder") as advance:
        finder = fit_finder(engine, fitted, progress=advance)
    with progress_bar(console, "Judging it") as advance:
        scores = score_films(engine, finder, judging, progress=advance)
    console.print(score_table(scores, judging))
    with atomic_path(options.to) as temporary:
        finder.save(temporary)
    console.print(f"{options.to}: {options.to.stat().st_size:,} bytes")


def score_table(scores: Agreement, films: list[MaskedFilm]) -> Table:
    """Median and 5th percentile of both scores, with 95 % intervals over patients."""
    patients = [film.patient for film in films]
    table = Table("patients not fitted on", "median", "5th percentile", "films", "patients")
    for name, values in (("Dice of the outline", scores.dice), ("overlap of the box", scores.box)):
        middle, low = (quantile_estimate(values, share, patients, draws=_DRAWS) for share in (0.5, 0.05))
        table.add_row(name, interval_text(middle), interval_text(low), f"{middle.n:,}", f"{middle.patients:,}")
    return table


def _shuffled(film: MaskedFilm) -> int:
    """What to sort by for an order that mixes classes, batches and forms, and is the same on every machine."""
    return zlib.crc32(film.path.as_posix()[-_TAIL:].encode())
