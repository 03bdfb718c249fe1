"""Make the sample radiographs, each the mean of a dozen films of different patients, or judge them.

    python data_samples/make_samples.py --data ../shared/chest_xray_originals/train     # about 6 minutes on 2 cores
    python data_samples/make_samples.py --expected                                      # expected.json, by the shipped bundle

The first command writes the pictures and `sources.json`, and ends with the table of similarities that README.md quotes. It
fails where a sample is too similar to any one film.
"""

import argparse
import hashlib
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from choosing import Chooser, Group, patient_of, read_films
from full_size import enlarged, part_means, read_film, sample_of, usual_shape
from similarity import LEAD_LIMIT, LIMIT, best_and_lead, fingerprint, same_patient
from writing import compress, write_sample

HERE = Path(__file__).resolve().parent
BUNDLE = "default"
LONGER = 1760  # pixels of the longer side of single films that are compared like samples

# Left in the picture is the patient's right.
GROUPS = (
    Group("normal_1.jpeg", "NORMAL", 1920, shape=4),
    Group("normal_2.jpeg", "NORMAL", 1760, shape=0),
    Group("normal_3.jpeg", "NORMAL", 1680, shape=2),
    Group("normal_4.png", "NORMAL", 1500, shape=3),
    Group("pneumonia_1.jpeg", "PNEUMONIA", 1920, shape=0, bright=((0.62, 0.28),), dark=((0.33, 0.66),)),
    Group("pneumonia_2.jpeg", "PNEUMONIA", 1760, shape=7, bright=((0.33, 0.34),), dark=((0.33, 0.66),)),
    Group("pneumonia_3.jpeg", "PNEUMONIA", 1680, shape=4, bright=((0.62, 0.74),), dark=((0.33, 0.34),)),
    Group("pneumonia_4.dcm", "PNEUMONIA", 1500, shape=0, bright=((0.62, 0.3), (0.62, 0.74)), dark=((0.3, 0.34),)),
)


def main() -> int:
    """Make or judge the samples; the exit status is 1 where a sample is too similar to a film."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="the folder with NORMAL and PNEUMONIA: make the pictures")
    what.add_argument("--expected", action="store_true", help="write what the shipped bundle says of each sample")
    arguments = parser.parse_args()
    if arguments.expected:
        write_json("expected.json", expected_results())
        return 0
    return make(arguments.data)


def make(data: Path) -> int:
    """Write all samples and their sources, then compare each with all films."""
    say("reading the films")
    classes = {label: read_films(data / label) for label in ("NORMAL", "PNEUMONIA")}
    choosers = {label: Chooser(label, *films) for label, films in classes.items()}
    sources, tasks = {}, []
    with ProcessPoolExecutor(2) as pool:
        for group in GROUPS:
            chosen, (files, films) = choosers[group.label].candidates(group), classes[group.label]
            candidates = [files[i] for i in chosen]
            tasks.append((group, candidates, pool.submit(sample_of, candidates, films[chosen], group.longer)))
        for number, (group, candidates, task) in enumerate(tasks, 1):
            picture, dozen = task.result()
            sources[group.file] = write(group, picture, [candidates[i].name for i in dozen])
            say(f"{group.file} written, {number} of {len(tasks)}")
    write_json("sources.json", sources)
    return compare(sources, classes)


def write(group: Group, picture: np.ndarray, films: list[str]) -> dict[str, object]:
    """Write a sample in its format; returns what `sources.json` says of it."""
    path = HERE / group.file
    if path.suffix == ".dcm":  # detectors and viewers use the full range
        picture = (picture - picture.min()) / np.ptp(picture)
    elif path.suffix == ".png":  # whole multiples of 64: the upper 10 of 16 bits, which keeps it small
        picture = np.rint(picture * 1023) * 64 / 65535
    write_sample(path, picture)
    if path.suffix == ".dcm":
        compress(path)
    means = np.rint(part_means(picture * 255)).astype(int).tolist()
    return {"label": group.label, "size": picture.shape[::-1], "films": sorted(films), "part_means": means}


def compare(sources: dict[str, dict[str, object]], classes: dict[str, tuple[list[Path], np.ndarray]]) -> int:
    """Print how similar to single films the samples are, and what is usual; 1 where a sample is at a limit."""
    say("comparing with all films")
    paths = [file for files, _ in classes.values() for file in files]
    prints = [fingerprint(film) for _, films in classes.values() for film in films]
    write_line("| picture | most similar film | lead over the twelfth |\n|---|---|---|")
    too_similar = False
    for file in sources:
        best, lead = best_and_lead(fingerprint(decoded(HERE / file)), prints)
        write_line(f"| `{file}` | {best:.2f} | {lead:.2f} |")
        too_similar |= best >= LIMIT or lead >= LEAD_LIMIT
    some = [int(index) for index in np.linspace(0, len(paths) - 1, 16)]
    single = [np.rint(enlarged(read_film(paths[i], usual_shape([paths[i]])), LONGER) * 255) for i in some]
    row(
        "16 single films, finished like a sample",
        [best_and_lead(fingerprint(film.astype(np.uint8)), prints) for film in single],
    )
    rest = [[other for j, other in enumerate(prints) if j != i] for i in some]
    row(
        "16 films, compared with all others",
        [best_and_lead(prints[i], others) for i, others in zip(some, rest, strict=True)],
    )
    pairs = np.percentile(same_patient(prints, [patient_of(path.name) for path in paths]), [5, 50, 95])
    write_line(f"| two films of one patient | {pairs[1]:.2f} ({pairs[0]:.2f} to {pairs[2]:.2f}) | |")
    return int(too_similar)


def row(what: str, values: list[tuple[float, float]]) -> None:
    """A row of the table: the medians, and the ranges in brackets."""
    cells = [f"{np.median(part):.2f} ({min(part):.2f} to {max(part):.2f})" for part in zip(*values, strict=True)]
    write_line(f"| {what} | {' | '.join(cells)} |")


def decoded(path: Path) -> np.ndarray:
    """A sample's pixels, as the product sees them."""
    sys.path.insert(0, str(HERE.parent))
    from models.films.radiograph import read_radiograph

    return read_radiograph(path).pixels


def expected_results() -> dict[str, object]:
    """What the shipped bundle says of each sample."""
    sys.path.insert(0, str(HERE.parent))
    from models.films.radiograph import read_radiograph
    from models.predictor import Predictor

    predictions = Predictor.load(BUNDLE).predict([read_radiograph(HERE / group.file) for group in GROUPS])
    return {
        "bundle": BUNDLE,
        "bundle_json_sha256": hashlib.sha256(
            (HERE.parent / "models" / "bundles" / BUNDLE / "bundle.json").read_bytes()
        ).hexdigest(),
        "samples": {
            group.file: {
                "verdict": prediction.verdict,
                "probabilities": {
                    label: round(value, 4)
                    for label, value in zip(prediction.labels, prediction.probabilities, strict=True)
                },
            }
            for group, prediction in zip(GROUPS, predictions, strict=True)
        },
    }


def write_json(name: str, content: dict[str, object]) -> None:
    """Write a JSON file beside this script."""
    (HERE / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    say(f"{name} written")


def say(what: str) -> None:
    """A line of progress."""
    sys.stderr.write(f"{what}\n")


def write_line(what: str) -> None:
    """A line of the result."""
    sys.stdout.write(f"{what}\n")


if __name__ == "__main__":
    sys.exit(main())
