"""The gate: two levels, part of every prediction."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models.bundle import BUNDLES_VARIABLE, HEAD_FILE, BundleError, BundleSpec, load_bundle, save_bundle
from models.command_line.csv_table import csv_row
from models.films.radiograph import Radiograph, read_radiograph
from models.films.refusal import Refusal
from models.gate import GATE_FILE, Gate, GateThresholds, pixel_finding
from models.prediction import Prediction
from models.predictor import Predictor
from tests.models.conftest import Bundles

SAMPLES = Path(__file__).parents[2] / "data_samples"
THRESHOLDS = GateThresholds(2.0, 8.0, (0.01, 0.0, 0.02))


def plane(size: int = 5, thresholds: GateThresholds = THRESHOLDS) -> Gate:
    """Everything along the first axis is on the plane."""
    zeros, ones = np.zeros(size, np.float32), np.ones(size, np.float32)
    return Gate(zeros, ones, np.eye(1, size, dtype=np.float32), 1.0, thresholds)


def test_what_lies_on_the_plane_has_no_distance() -> None:
    points = np.array([[7, 0, 0, 0, 0], [0, 0, 2, 0, 0], [-3, 0, 0, 1, 1]], dtype=np.float32)
    assert plane().distances(points) == pytest.approx([0, 4, 2])


@pytest.mark.parametrize(
    ("distance", "code"), [(0.0, None), (2.0, None), (2.01, "unlike_training_data"), (8.0, "unlike_training_data")]
)
def test_the_first_level_withholds(distance: float, code: str | None) -> None:
    finding = plane().finding(distance)
    assert (finding.code if finding else None) == code


def test_the_second_level_refuses() -> None:
    finding = plane().finding(8.01)
    assert finding is not None
    assert finding.code == "not_a_radiograph"


@pytest.mark.parametrize("levels", [(0.0, 1.0), (2.0, 2.0), (3.0, 1.0), (float("nan"), 1.0)])
def test_levels_out_of_order_are_an_error(levels: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="unlike"):
        GateThresholds(*levels, (0.0, 0.0, 0.0))


def test_a_saved_gate_measures_the_same(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    components = np.linalg.qr(random.normal(size=(40, 6)))[0].T.astype(np.float32)
    gate = Gate(random.normal(size=40).astype(np.float32), np.ones(40, np.float32), components, 30.0, THRESHOLDS)
    gate.save(tmp_path)
    points = random.normal(size=(20, 40)).astype(np.float32)
    assert Gate.load(tmp_path / GATE_FILE, THRESHOLDS).distances(points) == pytest.approx(
        gate.distances(points), rel=2e-3
    )


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_a_damaged_gate_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / GATE_FILE).write_bytes(content)
    with pytest.raises(ValueError, match="gate"):
        Gate.load(tmp_path / GATE_FILE, THRESHOLDS)


@pytest.mark.parametrize(("levels", "refused"), [(1, True), (2, True), (31, True), (32, False), (256, False)])
def test_a_picture_of_few_grey_levels_is_no_film(levels: int, refused: bool) -> None:
    pixels = np.resize(np.linspace(0, 255, levels).astype(np.uint8), (64, 64))
    finding = pixel_finding(pixels)
    assert (finding is not None) == refused
    if finding:
        assert finding.code == "not_a_radiograph"
        assert f"{levels} grey levels" in finding.sentence


def test_a_blank_picture_is_refused_by_every_bundle(predictor: Predictor, films: list[Radiograph]) -> None:
    blank = replace(films[0], pixels=np.full((200, 200), 255, dtype=np.uint8))
    first, refused = predictor.predict([films[0], blank])
    assert isinstance(first, Prediction)
    assert isinstance(refused, Refusal)
    assert refused.code == "not_a_radiograph"


def gated(spec: BundleSpec, bundles: Bundles, gate: Gate, root: Path, monkeypatch: pytest.MonkeyPatch) -> BundleSpec:
    """Save the bundle of two classes anew, with a gate."""
    monkeypatch.setenv(BUNDLES_VARIABLE, str(root))

    def write(folder: Path) -> None:
        bundles.heads["two"].save_weights(str(folder / HEAD_FILE))
        gate.save(folder)

    named = replace(spec, name="gated", gate=gate.thresholds)
    save_bundle(named, write)
    return named


def test_a_withheld_verdict_keeps_its_probabilities(
    spec: BundleSpec,
    bundles: Bundles,
    predictor: Predictor,
    films: list[Radiograph],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = plane(2304, GateThresholds(1e-3, 1e6, (0.0, 0.0, 0.0)))
    gated(spec, bundles, gate, tmp_path, monkeypatch)
    outcomes = Predictor.load("gated").predict(films, heatmaps=True)
    for outcome, free in zip(outcomes, predictor.predict(films), strict=True):
        assert isinstance(outcome, Prediction)
        assert isinstance(free, Prediction)
        assert outcome.verdict is None
        assert outcome.probabilities == pytest.approx(free.probabilities, abs=1e-5)
        assert outcome.heatmap is not None
        row = csv_row("film.png", outcome, spec.labels, "gated")
        assert row[1:3] == ["", "unlike_training_data"]
        assert float(row[3]) + float(row[4]) == pytest.approx(1, abs=1e-5)


def test_what_is_no_radiograph_is_refused_and_has_no_probabilities(
    spec: BundleSpec,
    bundles: Bundles,
    films: list[Radiograph],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gated(spec, bundles, plane(2304, GateThresholds(1e-6, 1e-5, (0.0, 0.0, 0.0))), tmp_path, monkeypatch)
    outcomes = Predictor.load("gated").predict(films)
    assert [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)] == ["not_a_radiograph"] * len(films)
    assert csv_row("cat.png", outcomes[0], spec.labels, "gated")[1:] == ["", "not_a_radiograph", "", "", "gated"]


def test_a_gate_of_another_size_is_refused(
    spec: BundleSpec, bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated(spec, bundles, plane(10), tmp_path, monkeypatch)
    with pytest.raises(BundleError, match="2304"):
        Predictor.load("gated")


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    """The shipped bundle, whatever the machine's settings."""
    return Predictor(load_bundle("default"))


