"""What the gate refuses, withholds and lets through.

    python -m benchmarks.gate default chest_xray/train --json gate.json

About 2 minutes on two cores. Far images are made here or come with scikit-learn: crops of its two photographs, drawings, pages
of text, noise. Films of the given folder are turned, inverted, mirrored, cropped to a lung and blurred; how many of them pass
as they are is in the bundle's card (out of fold), not here, where the gate has seen them. One film of an adult comes from the
package `pydicom-data`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from pydicom.data import get_testdata_file
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_images

from models.bundle import load_bundle
from models.files import write_atomically
from models.quiet import import_keras_quietly
from models.radiograph import Radiograph, read_radiograph
from models.refusal import Refusal

FILMS: Final = 150
CROPS: Final = 100
CHANGES: Final[dict[str, Callable[[Image.Image], Image.Image]]] = {
    "turned by 90°": lambda film: film.rotate(90, expand=True),
    "upside down": lambda film: film.rotate(180),
    "inverted": ImageOps.invert,
    "mirrored": ImageOps.mirror,
    "cropped to a lung": lambda film: film.crop(
        tuple(int(share * side) for share, side in zip((0.1, 0.2, 0.5, 0.9), film.size * 2, strict=True))
    ),
    "blurred (4 pixels of 224)": lambda film: film.filter(ImageFilter.GaussianBlur(film.width / 56)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge every group and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", metavar="NAME", help="the bundle")
    parser.add_argument("data", type=Path, metavar="DATA", help="a folder of films")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    bundle = load_bundle(options.name)
    import_keras_quietly()
    from models.predictor import Predictor

    predictor = Predictor(bundle)
    random = np.random.default_rng(2015)
    groups = {**far_images(random), **changed_films(options.data, random), "an adult, another hospital": adult()}
    rows = {
        name: measure(predictor.predict([_radiograph(image) for image in images])) for name, images in groups.items()
    }
    table = Table("images", "n", "refused", "withheld", "verdict given")
    for name, row in rows.items():
        table.add_row(name, str(row["n"]), *(f"{row[key]:.0%}" for key in ("refused", "withheld", "judged")))
    Console().print(table)
    if options.json:
        write_atomically(options.json, json.dumps(rows, indent=2) + "\n")
    return 0


def far_images(random: np.random.Generator) -> Mapping[str, list[Image.Image]]:
    """Photographs, drawings, text and noise."""
    photographs = [Image.fromarray(array).convert("L") for array in load_sample_images().images]
    return {
        "photographs (crops)": [_crop(photographs[number % 2], random) for number in range(CROPS)],
        "drawings": [_drawing(random) for _ in range(50)],
        "pages of text": [_page(random, dark=number % 2 == 0) for number in range(50)],
        "noise": [_noise(random, grain=2 ** (number % 6)) for number in range(50)],
    }


def changed_films(folder: Path, random: np.random.Generator) -> Mapping[str, list[Image.Image]]:
    """Films of a folder, each kind of change on the same ones."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpeg", ".jpg", ".png", ".dcm"))
    chosen = random.choice(len(paths), min(FILMS, len(paths)), replace=False)
    films = [Image.fromarray(read_radiograph(paths[index]).pixels) for index in chosen]
    return {name: [change(film) for film in films] for name, change in CHANGES.items()}


def adult() -> list[Image.Image]:
    """The chest radiograph of `pydicom-data`; none where the package is not installed."""
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    return [Image.fromarray(read_radiograph(Path(path)).pixels)] if path else []


def measure(outcomes: Sequence[Any]) -> dict[str, Any]:
    """Shares of refusals, withheld verdicts and verdicts."""
    refused = sum(isinstance(outcome, Refusal) for outcome in outcomes)
    withheld = sum(not isinstance(outcome, Refusal) and outcome.finding is not None for outcome in outcomes)
    total = max(len(outcomes), 1)
    judged = len(outcomes) - refused - withheld
    return {"n": len(outcomes), "refused": refused / total, "withheld": withheld / total, "judged": judged / total}


def _radiograph(image: Image.Image) -> Radiograph:
    return Radiograph(pixels=np.array(image.convert("L")), sha256="", format="PNG", facts={})


def _crop(image: Image.Image, random: np.random.Generator) -> Image.Image:
    side = int(random.uniform(0.3, 1) * min(image.size))
    left, top = (int(random.integers(0, length - side + 1)) for length in image.size)
    return image.crop((left, top, left + side, top + side))


def _drawing(random: np.random.Generator) -> Image.Image:
    image = Image.new("L", (300, 300), int(random.integers(0, 256)))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        left, right, top, bottom = (int(value) for value in random.integers(0, 300, 4))
        box = (min(left, right), min(top, bottom), max(left, right) + 1, max(top, bottom) + 1)
        pen.ellipse(box, fill=int(random.integers(0, 256)))
    return image


def _page(random: np.random.Generator, *, dark: bool) -> Image.Image:
    paper, ink = (0, 255) if dark else (255, 0)
    image = Image.new("L", (400, 500), paper)
    pen = ImageDraw.Draw(image)
    for line in range(20):
        letters = "".join(chr(ord("a") + int(letter)) for letter in random.integers(0, 26, 50))
        pen.text((10, 10 + 24 * line), letters, fill=ink)
    return image


def _noise(random: np.random.Generator, *, grain: int) -> Image.Image:
    small = random.integers(0, 256, (256 // grain, 256 // grain)).astype(np.uint8)
    return Image.fromarray(small).resize((256, 256), Image.Resampling.BICUBIC)


if __name__ == "__main__":
    sys.exit(main())
