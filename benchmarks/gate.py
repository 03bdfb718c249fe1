"""What the gate refuses, withholds and lets through.

    python -m benchmarks.gate default chest_xray/train --json gate.json

About 2 minutes on two cores. Far images are made here or come with scikit-learn: crops of its two photographs, drawings, pages
of text, noise, and what pydicom's test files show: bones, slices, ultrasound. Films of the given folder are turned, inverted,
mirrored, cropped to a lung and blurred; how many of them pass as they are is in the bundle's card (out of fold), not here,
where the gate has seen them. One film of an adult comes from the package `pydicom-data`. Lateral films are not at hand. AUROC
is that of the distance, far images against the films of the folder; the nearest far image and the farthest film of new
patients (from the card's report) stand beside it.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from pydicom.data import get_testdata_file
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_sample_images
from sklearn.metrics import roc_auc_score

from models.bundle import load_bundle
from models.films.network_input import network_input
from models.films.radiograph import Radiograph, read_radiograph
from models.films.refusal import Refusal
from models.prediction import INDETERMINATE
from models.predictor import Predictor, load_gate
from models.system.files import write_atomically

FILMS: Final = 150
CROPS: Final = 100
OTHER_STUDIES: Final = (
    *("RG3_UNCR.dcm", "MR2_UNCR.dcm", "CT_small.dcm", "693_UNCR.dcm", "US1_UNCR.dcm", "JPEG2000.dcm", "MR_small.dcm"),
    *("examples_palette.dcm", "examples_overlay.dcm", "J2K_pixelrep_mismatch.dcm", "OBXXXX1A_rle.dcm"),
)
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
    predictor = Predictor(bundle)
    random = np.random.default_rng(2015)
    far = far_images(random)
    films = chosen_films(options.data, random)
    changed = {name: [change(film) for film in films] for name, change in CHANGES.items()}
    groups = {**far, **changed, "an adult, another hospital": adult()}
    rows = {
        name: measure(predictor.predict([_radiograph(image) for image in images])) for name, images in groups.items()
    }
    summary = separation(predictor, [image for images in far.values() for image in images], films)
    summary["farthest_new_patient"] = json.loads((bundle.folder / "report.json").read_text())["gate"][
        "largest_distance"
    ]
    _show(rows, summary)
    if options.json:
        write_atomically(options.json, json.dumps({"groups": rows, "far": summary}, indent=2) + "\n")
    return 0


def separation(
    predictor: Predictor, far: Sequence[Image.Image], films: Sequence[Image.Image]
) -> dict[str, float | int | None]:
    """How well the distance tells far images from films."""
    gate = load_gate(predictor.bundle)
    if gate is None:
        raise ValueError(f"The bundle must have a gate. Received: {predictor.bundle.spec.name}")
    distances = []
    for image in (*far, *films):
        pixels = network_input(np.array(image.convert("L")), predictor.engine.backbone.input_size)
        distances.append(float(gate.distances(predictor.engine.run(pixels[None]).pooled[:, 0])[0]))
    outside = np.arange(len(distances)) < len(far)
    return {"n": len(far), "auroc": float(roc_auc_score(outside, distances)), "nearest": min(distances[: len(far)])}


def _show(rows: Mapping[str, Mapping[str, Any]], summary: Mapping[str, Any]) -> None:
    columns = ("refused", "withheld", "indeterminate", "judged")
    table = Table("images", "n", "refused", "withheld", "indeterminate", "label given")
    for name, row in rows.items():
        table.add_row(name, str(row["n"]), *(f"{row[key]:.0%}" for key in columns))
    Console().print(table)
    Console().print(
        f"Far images: n {summary['n']}, AUROC of the distance {summary['auroc']:.4f}; the nearest at "
        f"{summary['nearest']:.1f}, the farthest film of a new patient at {summary['farthest_new_patient']:.1f}."
    )


def far_images(random: np.random.Generator) -> Mapping[str, list[Image.Image]]:
    """Photographs, drawings, text and noise."""
    photographs = [Image.fromarray(array).convert("L") for array in load_sample_images().images]
    return {
        "photographs (crops)": [_crop(photographs[number % 2], random) for number in range(CROPS)],
        "drawings": [_drawing(random) for _ in range(50)],
        "pages of text": [_page(random, dark=number % 2 == 0) for number in range(50)],
        "noise": [_noise(random, grain=2 ** (number % 6)) for number in range(50)],
        "other body parts, slices, ultrasound": [Image.fromarray(pixels) for pixels in _other_studies()],
    }


def chosen_films(folder: Path, random: np.random.Generator) -> list[Image.Image]:
    """Some films of a folder, as they are."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpeg", ".jpg", ".png", ".dcm"))
    chosen = random.choice(len(paths), min(FILMS, len(paths)), replace=False)
    return [Image.fromarray(read_radiograph(paths[index]).pixels) for index in chosen]


def adult() -> list[Image.Image]:
    """The chest radiograph of `pydicom-data`; none where the package is not installed."""
    path = get_testdata_file("RG1_UNCR.dcm", download=False)
    return [Image.fromarray(read_radiograph(Path(path)).pixels)] if path else []


def measure(outcomes: Sequence[Any]) -> dict[str, Any]:
    """Shares of refusals, withheld and indeterminate verdicts, and labels given."""
    refused = sum(isinstance(outcome, Refusal) for outcome in outcomes)
    withheld = sum(not isinstance(outcome, Refusal) and outcome.finding is not None for outcome in outcomes)
    doubtful = sum(not isinstance(outcome, Refusal) and outcome.verdict == INDETERMINATE for outcome in outcomes)
    counts = {"refused": refused, "withheld": withheld, "indeterminate": doubtful}
    total = max(len(outcomes), 1)
    shares = {name: count / total for name, count in counts.items()}
    return {"n": len(outcomes), **shares, "judged": (len(outcomes) - sum(counts.values())) / total}


def _other_studies() -> list[NDArray[np.uint8]]:
    paths = [get_testdata_file(name, download=False) for name in OTHER_STUDIES]
    return [read_radiograph(Path(path)).pixels for path in paths if path]


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
