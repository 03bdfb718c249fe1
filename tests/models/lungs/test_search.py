"""Pictures in, lungs and findings out."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.backbones.weights import find_weights
from models.engines.batching import SharedEngine
from models.engines.engine import Engine, Features
from models.engines.load import load_engine
from models.films.radiograph import read_radiograph
from models.lungs.box import WHOLE, Box
from models.lungs.finder import LungFinder, finder_backbone
from models.lungs.search import FoundLungs, find_lungs

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared"
SAMPLES = [path for path in sorted((ROOT / "data_samples").iterdir()) if path.suffix in (".jpeg", ".png", ".dcm")]

Find = Callable[[Sequence[NDArray[np.uint8]]], list[FoundLungs]]


class Counted:
    """An engine that counts the films it was shown."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.backbone, self.weights = engine.backbone, engine.weights
        self.name, self.precision, self.films_at_once = engine.name, engine.precision, engine.films_at_once
        self.films = 0

    def run(self, pixels: NDArray[np.float32]) -> Features:
        self.films += len(pixels)
        return self._engine.run(pixels)

    def release(self) -> None:
        self._engine.release()


@pytest.fixture(scope="module")
def engine() -> Counted:
    backbone = finder_backbone()
    return Counted(load_engine(backbone, find_weights(backbone), engine="openvino"))


@pytest.fixture(scope="module")
def find(engine: Counted) -> Find:
    shared, finder = SharedEngine(engine), LungFinder.load()
    return lambda pictures: find_lungs(shared, finder, pictures)


def pixels_of(path: Path) -> NDArray[np.uint8]:
    return read_radiograph(path).pixels


def test_every_sample_has_lungs_and_costs_one_pass(find: Find, engine: Counted) -> None:
    before = engine.films
    found = find([pixels_of(path) for path in SAMPLES])
    assert engine.films - before == len(SAMPLES)
    for each in found:
        assert each.finding is None
        assert each.note is None
        assert each.box is not None
        assert 0.3 < each.box.area < 0.85
        assert each.map.shape == (28, 28)
        assert each.embedding.shape == (1392,)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_film_is_named_and_mended(find: Find, degrees: int) -> None:
    film = pixels_of(SAMPLES[0])
    picture = np.rot90(film, -degrees // 90)
    (found,) = find([picture])
    assert found.finding is not None
    assert (found.finding.code, found.finding.turned) == ("turned", degrees)
    assert found.box is None
    assert find([found.finding.mended(picture)])[0].box == find([film])[0].box


def test_an_inverted_film_is_named_and_mended(find: Find) -> None:
    film = pixels_of(SAMPLES[0])
    (found,) = find([255 - film])
    assert found.finding is not None
    assert found.finding.code == "inverted"
    assert find([found.finding.mended(255 - film)])[0].finding is None


@pytest.mark.parametrize("quality", [None, 60])
def test_a_film_in_a_page_has_the_box_of_the_film(find: Find, quality: int | None) -> None:
    film = pixels_of(SAMPLES[0])
    height, width = film.shape
    page = np.pad(film, ((height, height // 2), (width // 2, width)), constant_values=255)
    if quality is not None:
        file = io.BytesIO()
        Image.fromarray(page).save(file, "JPEG", quality=quality)
        page = np.asarray(Image.open(file))
    alone, within = find([film, page])
    assert alone.box is not None
    assert within.box is not None
    place = Box(1 / 2.5, 0.5 / 2.5, 2 / 2.5, 1.5 / 2.5)
    assert within.box.overlap(alone.box.placed_in(place)) > 0.9


def strangers() -> dict[str, NDArray[np.uint8]]:
    """Pictures that are no films."""
    dice = np.random.default_rng(7)
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    board = ((np.indices((256, 256)) // 32).sum(axis=0) % 2 * 255).astype(np.uint8)
    return {
        "noise": dice.integers(0, 256, (240, 240), dtype=np.uint8),
        "ramp": np.tile(ramp, (300, 1)),
        "chessboard": board,
        "grey": np.full((100, 100), 128, np.uint8),
    }


@pytest.mark.parametrize("name", strangers())
def test_what_is_no_film_has_no_lungs(find: Find, name: str) -> None:
    (found,) = find([strangers()[name]])
    assert found.box is None
    assert found.finding is not None
    assert found.finding.code == "no_lungs"
    assert "Supply" in found.finding.sentence


def test_a_film_without_its_middle_has_no_lungs(find: Find) -> None:
    film = pixels_of(SAMPLES[0]).copy()
    Box(0.12, 0.12, 0.88, 0.88).cut(film)[:] = 0
    (found,) = find([film])
    assert found.finding is not None
    assert found.finding.code == "no_lungs"


def test_no_pictures_give_nothing(find: Find) -> None:
    assert find([]) == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the cases in ../shared, which are not shipped")
@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("film_on_white_page", Box(150 / 600, 280 / 800, 374 / 600, 504 / 800)),
        ("letterbox", Box(40 / 1080, 460 / 1920, 1040 / 1080, 1460 / 1920)),
    ],
)
def test_cases_with_something_round_the_film(find: Find, name: str, frame: Box) -> None:
    clean, case = find([pixels_of(SHARED / "cases" / f"{each}.png") for each in ("clean", name)])
    assert clean.box is not None
    assert clean.frame == WHOLE
    assert case.box is not None
    assert case.box.overlap(clean.box.placed_in(frame)) > 0.8


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the cases in ../shared, which are not shipped")
@pytest.mark.parametrize(("name", "code", "turned"), [("turned_90", "turned", 270), ("inverted", "inverted", 0)])
def test_cases_that_lie_or_are_inverted(find: Find, name: str, code: str, turned: int) -> None:
    (found,) = find([pixels_of(SHARED / "cases" / f"{name}.png")])
    assert found.finding is not None
    assert (found.finding.code, found.finding.turned) == (code, turned)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the films in ../shared, which are not shipped")
def test_a_film_has_the_same_box_in_all_its_forms(find: Find) -> None:
    native = sorted((SHARED / "chest_xray_native").rglob("*.jpeg"))[::9]
    overlaps = []
    for path in native:
        label, name = path.parent.name, path.name
        forms = [
            path,
            *(SHARED / f"{folder}/train" / label / name for folder in ("chest_xray", "chest_xray_originals")),
        ]
        found = find([pixels_of(form) for form in forms if form.is_file()])
        boxes = [each.box for each in found if each.box]
        assert len(boxes) == len(found)
        overlaps += [boxes[0].overlap(box) for box in boxes[1:]]
    assert np.quantile(overlaps, 0.1) > 0.9
