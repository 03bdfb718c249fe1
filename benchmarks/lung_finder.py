"""How well lungs are found, on films of patients that the finder was not fitted on.

    python -m benchmarks.lung_finder ../shared --json benchmarks/results/lung_finder.json
    python -m benchmarks.lung_finder ../shared --unet --json FILE        with a small U-Net of our own beside it

About ten minutes on two cores, and as much again for the U-Net. The folder must hold chest_xray, chest_xray_originals,
chest_xray_native, lung_masks and other_hospital, as its README says. Each kind of film is shown in its forms: as a squeezed
copy, as an original, as published. What is no film is made by `benchmarks.gate`, by other code than what the finder was fitted
on, although noise is noise.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.gate import far_images
from models.backbones.weights import find_weights
from models.engines.batching import SharedEngine
from models.engines.load import load_engine
from models.films.radiograph import read_radiograph
from models.lungs.box import WHOLE, Box
from models.lungs.finder import LungFinder, finder_backbone
from models.lungs.frame import film_frame
from models.lungs.search import FoundLungs, find_lungs
from models.system.files import write_atomically
from training.data.listing import is_image_name
from training.lungs.forms import without_centre, without_lungs
from training.lungs.masked_films import MaskedFilm, divide, list_masked_films
from training.lungs.score import drawn_box, score_films

FORMS: Final = {"copies": "chest_xray/train", "originals": "chest_xray_originals/train", "native": "chest_xray_native"}
MASKS: Final = "lung_masks"
SAMPLE: Final = 120
"""Films of each form that are shown in other ways; of those as they are, at most `UPRIGHT` are."""

UPRIGHT: Final = 1000

Picture = NDArray[np.uint8]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lung_finder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("shared", type=Path, metavar="DIR", help="the folder with films and masks")
    parser.add_argument("--unet", action="store_true", help="train a small U-Net on the same films and compare")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    backbone = finder_backbone()
    engine, finder = SharedEngine(load_engine(backbone, find_weights(backbone))), LungFinder.load()
    result: dict[str, Any] = {"command": "python -m benchmarks.lung_finder ../shared" + " --unet" * options.unet}
    result["forms"] = {form: of_form(engine, finder, options.shared, form) for form in FORMS}
    result["adults"] = findings(_found(engine, finder, adults(options.shared)))
    strangers = far_images(np.random.default_rng(2015))
    result["no_film"] = {
        name: findings(_found(engine, finder, [np.array(image.convert("L")) for image in images]))
        for name, images in strangers.items()
    }
    if options.unet:
        from benchmarks.lung_unet import compare

        films = list_masked_films(
            [options.shared / FORMS[form] for form in ("originals", "copies")], options.shared / MASKS
        )
        fitted, _ = divide(films, left_out=[options.shared / FORMS["native"]])
        result["unet"] = compare(fitted, shown(judging_films(options.shared, "originals")))
    show(result, Console())
    if options.json:
        write_atomically(options.json, json.dumps(result, indent=2) + "\n")
    return 0


def of_form(engine: SharedEngine, finder: LungFinder, shared: Path, form: str) -> dict[str, Any]:
    """All numbers for one form of the films of patients not fitted on."""
    films = shown(judging_films(shared, form))
    scores = score_films(engine.engine, finder, films, progress=lambda done, total: None)
    sample = films[:SAMPLE]
    pictures = [film.pixels() for film in sample]
    ways = {name: [change(film) for film in sample] for name, change in CHANGES.items()}
    changed = {name: findings(_found(engine, finder, shown)) for name, shown in ways.items()}
    upright = _found(engine, finder, [film.pixels() for film in films])
    return {
        "n": len(films),
        "dice": quantiles(scores.dice),
        "box": quantiles(scores.box),
        "upright": findings(upright),
        "cut_off_as_drawn": sum(
            _drawn_at_edge(film) for film, each in zip(films, upright, strict=True) if each.finding
        ),
        "changed": changed,
        "framed": {name: framed(engine, finder, pictures, place) for name, place in FRAMES.items()},
        "frame_of_plain": quantiles(np.array([film_frame(picture).overlap(WHOLE) for picture in pictures])),
        "milliseconds_beside_the_pass": milliseconds(engine, finder, pictures[0]),
    }


def judging_films(shared: Path, form: str) -> list[MaskedFilm]:
    """The films of a form whose patients the shipped finder was not fitted on."""
    folders = [shared / FORMS[each] for each in ("copies", "originals")]
    _, judging = divide(list_masked_films([*folders, shared / FORMS["native"]], shared / MASKS),
                        left_out=[shared / FORMS["native"]])  # fmt: skip
    return [film for film in judging if (shared / FORMS[form]) in film.path.parents]


def shown(films: Sequence[MaskedFilm]) -> list[MaskedFilm]:
    """Some of the films, the same ones each time."""
    return [films[index] for index in np.random.default_rng(0).permutation(len(films))[:UPRIGHT]]


def adults(shared: Path) -> list[Picture]:
    """Films of adults of another hospital."""
    paths = sorted(path for path in (shared / "other_hospital" / "hannover").glob("*") if is_image_name(path))
    return [read_radiograph(path).pixels for path in paths]


def findings(found: Sequence[FoundLungs]) -> dict[str, Any]:
    """How many pictures have which finding or note, and how many have none."""
    codes = Counter(each.finding.code if each.finding else "none" for each in found)
    turns = Counter(f"turned_{each.finding.turned}" for each in found if each.finding and each.finding.turned)
    notes = Counter(each.note.code for each in found if each.note)
    return {"n": len(found), **codes, **turns, **notes}


def quantiles(values: NDArray[np.float64]) -> dict[str, float]:
    """Median, 5th percentile and least."""
    return {
        "n": len(values),
        "median": float(np.median(values)),
        "low": float(np.quantile(values, 0.05)),
        "least": float(values.min()),
    }


def milliseconds(engine: SharedEngine, finder: LungFinder, picture: Picture) -> float:
    """What finding takes a film beside its pass, in the median of some."""
    from models.films.network_input import network_input
    from models.lungs.box import lung_box

    (features,) = engine.run([network_input(picture, engine.engine.backbone.input_size)])
    spent = []
    for _ in range(20):
        start = time.perf_counter()
        film_frame(picture)
        lung_box(finder.maps(features.feature_map[None])[0])
        finder.uprightness(features.pooled[:1])
        finder.sidedness(features.feature_map[None])
        spent.append(time.perf_counter() - start)
    return float(np.median(spent)) * 1000


def framed(
    engine: SharedEngine,
    finder: LungFinder,
    pictures: Sequence[Picture],
    place: Callable[[Picture], tuple[Picture, Box]],
) -> dict[str, Any]:
    """Overlap of the lungs' box of a film alone with that of the film within a page or screen."""
    alone = _found(engine, finder, pictures)
    placed = [place(picture) for picture in pictures]
    within = _found(engine, finder, [picture for picture, _ in placed])
    overlaps = [
        other.box.overlap(one.box.placed_in(frame)) if other.box and one.box else float(other.box is one.box)
        for one, other, (_, frame) in zip(alone, within, placed, strict=True)
    ]
    return quantiles(np.array(overlaps))


