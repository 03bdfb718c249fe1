"""The command `python -m training inspect`: what a folder holds, before anything is trained on it."""

import argparse
import json
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from models.backbones.table import DEFAULT_BACKBONE
from models.system.files import write_atomically
from training.config import RunConfig
from training.data.folder import read_films
from training.data.locked import lock_patients
from training.data.manifest import Manifest
from training.embedding.cache import EmbeddingCache
from training.embedding.choose_engine import choose_engine
from training.embedding.embed_folder import plain_embedder
from training.leaks.find import describe, find_leaks
from training.options import add_cache, add_lock, add_patients, add_progress_file, watched_console

INSPECTION_FILE: Final = "inspection.json"
SHEET_FILE: Final = "samples.png"
_FILMS_PER_CLASS: Final = 6

_INSPECT: Final = """\
Look at a folder before training on it: its classes, how many films and patients each has, what would leak from one side of
a split to the other, what cannot be read, and some films of each class as a picture.

    python -m training inspect radiographs --out look

Writes inspection.json and samples.png; the second shows patients. Each film is decoded once; what is known of it is kept."""


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """The options of `inspect`."""
    parser.description = _INSPECT
    parser.set_defaults(command=_inspect)
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="the folder: DATA/CLASS/* or DATA/{train,val,test}/CLASS/*"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="what was found goes there")
    add_patients(parser)
    add_lock(parser)
    add_cache(parser)
    add_progress_file(parser)


def _inspect(options: argparse.Namespace) -> int:
    from training.data.failed_films import read_film
    from training.plots.judged_plots import contact_sheet

    console = watched_console(options)
    manifest = read_films(options.data, options.patient_regex, options.patients, options.cache, console)
    report = _report(manifest, options, console)
    write_atomically(options.out / INSPECTION_FILE, json.dumps(report, indent=2) + "\n")
    with console.status("A sheet of films …"):
        chosen = [[e for e in manifest.entries if e.label == label][:_FILMS_PER_CLASS] for label in manifest.labels]
        rows = [[read_film(manifest.root / entry.path) for entry in entries] for entries in chosen]
        contact_sheet(rows, manifest.labels, options.out / SHEET_FILE)
    return 0


def _report(manifest: Manifest, options: argparse.Namespace, console: Console) -> dict[str, Any]:
    config = RunConfig(data=options.data, name="inspection", cache=options.cache, backbone=DEFAULT_BACKBONE)
    with console.status("Looking for leaks …"):
        engine = choose_engine(config, console)
        cache = EmbeddingCache.of(engine, options.cache)
        leaks = find_leaks(manifest, plain_embedder(manifest.root, engine, cache, console), seed=config.seed)
    locked = lock_patients(manifest, options.lock)
    return {
        "root": str(manifest.root),
        "classes": {label: _counts(manifest, locked, label) for label in manifest.labels},
        "patients": len({entry.patient for entry in manifest.entries}),
        "patient_source": manifest.patient_source,
        "own_test_split": bool(manifest.select("test")),
        "lock": options.lock,
        "leaks": {**leaks.as_json(), "sentence": describe(leaks)},
        "set_aside": [{"file": str(one.path), "code": one.code} for one in manifest.set_aside],
        "left_out": [{"path": str(one.path), "reason": one.reason} for one in manifest.left_out],
    }


def _counts(manifest: Manifest, locked: Manifest, label: str) -> dict[str, int]:
    films = [entry for entry in manifest.entries if entry.label == label]
    tested = [entry for entry in locked.select("test") if entry.label == label]
    return {
        "images": len(films),
        "patients": len({entry.patient for entry in films}),
        "locked_images": len(tested),
        "locked_patients": len({entry.patient for entry in tested}),
    }
