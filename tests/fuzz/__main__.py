"""Damage files by dice and read them: each must give a picture or a refusal, soon, and in little memory.

    python -m tests.fuzz                           10,000 inputs for each format: a minute
    python -m tests.fuzz --inputs 1000 DICOM PNG
    python -m tests.fuzz DICOM --only 4711         one input again, with its traceback

What is found is written to build/fuzz. Its kind, made of nobody's film, belongs into tests/models/films/bad_input.py or
test_dicom_as_it_comes.py.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models.films.radiograph import read_radiograph
from models.films.refusal import RefusedError
from tests.fuzz.damage import damaged
from tests.fuzz.reading import MOST_GROWTH_MB, MOST_SECONDS, Found, read_in_child
from tests.fuzz.seeds import FORMATS, seeds

FOUND = Path(__file__).parents[2] / "build" / "fuzz"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz; the exit status is 1 where something was found."""
    options = build_parser().parse_args(arguments)
    kinds = options.formats or FORMATS
    if unknown := set(kinds) - set(FORMATS):
        raise SystemExit(f"A format must be one of {', '.join(FORMATS)}. Received: {', '.join(unknown)}")
    if options.only is not None:
        return _again(kinds[0], options.only, options.seeds)
    failed = False
    for kind in kinds:
        found = read_in_child(kind, options.inputs, options.seeds)
        print(found.summary())
        failed |= not found.passed
        _keep(found, options.seeds)
    print(f"Bars: no traceback, no input over {MOST_SECONDS:g} s, memory grows by less than {MOST_GROWTH_MB} MB.")
    return int(failed)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help=f"of {', '.join(FORMATS)}")
    parser.add_argument("--inputs", type=int, default=10_000, metavar="N", help="for each format (default: 10000)")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="read this input again")
    parser.add_argument("--seeds", type=Path, nargs="*", default=[], metavar="DIR", help="further files to damage")
    return parser


def _again(kind: str, number: int, folders: Sequence[Path]) -> int:
    try:
        radiograph = read_radiograph(damaged(kind, number, seeds(kind, *folders)))
    except RefusedError as error:
        print(error.refusal)
    else:
        print(f"{radiograph.format}, {radiograph.pixels.shape}, {radiograph.notes}")
    return 0


def _keep(found: Found, folders: Sequence[Path]) -> None:
    for number, what in found.failures.items():
        FOUND.mkdir(parents=True, exist_ok=True)
        path = FOUND / f"{found.kind.lower()}-{number}"
        path.write_bytes(damaged(found.kind, number, seeds(found.kind, *folders)))
        print(f"{path}: {what}")


if __name__ == "__main__":
    sys.exit(main())