def _placed(picture: Picture, *, wide: float, high: float, shade: int) -> tuple[Picture, Box]:
    """A picture in the middle of one of a single shade, `wide` and `high` times its size."""
    height, width = picture.shape
    page = np.full((round(height * high), round(width * wide)), shade, np.uint8)
    top, left = (page.shape[0] - height) // 2, (page.shape[1] - width) // 2
    page[top : top + height, left : left + width] = picture
    sides = top / page.shape[0], left / page.shape[1], (top + height) / page.shape[0], (left + width) / page.shape[1]
    return page, Box(*sides)


FRAMES: Final[Mapping[str, Callable[[Picture], tuple[Picture, Box]]]] = {
    "black bars": lambda picture: _placed(picture, wide=1.8, high=1.0, shade=0),
    "white page": lambda picture: _placed(picture, wide=2.5, high=2.2, shade=255),
    "grey screen": lambda picture: _placed(picture, wide=1.4, high=1.2, shade=90),
}

CHANGES: Final[Mapping[str, Callable[[MaskedFilm], Picture]]] = {
    "turned_90": lambda film: np.rot90(film.pixels(), -1),
    "turned_180": lambda film: np.rot90(film.pixels(), 2),
    "turned_270": lambda film: np.rot90(film.pixels(), 1),
    "inverted": lambda film: 255 - film.pixels(),
    "mirrored": lambda film: film.pixels()[:, ::-1],
    "left quarter cut off": lambda film: _cut(film, 0.25),
    "border only": lambda film: without_centre(film.pixels(), film.random()),
    "lungs blanked": lambda film: without_lungs(film.pixels(), film.lungs(), film.random()),
    "lungs' box black": lambda film: _box_filled(film, lambda box: np.zeros_like(box)),
    "lungs' box in the film's mean": lambda film: _box_filled(
        film, lambda box: np.full_like(box, film.pixels().mean())
    ),
    "lungs' box shuffled": lambda film: _box_filled(film, lambda box: np.random.default_rng(0).permuted(box)),
}
"""The last three hide the lungs in ways of their own; the last one the finder was never shown."""


