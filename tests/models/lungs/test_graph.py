"""The layers that find and cut the lung field do for each picture of a batch what the product does for one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

from models.backbones.feature_extractor import build_feature_extractor
from models.backbones.weights import find_weights
from models.films.network_input import network_input
from models.films.radiograph import Radiograph, read_radiograph
from models.lungs.box import FINE, WHOLE, Box, lung_box
from models.lungs.field import cut, field_box, lung_field, lung_weights, stretch_levels, stretched
from models.lungs.finder import CHANNELS, PLACES, LungFinder, finder_backbone
from models.lungs.frame import film_frame
from models.lungs.frame_graph import FilmFrame
from models.lungs.graph import FieldBox, FieldCut, FilmCut, LungMap, LungWeights, StretchedContrast, lung_field_of
from models.predictor import Predictor

SAMPLES = sorted(
    path for path in (Path(__file__).parents[3] / "data_samples").iterdir() if path.suffix in {".jpeg", ".png", ".dcm"}
)
SIZE = 128


def _edges(box: Box) -> list[float]:
    return [box.top, box.left, box.bottom, box.right]


def _one(pixels: np.ndarray) -> np.ndarray:
    return pixels[None, :, :, None]


def _noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width), dtype=np.uint8)


def _surrounded(film: np.ndarray, *borders: tuple[int, int, int, int, int]) -> np.ndarray:
    """A film with borders round it, the innermost first: above, below, left, right and the grey level."""
    for above, below, left, right, level in borders:
        film = np.pad(film, ((above, below), (left, right)), constant_values=level)
    return film


PICTURES = {
    "nothing round it": _noise(300, 200),
    "a letterbox": _surrounded(_noise(300, 200), (40, 30, 0, 0, 0)),
    "a thin rim": _surrounded(_noise(300, 200), (4, 4, 2, 2, 0)),
    "black bars on a white page": _surrounded(_noise(150, 200), (40, 30, 0, 0, 0), (20, 10, 60, 5, 255)),
    "a page in a screenshot": _surrounded(_noise(99, 99), (9, 9, 9, 9, 0), (20, 20, 20, 20, 255), (0, 0, 50, 50, 40)),
    "bars on a film larger than is looked at": _surrounded(_noise(1500, 1100), (0, 0, 300, 250, 7)),
    "one shade": np.full((60, 70), 9, np.uint8),
    "a few pixels": _noise(5, 300),
    "a film too small in a page": _surrounded(_noise(6, 6), (50, 50, 50, 50, 255)),
    "a border of two shades": _surrounded(_noise(101, 64), (30, 0, 0, 0, 100), (30, 0, 0, 0, 103)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_film_is_found_where_the_product_finds_it(name: str) -> None:
    [frame] = np.asarray(FilmFrame()(_one(PICTURES[name])))
    assert frame == pytest.approx(_edges(film_frame(PICTURES[name])), abs=1e-6)


def test_every_picture_of_a_batch_has_its_own_frame() -> None:
    film = _noise(300, 200)
    pictures = np.stack([film, np.where(np.arange(300)[:, None] < 80, 0, film), np.full_like(film, 3)])
    frames = np.asarray(FilmFrame()(pictures[..., None].astype(np.uint8)))
    assert frames == pytest.approx(np.array([_edges(film_frame(one.astype(np.uint8))) for one in pictures]), abs=1e-6)


@pytest.mark.parametrize("frame", [WHOLE, Box(0.1, 0.03, 0.77, 0.98), Box(0.5, 0.5, 0.501, 0.501)])
@pytest.mark.parametrize("shape", [(333, 512), (9, 700), (SIZE, SIZE)])
def test_the_film_is_cut_as_for_the_finder(frame: Box, shape: tuple[int, int]) -> None:
    pixels = _noise(*shape)
    [film] = np.asarray(FilmCut(SIZE)([_one(pixels), np.array([_edges(frame)], np.float32)]))
    assert np.abs(film - network_input(frame.cut(pixels), SIZE)).max() <= 0.02


@pytest.mark.parametrize("box", [WHOLE, Box(0.0, 0.217, 0.803, 1.0), Box(0.31, 0.3, 0.36, 0.9)])
@pytest.mark.parametrize("shape", [(2000, 1500), (97, 101), (SIZE, SIZE), (1, 1)])
def test_the_field_is_cut_as_pillow_does(box: Box, shape: tuple[int, int]) -> None:
    pixels = _noise(*shape)
    [field] = np.asarray(FieldCut(SIZE)([_one(pixels), np.array([_edges(box)], np.float32)]))
    assert np.abs(field[..., 0] - cut(pixels, box, SIZE)).max() <= 0.05


@pytest.mark.parametrize(("low", "high"), [(0, 255), (60, 180), (17.5, 18.5), (90, 90), (0, 0), (255, 255)])
def test_contrast_is_stretched_between_the_same_levels(low: float, high: float) -> None:
    fields = np.random.default_rng(1).uniform(low, high, (2, SIZE, SIZE, 1)).astype(np.float32)
    fields[1] = np.sqrt(fields[1] / 255) * 255
    expected = np.stack([stretched(field, *stretch_levels(field)) for field in fields])
    assert np.abs(np.asarray(StretchedContrast()(fields)) - expected).max() <= 1e-3


def _ellipses(*places: tuple[float, float, float, float]) -> np.ndarray:
    y, x = np.mgrid[0:PLACES, 0:PLACES] / PLACES
    parts = [1.5 - ((y - top) / high) ** 2 - ((x - left) / wide) ** 2 for top, left, high, wide in places]
    return np.clip(np.max([np.zeros_like(x), *parts], axis=0), 0, 1).astype(np.float32)


@pytest.mark.parametrize("frame", [WHOLE, Box(0.2, 0.0, 0.9, 0.7)])
@pytest.mark.parametrize(
    "lungs",
    [
        _ellipses((0.5, 0.3, 0.3, 0.12), (0.5, 0.7, 0.33, 0.1)),
        _ellipses((0.02, 0.1, 0.3, 0.3)),
        _ellipses((0.5, 0.5, 0.01, 0.01)),
        np.zeros((PLACES, PLACES), np.float32),
        np.ones((PLACES, PLACES), np.float32),
    ],
)
def test_the_box_is_that_of_the_lungs_or_else_of_the_film(lungs: np.ndarray, frame: Box) -> None:
    [box] = np.asarray(FieldBox()([_one(lungs), np.array([_edges(frame)], np.float32)]))
    found = lung_box(lungs)
    assert box == pytest.approx(_edges(field_box(found.placed_in(frame) if found else frame)), abs=1e-6)


@pytest.mark.parametrize("frame", [WHOLE, Box(0.2, 0.0, 0.9, 0.7)])
@pytest.mark.parametrize("field", [WHOLE, Box(0.25, 0.1, 0.7, 0.95)])
def test_how_much_of_a_field_is_lung_is_what_the_product_says(field: Box, frame: Box) -> None:
    lungs = _ellipses((0.5, 0.3, 0.3, 0.12), (0.5, 0.7, 0.33, 0.1))
    edges = [np.array([_edges(box)], np.float32) for box in (frame, field)]
    [found] = np.asarray(LungWeights()([_one(lungs), *edges]))
    assert found == pytest.approx(lung_weights(lungs, frame, field), abs=1e-4)
    assert found.max() == 1
    assert found.min() == 0


@pytest.fixture(scope="module")
def finder() -> LungFinder:
    return LungFinder.load()


def test_the_map_is_that_of_the_finder(finder: LungFinder) -> None:
    feature_maps = np.random.default_rng(2).uniform(0, 2, (2, PLACES, PLACES, CHANNELS)).astype(np.float32)
    layer = LungMap()
    layer.build(feature_maps.shape)
    layer.take_numbers_of(finder)
    assert np.asarray(layer(feature_maps))[..., 0] == pytest.approx(finder.maps(feature_maps), abs=1e-4)


@pytest.fixture(scope="module")
def parts(finder: LungFinder) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Of images `(n, H, W, 1)`: the boxes, the fields, and how much of them is lung."""
    backbone = finder_backbone()
    features = build_feature_extractor(backbone, find_weights(backbone)).features
    image = keras.Input((None, None, 1), dtype="uint8")
    field, lungs = lung_field_of(image, 224, features, finder)
    network = keras.Model(image, field)
    network = keras.Model(image, [network.get_layer("field_box").output, field, lungs])
    return lambda images: [np.asarray(output) for output in network(images)]


