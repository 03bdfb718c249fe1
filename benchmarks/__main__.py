"""Run the benchmarks of speed, print their tables and write benchmarks/results/speed.json.

    python -m benchmarks
    python -m benchmarks --quick
    python -m benchmarks --only serving scaling     what the file has of the others stays
    python -m benchmarks --precision int8           training and prediction with a quantised backbone

Each runs in a process of its own, as `python -m benchmarks.NAME`; all together take half an hour on two cores that have
nothing else to do, and half as long with `--quick`. `python -m benchmarks.quality` takes hours and is run by itself; what it
found is in benchmarks/results/quality.json. `python -m benchmarks.report` makes docs/speed.md of the results.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks.measuring import BARS, ROOT, add_precision, machine, show_ratios, versions, write_json

NAMES: Final = ("training_speed", "prediction_speed", "serving", "scaling", "augmentation")
WITH_PRECISION: Final = NAMES[:2]
RESULTS: Final = ROOT / "benchmarks/results/speed.json"
QUALITY: Final = ROOT / "benchmarks/results/quality.json"
_SHARED: Final = ("machine", "versions")
_FIELD: Final = "lungs"  # by which `python -m training train` cuts films where nothing else is asked for


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status is 1 where a benchmark failed; what the others found is written all the same."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller samples: rough")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder of films (default: synthetic films)")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="default: benchmarks/results/speed.json, or speed_int8.json; what other files speed_NAME.json beside it have goes "
        "into docs/speed.md too",
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    add_precision(parser)
    options = parser.parse_args(arguments)
    in_int8 = options.precision == "int8"
    options.only = options.only or (WITH_PRECISION if in_int8 else NAMES)
    options.json = options.json or (RESULTS.with_name("speed_int8.json") if in_int8 else RESULTS)
    if in_int8 and (others := set(options.only) - set(WITH_PRECISION)):
        parser.error(f"--precision int8 is for {' and '.join(WITH_PRECISION)}. Received: {', '.join(sorted(others))}")
    return measure(options)


def measure(options: argparse.Namespace) -> int:
    """Run the benchmarks that were asked for, one after the other, and write what they found."""
    console = Console()
    found, failed = earlier(options), []
    for name in options.only:
        console.rule(name)
        result = run(name, options)
        if result is None:
            failed.append(name)
        else:
            found[name] = result
    summary = summarise(found, failed, quick=options.quick, precision=options.precision)
    show_ratios(console, "All benchmarks", summary)
    write_json(options.json, summary)
    console.print(f"Written: {options.json}", markup=False, soft_wrap=True)
    if failed:
        console.print(f"Failed: {', '.join(failed)}", style="red")
    return 1 if failed else 0


def earlier(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What the file of results has of the benchmarks that are not run anew, where it was measured as thoroughly and alike."""
    if len(options.only) == len(NAMES) or not options.json.is_file():
        return {}
    kept = json.loads(options.json.read_text(encoding="utf-8"))
    if (kept["quick"], kept.get("precision", "float")) != (options.quick, options.precision):
        return {}
    return {name: one for name, one in kept["benchmarks"].items() if name not in (*options.only, "quality")}


def run(name: str, options: argparse.Namespace) -> dict[str, Any] | None:
    """One benchmark in a process of its own; None where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "result.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(target)]
        command += ["--quick"] if options.quick else []
        command += ["--data", str(options.data.absolute())] if options.data else []
        command += ["--precision", options.precision] if name in WITH_PRECISION else []
        started = time.perf_counter()
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            return None
        found: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        return {**found, "seconds_in_all": round(time.perf_counter() - started, 1)}


def summarise(
    found: dict[str, dict[str, Any]], failed: Sequence[str], *, quick: bool, precision: str = "float"
) -> dict[str, Any]:
    """The numbers with a bar on top, then everything by benchmark."""
    if QUALITY.is_file() and not quick and precision == "float":
        found = {**found, "quality": json.loads(QUALITY.read_text(encoding="utf-8"))}
    barred = {key: result[key] for result in found.values() for key in BARS if key in result}
    apart = {name: {key: value for key, value in one.items() if key not in _SHARED} for name, one in found.items()}
    return {
        **{key: barred[key] for key in BARS if key in barred},
        "quick": quick,
        "precision": precision,
        "field": _FIELD,
        "failed": list(failed),
        "machine": machine(),
        "versions": versions(),
        "benchmarks": apart,
    }


if __name__ == "__main__":
    sys.exit(main())
