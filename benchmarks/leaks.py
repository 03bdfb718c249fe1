"""Does the leak gate find planted copies, and does it leave different patients alone?

    python -m benchmarks.leaks chest_xray/train --json leaks.json

Films of a folder are linked into a temporary copy, and 50 exact and 50 re-encoded or resized copies are planted there under
patients of their own. About 2 minutes on two cores for 5,216 films. False alarms are the films in pairs that were not
planted; `--sheet FILE` draws them, for a person to judge: some may be true.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from models.backbones.table import get_backbone
from models.backbones.weights import find_weights
from models.engines.load import load_engine
from models.films.radiograph import read_radiograph
from models.system.files import cache_folder, write_atomically
from models.system.progress import progress_bar
from models.system.quiet import import_keras_quietly
from training.data.manifest import Entry, Manifest, read_manifest
from training.data.perceptual_hash import perceptual_hash, pixels_sha256
from training.embedding.cache import EmbeddingCache
from training.leaks.find import LeakPair, Leaks, find_leaks
from training.reports.leak_report import draw_pairs

SEED: Final = 2015
PLANTED: Final = 50  # of each kind
ENCODINGS: Final = ((60, 1.0), (90, 0.7), (60, 0.7), (75, 1.5), (85, 0.85))  # JPEG quality, scale of the sides


class Plant(NamedTuple):
    """A planted copy and the film that it was made of, relative to the folder."""

    copy: Path
    film: Path
    kind: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant, search, print the table."""
    options = build_parser().parse_args(arguments)
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        root, plants = plant(options.data, Path(folder))
        started = time.perf_counter()
        with progress_bar(console, "Reading images") as advance:
            manifest = read_manifest(root, progress=advance)
        reading = time.perf_counter() - started
        leaks, searching = search(manifest, options.cache)
        result = judge(manifest, leaks, plants) | {
            "seconds_reading": round(reading, 1),
            "seconds_hashing_one_core": round(seconds_of_hashing(manifest), 1),
            "seconds_searching": round(searching, 1),
        }
        if options.sheet and (false := unplanted(leaks, plants)):
            draw_pairs(false, root, options.sheet)
    show(console, result)
    if options.json:
        write_atomically(options.json, json.dumps(result, indent=2) + "\n")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.leaks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder per class, without splits")
    parser.add_argument("--cache", type=Path, default=cache_folder(), metavar="DIR", help="embeddings (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="draw the pairs that were not planted (patients!)")
    return parser


def plant(data: Path, root: Path) -> tuple[Path, list[Plant]]:
    """Link every film below `root`, and write the copies under names that no patient has."""
    films = [path.relative_to(data) for path in sorted(data.rglob("*")) if path.is_file()]
    films = [film for film in films if len(film.parts) > 1]
    for film in films:
        (root / film).parent.mkdir(parents=True, exist_ok=True)
        (root / film).symlink_to((data / film).resolve())
    chosen = np.random.default_rng(SEED).choice(len(films), 2 * PLANTED, replace=False)
    plants = []
    for number, place in enumerate(chosen.tolist()):
        film, exact = films[place], number < PLANTED
        image = Image.fromarray(read_radiograph(data / film).pixels)
        name = f"planted{number:03}" + (".png" if exact else ".jpg")
        copy = film.parent / name
        if exact:
            image.save(root / copy)
        else:
            quality, scale = ENCODINGS[number % len(ENCODINGS)]
            size = (round(scale * image.width), round(scale * image.height))
            image.resize(size, Image.Resampling.BICUBIC).save(root / copy, quality=quality)
        plants.append(Plant(copy, film, "exact" if exact else "near"))
    return root, plants


def search(manifest: Manifest, cache: Path) -> tuple[Leaks, float]:
    """What is found, and in how many seconds once the backbone is there."""
    import_keras_quietly()
    from training.embedding.embed_folder import plain_embedder

    backbone = get_backbone("efficientnet_lite0")
    engine = load_engine(backbone, find_weights(backbone))
    store = EmbeddingCache.of(engine, cache)
    started = time.perf_counter()
    leaks = find_leaks(manifest, plain_embedder(manifest.root, engine, store, Console()), seed=SEED)
    return leaks, time.perf_counter() - started


def judge(manifest: Manifest, leaks: Leaks, plants: Sequence[Plant]) -> dict[str, Any]:
    """How many copies were found, by kind, and how many films are in pairs that were not planted."""
    together = [{pair.first.path, pair.second.path} for pair in leaks.pairs]
    found = {
        kind: sum({one.copy, one.film} in together for one in plants if one.kind == kind) for kind in ("exact", "near")
    }
    false = unplanted(leaks, plants)
    images = {film.path for pair in false for film in (pair.first, pair.second)}
    return {
        "images": len(manifest.entries),
        "planted": PLANTED,
        "exact_found": found["exact"],
        "near_found": found["near"],
        "unplanted_pairs": len(false),
        "unplanted_images": len(images),
        "unplanted_share": len(images) / (len(manifest.entries) - len(plants)),
        "cosine_threshold": leaks.cosine_threshold,
        "furthest_copy_bits": max((pair.bits or 0 for pair in leaks.pairs if pair not in false), default=None),
    }


def unplanted(leaks: Leaks, plants: Sequence[Plant]) -> list[LeakPair]:
    """Pairs of two films that were there before. A copy of a film that has twins is rightly paired with those too."""
    copies = {one.copy for one in plants}
    return [pair for pair in leaks.pairs if pair.first.path not in copies and pair.second.path not in copies]


def seconds_of_hashing(manifest: Manifest, films: int = 300) -> float:
    """Processor seconds that the two digests of all films take on one core, from a sample."""
    sample: list[Entry] = list(manifest.entries[:: max(1, len(manifest.entries) // films)])
    pixels = [read_radiograph(manifest.root / entry.path).pixels for entry in sample]
    started = time.process_time()
    for one in pixels:
        pixels_sha256(one)
        perceptual_hash(one)
    return (time.process_time() - started) / len(sample) * len(manifest.entries)


def show(console: Console, result: dict[str, Any]) -> None:
    """Print the table with the bars."""
    table = Table("what", "found", "bar", title=f"Leak gate on {result['images']:,} images")
    table.add_row("planted exact copies", f"{result['exact_found']} of {PLANTED}", f"{PLANTED} of {PLANTED}")
    table.add_row("planted re-encoded or resized copies", f"{result['near_found']} of {PLANTED}", f"48 of {PLANTED}")
    alarms = f"{result['unplanted_images']:,} ({100 * result['unplanted_share']:.2f} %)"
    table.add_row("images in pairs that were not planted", alarms, "≤ 1 %")
    table.add_row("processor seconds for the digests", str(result["seconds_hashing_one_core"]), "≤ 20")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