def _drawn_at_edge(film: MaskedFilm) -> bool:
    """Whether the drawn lungs touch an edge of the film, of which a finding on an upright film would be right."""
    lungs = film_frame(film.pixels()).cut(film.lungs())
    return any((edge > 0).mean() > 0.02 for edge in (lungs[0], lungs[-1], lungs[:, 0], lungs[:, -1]))


def _cut(film: MaskedFilm, share: float) -> Picture:
    """A film without everything left of the lungs, and without a share of their width."""
    picture, box = film.pixels(), drawn_box(film.lungs()) or WHOLE
    return picture[:, round((box.left + share * (box.right - box.left)) * picture.shape[1]) :]


def _box_filled(film: MaskedFilm, fill: Callable[[Picture], Picture]) -> Picture:
    picture, box = film.pixels().copy(), drawn_box(film.lungs())
    if box:
        box.cut(picture)[:] = fill(box.cut(picture))
    return picture


def _found(engine: SharedEngine, finder: LungFinder, pictures: Sequence[Picture]) -> list[FoundLungs]:
    return find_lungs(engine, finder, [np.ascontiguousarray(picture) for picture in pictures])


def show(result: Mapping[str, Any], console: Console) -> None:
    """The numbers as a table."""
    table = Table("patients not fitted on", *FORMS)
    forms = [result["forms"][form] for form in FORMS]
    for name in ("dice", "box"):
        table.add_row(
            f"{name}: median, 5 %, n", *(f"{f[name]['median']:.3f}, {f[name]['low']:.3f}, {f['n']}" for f in forms)
        )
    table.add_row("upright", *(str(f["upright"]) for f in forms))
    table.add_row("of its findings, lungs drawn to the edge", *(str(f["cut_off_as_drawn"]) for f in forms))
    for name in CHANGES:
        table.add_row(name, *(str(f["changed"][name]) for f in forms))
    for name in FRAMES:
        table.add_row(name, *(f"{f['framed'][name]['median']:.3f}, {f['framed'][name]['low']:.3f}" for f in forms))
    table.add_row("ms beside the pass", *(f"{f['milliseconds_beside_the_pass']:.1f}" for f in forms))
    console.print(table)
    console.print({name: result[name] for name in ("adults", "no_film", "unet") if name in result})


if __name__ == "__main__":
    sys.exit(main())
