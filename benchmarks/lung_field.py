"""The same films at other sizes, and films of adults elsewhere: does a bundle say the same, and does it know when to say nothing?

    python -m benchmarks.lung_field default mixed --form native=chest_xray_native --form original=chest_xray_originals/train \\
        --form copy=chest_xray/train --adults other_hospital/hannover --json benchmarks/results/lung_field.json

DATA is the folder that the bundle was trained on: the heads of its cross-validation are fitted again, and each film of a form,
found by its name, is judged by the one that has not seen its patient. The gate is the bundle's own. Of two forms of a film:
how many verdicts change, and by how much the probability; of each form: how many verdicts are withheld, and, of films that
are positive, how much of the heatmap lies within the lungs. Adults are judged by the bundle as it is. Some minutes.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import numpy as np
from rich.console import Console
from rich.table import Table

from models.bundle import Bundle, load_bundle
from models.films.radiograph import Radiograph, read_radiograph
from models.films.refusal import Refusal, RefusedError
from models.head import DenseHead
from models.prediction import INDETERMINATE, Prediction
from models.predictor import Predictor
from models.system.files import cache_folder, write_atomically
from models.system.progress import progress_bar
from training.data.folder import read_folder_for
from training.data.learnable import learnable
from training.embedding.find_lungs import lungs_for
from training.heads.out_of_fold_heads import refit_folds

_FILMS_AT_ONCE: Final = 16
_MOST: Final = 500  # films of a form, evenly from its list


@dataclass(frozen=True)
class Form:
    """How the films of one form were judged, by the stem of their file's name."""

    name: str
    outcomes: dict[str, Prediction | Refusal]
    positive: frozenset[str]

    def row(self) -> dict[str, Any]:
        """Shares of this form."""
        outcomes = list(self.outcomes.values())
        withheld = [one for one in outcomes if isinstance(one, Refusal) or one.verdict is None]
        attention = [
            one.attention
            for stem, one in self.outcomes.items()
            if stem in self.positive and isinstance(one, Prediction) and one.attention is not None
        ]
        return {
            "form": self.name,
            "n": len(outcomes),
            "withheld": len(withheld) / len(outcomes),
            "attention_median": float(np.median(attention)) if attention else None,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge every form, print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lung_field",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bundle", metavar="BUNDLE")
    parser.add_argument("data", type=Path, metavar="DATA", help="the folder that it was trained on")
    parser.add_argument(
        "--form", action="append", default=[], metavar="NAME=DIR", help="films of the same names, in another form"
    )
    parser.add_argument("--adults", type=Path, metavar="DIR", help="films of which none should get a firm verdict")
    parser.add_argument("--cache", type=Path, default=cache_folder(), metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    console, bundle = Console(), load_bundle(options.bundle)
    predictor = Predictor(bundle)
    judges = judges_by_name(bundle, predictor, options.data, options.cache, console)
    forms: list[Form] = []
    for form in options.form:
        wanted = set(forms[0].outcomes) if forms else set()
        forms.append(judge_form(predictor, judges, *form.split("=", 1), wanted, console))
    found = {
        "bundle": bundle.sha256,
        "forms": [form.row() for form in forms],
        "pairs": [compare(one, other) for one, other in combinations(forms, 2)],
        "adults": judge_adults(predictor, options.adults, console) if options.adults else None,
    }
    show(found, console)
    if options.json:
        write_atomically(options.json, json.dumps(found, indent=2) + "\n")
    return 0


def judges_by_name(
    bundle: Bundle, predictor: Predictor, data: Path, cache: Path, console: Console
) -> dict[str, DenseHead]:
    """For each film of the training folder, by its stem, the head that has not seen its patient."""
    manifest = read_folder_for(bundle, data, console, patient_regex=None, patients_csv=None, cache=cache)
    lungs = lungs_for(bundle, manifest.root, manifest.entries, cache, "auto", console)
    manifest = lungs.usable(manifest) if lungs else manifest
    judges = refit_folds(bundle, manifest, predictor.engine, cache, console, lungs)
    return {
        entry.path.stem: judges.heads[place] for entry, place in zip(learnable(manifest), judges.of_film, strict=True)
    }


def judge_form(
    predictor: Predictor, judges: dict[str, DenseHead], name: str, folder: str, wanted: set[str], console: Console
) -> Form:
    """Judge the films of one form, each by the head that has not seen its patient."""
    paths = [path for path in Path(folder).rglob("*.jp*g") if path.stem in judges]
    # The films of the first form first, then in an order that is the same for every form, so that there are pairs.
    paths = sorted(paths, key=lambda path: (path.stem not in wanted, crc32(path.stem.encode())))[:_MOST]
    outcomes: dict[str, Prediction | Refusal] = {}
    with progress_bar(console, f"Judging {name}") as advance:
        for path, film in read(paths):
            outcomes[path.stem] = predictor.with_head(judges[path.stem]).predict([film], heatmaps=True)[0]
            advance(len(outcomes), len(paths))
    positive = predictor.bundle.spec.positive
    return Form(name, outcomes, frozenset(path.stem for path in paths if path.parent.name == positive))


def read(paths: Sequence[Path]) -> Iterator[tuple[Path, Radiograph]]:
    """The films that can be read."""
    for path in paths:
        try:
            yield path, read_radiograph(path)
        except RefusedError:
            continue


def compare(one: Form, other: Form) -> dict[str, Any]:
    """Films of both forms that were judged in both: changed verdicts, and the change of the probability."""
    both = [
        (first, second)
        for stem in one.outcomes.keys() & other.outcomes.keys()
        if isinstance(first := one.outcomes[stem], Prediction)
        and isinstance(second := other.outcomes[stem], Prediction)
    ]
    changes = [abs(first.probabilities[-1] - second.probabilities[-1]) for first, second in both]
    judged = [(first, second) for first, second in both if first.verdict and second.verdict]
    return {
        "forms": [one.name, other.name],
        "n": len(judged),
        "verdict_changes": sum(first.verdict != second.verdict for first, second in judged) / max(len(judged), 1),
        "opposite_verdicts": sum(
            first.verdict != second.verdict and INDETERMINATE not in (first.verdict, second.verdict)
            for first, second in judged
        ),
        "median_change": float(np.median(changes)) if changes else None,
    }


def judge_adults(predictor: Predictor, folder: Path, console: Console) -> dict[str, Any]:
    """How many films get no firm verdict, by the bundle as it is."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    films = [film for _, film in read(paths)]
    outcomes: list[Prediction | Refusal] = []
    with progress_bar(console, "Judging adults") as advance:
        for start in range(0, len(films), _FILMS_AT_ONCE):
            outcomes += predictor.predict(films[start : start + _FILMS_AT_ONCE])
            advance(len(outcomes), len(films))
    firm = [one for one in outcomes if isinstance(one, Prediction) and one.verdict not in (None, INDETERMINATE)]
    group = predictor.compare_group([one for one in outcomes if isinstance(one, Prediction)])
    return {
        "n": len(films),
        "no_firm_verdict": 1 - len(firm) / len(films),
        "group_p_value": group.p_value if group else None,
    }


def show(found: dict[str, Any], console: Console) -> None:
    """The tables."""
    table = Table("form", "n", "withheld", "attention within the lungs, median")
    for row in found["forms"]:
        attention = "–" if row["attention_median"] is None else f"{row['attention_median']:.3f}"
        table.add_row(row["form"], f"{row['n']:,}", f"{row['withheld']:.1%}", attention)
    console.print(table)
    table = Table("forms of a film", "n", "verdict changes", "opposite", "median change of the probability")
    for row in found["pairs"]:
        change = "–" if row["median_change"] is None else f"{row['median_change']:.4f}"
        table.add_row(
            " / ".join(row["forms"]),
            f"{row['n']:,}",
            f"{row['verdict_changes']:.1%}",
            f"{row['opposite_verdicts']}",
            change,
        )
    console.print(table)
    if found["adults"]:
        console.print(f"Adults: {found['adults']}")


if __name__ == "__main__":
    sys.exit(main())
