"""Augmented views: reproducible, plausible, and raw pixels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.backbones.feature_extractor import FeatureExtractor
from models.films.radiograph import read_radiograph
from tests.training.films import film, write_film
from training.backbone.film_batches import FilmViews
from training.config import AugmentationConfig
from training.data.failed_films import FailedFilmsError
from training.embedding.degradation import reduce_film
from training.embedding.views import Film, augment, film_views

SIZE = 224
STILL = AugmentationConfig(
    rotation=0, shift=0, zoom=0, shear=0, brightness=0, contrast=0, gamma=0, noise=0, degradation=0
)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> list[Film]:
    """Four films on disk with their digests."""
    folder = tmp_path_factory.mktemp("four")
    paths = [write_film(folder / f"{seed}.png", seed) for seed in range(4)]
    return [Film(path, read_radiograph(path).sha256, label) for label, path in enumerate(paths)]


def see(
    films: Sequence[tuple[Film, Sequence[int]]],
    *,
    seed: int = 1,
    films_per_batch: int = 2,
    config: AugmentationConfig | None = None,
) -> NDArray[np.float32]:
    """All views in order, `(views, size, size, 1)`, as the backbone is shown them."""
    batches = FilmViews(
        films,
        size=SIZE,
        config=config or AugmentationConfig(),
        seed=seed,
        films_per_batch=films_per_batch,
        pooling="mean",
    )
    return np.concatenate([batches[index][0] for index in range(len(batches))])


def warp(image: NDArray[np.float32], config: AugmentationConfig, count: int) -> NDArray[np.float32]:
    """So many views of a picture `(size, size)`."""
    draws = [np.random.default_rng(seed) for seed in range(count)]
    return np.stack([augment(image[..., None], config, draw)[..., 0] for draw in draws])


def test_a_view_does_not_depend_on_batch_size_order_or_neighbours(four: list[Film]) -> None:
    by_two = see([(one, [0, 1, 2]) for one in four], films_per_batch=2)
    together = see([(one, [0, 1, 2]) for one in four], films_per_batch=4)
    np.testing.assert_array_equal(by_two, together)
    backwards = see([(one, [2, 1, 0]) for one in reversed(four)], films_per_batch=3)
    np.testing.assert_array_equal(backwards[::-1], by_two)
    alone = see([(four[2], [2])])
    np.testing.assert_array_equal(alone[0], by_two[2 * 3 + 2])


def test_another_seed_view_or_film_gives_another_view(four: list[Film]) -> None:
    views = see([(four[0], [1, 2])])
    other_seed = see([(four[0], [1, 2])], seed=2)
    assert np.abs(views[0] - views[1]).mean() > 5
    assert np.abs(views - other_seed).mean(axis=(1, 2, 3)).min() > 5
    other_name = film_views(four[0]._replace(sha256="ab" * 32), [1], config=AugmentationConfig(), seed=1, size=SIZE)
    assert np.abs(views[0] - other_name.pixels[0]).mean() > 5


def test_view_0_is_the_plain_film(extractor: FeatureExtractor, four: list[Film]) -> None:
    shown = see([(one, [0]) for one in four], config=AugmentationConfig(flip=True))
    for one, pixels in zip(four, shown, strict=True):
        resized = np.asarray(extractor.resize(read_radiograph(one.path).pixels[None, :, :, None]))[0]
        np.testing.assert_allclose(pixels, resized, atol=1e-2)


def test_views_are_whole_grey_levels_from_0_to_255(four: list[Film]) -> None:
    wild = AugmentationConfig(brightness=200, contrast=2, gamma=2, noise=60)
    views = see([(one, [1, 2, 3]) for one in four], config=wild)
    assert views.shape == (12, SIZE, SIZE, 1)
    assert views.min() == 0
    assert views.max() == 255
    np.testing.assert_array_equal(views, np.round(views))


@pytest.mark.parametrize("flip", [False, True])
def test_a_film_is_mirrored_only_when_asked(flip: bool) -> None:
    left_bright = np.tile(np.linspace(255, 0, 32, dtype=np.float32), (32, 1))
    views = warp(left_bright, AugmentationConfig(flip=flip), 400)
    mirrored = views[:, 8:24, 16:24].mean(axis=(1, 2)) > views[:, 8:24, 8:16].mean(axis=(1, 2))
    assert (170 < mirrored.sum() < 230) if flip else not mirrored.any()


def test_rotation_is_about_the_centre_and_no_more_than_stated() -> None:
    size, radius = 101, 35
    y, x = np.mgrid[0:size, 0:size]

    def dot(row: float, column: float) -> NDArray[np.float32]:
        return (250 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 12)).astype(np.float32)

    config = AugmentationConfig(**{**vars(STILL), "rotation": 12.0})
    centred = warp(dot(50, 50), config, 60)
    places = np.stack([np.unravel_index(view.argmax(), view.shape) for view in centred])
    np.testing.assert_array_equal(places, np.full((60, 2), 50))

    turned = warp(dot(50 - radius, 50), config, 300)
    tops = np.stack([np.unravel_index(view.argmax(), view.shape) for view in turned]) - 50
    degrees = np.rad2deg(np.arctan2(tops[:, 1], -tops[:, 0]))
    one_pixel = np.rad2deg(1 / radius)
    assert np.abs(degrees).max() <= 12 + one_pixel
    assert degrees.max() > 10
    assert degrees.min() < -10
    np.testing.assert_allclose(np.hypot(*tops.T), radius, atol=1.5)


def test_with_every_amount_at_0_a_view_is_the_film() -> None:
    image = film(3).astype(np.float32)[:128, :128]
    np.testing.assert_array_equal(warp(image, STILL, 3), np.repeat(image[None], 3, axis=0))


def _span(view: NDArray[np.float32]) -> tuple[float, float, float]:
    """Width, height and the place from the left of what is bright."""
    rows, columns = np.nonzero(view > 127)
    return np.ptp(columns) + 1, np.ptp(rows) + 1, columns.mean()


def test_shift_and_zoom_stay_within_what_is_stated() -> None:
    square = np.zeros((100, 100), np.float32)
    square[30:70, 30:70] = 255
    shifted = [_span(view) for view in warp(square, AugmentationConfig(**{**vars(STILL), "shift": 0.05}), 200)]
    assert {(round(width), round(height)) for width, height, _ in shifted} <= {(40, 40), (39, 40), (40, 39), (41, 40),
                                                                               (40, 41), (41, 41), (39, 39)}  # fmt: skip
    assert 4 < max(abs(place - 49.5) for *_, place in shifted) <= 5.5
    zoomed = np.array([_span(view) for view in warp(square, AugmentationConfig(**{**vars(STILL), "zoom": 0.1}), 200)])
    assert np.abs(np.log(zoomed[:, 1] / 40)).max() <= 0.1 + 0.03
    assert np.abs(np.log(zoomed[:, 0] / 40)).max() <= 0.15 + 0.03
    assert zoomed[:, 1].max() > 43
    np.testing.assert_allclose(zoomed[:, 2], 49.5, atol=0.6)


def test_a_batch_tells_the_class_of_each_view(four: list[Film]) -> None:
    films = [(four[3], [0, 1, 2]), (four[1], [0])]
    batches = FilmViews(films, size=SIZE, config=STILL, seed=0, films_per_batch=2, pooling="mean")
    views, labels = batches[0]
    assert views.shape == (4, SIZE, SIZE, 1)
    assert labels.tolist() == [3, 3, 3, 1]


def test_a_film_that_has_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailedFilmsError, match=r"gone\.png"):
        film_views(Film(tmp_path / "gone.png", "0" * 64), [0], config=STILL, seed=0, size=SIZE)


def test_the_cache_tells_views_apart_by_seed_number_and_amounts() -> None:
    config = AugmentationConfig()
    names = {
        config.fingerprint(1, 1),
        config.fingerprint(1, 2),
        config.fingerprint(2, 1),
        AugmentationConfig(flip=True).fingerprint(1, 1),
        AugmentationConfig(rotation=config.rotation + 1).fingerprint(1, 1),
        config.fingerprint(1, 0),
    }
    assert len(names) == 6
    assert config.fingerprint(1, 0) == AugmentationConfig(flip=True).fingerprint(2, 0)
    assert config.fingerprint(1, 1) == AugmentationConfig().fingerprint(1, 1)


def test_the_share_of_views_that_are_degraded_is_the_configured_one() -> None:
    plain = np.asarray(Image.fromarray(film(1)).resize((SIZE, SIZE)), dtype=np.float32)
    for share in (0.0, 0.3, 1.0):
        views = warp(plain, replace(STILL, degradation=share), 200)
        changed = np.abs(views - plain).mean(axis=(1, 2)) > 0
        assert changed.mean() == pytest.approx(share, abs=0.1)
        assert views.min() >= 0
        assert views.max() <= 255
        np.testing.assert_array_equal(views, np.rint(views))


def test_degraded_views_lose_detail_or_gain_grain() -> None:
    plain = np.asarray(Image.fromarray(film(1)).resize((SIZE, SIZE)), dtype=np.float32)
    views = warp(plain, replace(STILL, degradation=1), 60)
    detail = np.abs(np.diff(views, axis=2)).mean(axis=(1, 2)) / np.abs(np.diff(plain, axis=1)).mean()
    assert (detail < 0.9).mean() > 0.3
    assert (detail > 1.5).mean() > 0.1
    assert np.abs(views.mean(axis=(1, 2)) - plain.mean()).max() < 5, "the light stays"


def test_most_reduced_copies_have_been_through_jpeg() -> None:
    """JPEG rings beyond the greys on either side of an edge; reducing and enlarging by themselves never do."""
    film = np.full((96, 96), 40, np.float32)
    film[:, 48:] = 200
    copies = [reduce_film(film, np.random.default_rng(seed)) for seed in range(60)]
    rings = [bool(copy.min() < 39 or copy.max() > 201) for copy in copies]
    assert 0.4 < np.mean(rings) < 0.9