def _assert_alike(found_in_graph: Sequence[np.ndarray], film: Radiograph, predictor: Predictor) -> None:
    box, field, lungs = found_in_graph
    [found] = predictor.find_lungs([film.pixels])
    assert found is not None
    assert np.abs(box - _edges(field_box(found.judged))).max() <= 1 / FINE + 1e-6
    difference = np.abs(field - lung_field(film.pixels, found.judged, 224))
    assert np.median(difference) <= 1
    assert (difference <= 2).mean() >= 0.999
    assert np.abs(lungs - found.weights).max() <= 0.05
    assert 0.2 < lungs.mean() < 0.8


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_field_of_a_sample_is_the_products(path: Path, parts: Any, lung_predictor: Predictor) -> None:
    film = read_radiograph(path)
    _assert_alike([part[0] for part in parts(_one(film.pixels))], film, lung_predictor)


def test_every_image_of_a_batch_has_its_own_field(parts: Any, lung_predictor: Predictor) -> None:
    films = [np.asarray(Image.fromarray(read_radiograph(path).pixels).resize((512, 416))) for path in SAMPLES[:3]]
    moved = [np.ascontiguousarray(film[20 * i :, 30 * i : 430 + 30 * i][:370]) for i, film in enumerate(films)]
    found = parts(np.stack(moved)[..., None])
    assert len({tuple(box) for box in found[0]}) == 3
    for *own, film in zip(*found, moved, strict=True):
        _assert_alike(own, Radiograph(film, "", "PNG", {}), lung_predictor)