def page() -> Image.Image:
    image = Image.new("L", (400, 500), 255)
    pen = ImageDraw.Draw(image)
    for line in range(20):
        pen.text((10, 10 + 24 * line), "research and education only, never a diagnosis", fill=0)
    return image


def drawing() -> Image.Image:
    image = Image.new("L", (300, 300), 40)
    pen = ImageDraw.Draw(image)
    for number in range(6):
        pen.ellipse((20 * number, 30 * number, 120 + 25 * number, 90 + 20 * number), fill=50 + 30 * number)
    return image


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200)).astype(np.uint8))


@pytest.mark.parametrize("make", [page, drawing, noise])
def test_the_shipped_bundle_refuses_what_is_no_film(shipped: Predictor, make: Callable[[], Image.Image]) -> None:
    (outcome,) = shipped.predict([Radiograph(np.asarray(make()), "", "PNG", {})])
    assert isinstance(outcome, Refusal)
    assert outcome.code in ("not_a_radiograph", "no_lungs")


def test_the_shipped_bundle_names_a_film_that_is_upside_down(shipped: Predictor) -> None:
    film = read_radiograph(SAMPLES / "normal_1.jpeg")
    upright, turned = shipped.predict([film, replace(film, pixels=np.rot90(film.pixels, 2))])
    assert isinstance(upright, Prediction)
    assert upright.verdict == "NORMAL"
    assert isinstance(turned, Refusal)
    assert turned.code == "turned"


@pytest.mark.parametrize(
    "change", [lambda pixels: np.rot90(pixels), lambda pixels: np.rot90(pixels, 3), lambda pixels: 255 - pixels]
)
def test_the_shipped_bundle_gives_no_verdict_on_films_turned_or_inverted(
    shipped: Predictor, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    films = [
        read_radiograph(path) for path in sorted(SAMPLES.glob("*_?.*")) if path.suffix in (".jpeg", ".png", ".dcm")
    ]
    assert len(films) == 8
    outcomes = shipped.predict([replace(film, pixels=np.ascontiguousarray(change(film.pixels))) for film in films])
    assert all(isinstance(outcome, Refusal) or outcome.verdict is None for outcome in outcomes)
