"""Augmented views: reproducible, plausible, and raw pixels."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from models.network import FeatureExtractor
from models.radiograph import read_radiograph
from tests.training.films import film, write_film
from training.config import AugmentationConfig
from training.views import Film, FilmAugmentation, FilmViews, augmented, draw_augmentation

SIZE = 224
STILL = AugmentationConfig(rotation=0, shift=0, zoom=0, shear=0, brightness=0, contrast=0, gamma=0, noise=0)
PLAIN = np.array([1, 0, 0, 0, 1, 0, 0, 0])


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> list[Film]:
    """Four films on disk with their digests."""
    folder = tmp_path_factory.mktemp("four")
    paths = [write_film(folder / f"{seed}.png", seed) for seed in range(4)]
    return [Film(path, read_radiograph(path).sha256, label) for label, path in enumerate(paths)]


def see(
    extractor: FeatureExtractor,
    films: Sequence[tuple[Film, Sequence[int]]],
    *,
    seed: int = 1,
    films_per_batch: int = 2,
    config: AugmentationConfig | None = None,
) -> NDArray[np.float32]:
    """All views in order, `(views, size, size, 1)`, as the backbone is shown them."""
    batches = FilmViews(
        films, extractor.resize, config=config or AugmentationConfig(), seed=seed, films_per_batch=films_per_batch
    )
    network = keras.Model(*augmented(SIZE))
    return np.concatenate([np.asarray(network(batches[index][0])) for index in range(len(batches))])


def warp(image: NDArray[np.float32], config: AugmentationConfig, count: int) -> NDArray[np.float32]:
    """Views 1 to `count` of a picture `(size, size)`."""
    size = image.shape[0]
    drawn = draw_augmentation(config, ["ab" * 32] * count, range(1, count + 1), seed=5, size=size)
    films = np.repeat(image[None, :, :, None], count, axis=0).astype(np.float32)
    return np.asarray(FilmAugmentation()([films, *drawn]))[..., 0]


def test_a_view_does_not_depend_on_batch_size_order_or_neighbours(
    extractor: FeatureExtractor, four: list[Film]
) -> None:
    by_two = see(extractor, [(one, [0, 1, 2]) for one in four], films_per_batch=2)
    together = see(extractor, [(one, [0, 1, 2]) for one in four], films_per_batch=4)
    np.testing.assert_array_equal(by_two, together)
    backwards = see(extractor, [(one, [2, 1, 0]) for one in reversed(four)], films_per_batch=3)
    np.testing.assert_array_equal(backwards[::-1], by_two)
    alone = see(extractor, [(four[2], [2])])
    np.testing.assert_array_equal(alone[0], by_two[2 * 3 + 2])


def test_another_seed_view_or_film_gives_another_view(extractor: FeatureExtractor, four: list[Film]) -> None:
    views = see(extractor, [(four[0], [1, 2])])
    other_seed = see(extractor, [(four[0], [1, 2])], seed=2)
    assert np.abs(views[0] - views[1]).mean() > 5
    assert np.abs(views - other_seed).mean(axis=(1, 2, 3)).min() > 5
    same_name = draw_augmentation(AugmentationConfig(), ["a" * 64, "b" * 64], [1, 1], seed=1, size=8)
    assert np.abs(same_name.warp[0] - same_name.warp[1]).max() > 0.01


def test_view_0_is_the_plain_film(extractor: FeatureExtractor, four: list[Film]) -> None:
    shown = see(extractor, [(one, [0]) for one in four], config=AugmentationConfig(flip=True))
    for one, pixels in zip(four, shown, strict=True):
        resized = np.asarray(extractor.resize(read_radiograph(one.path).pixels[None, :, :, None]))[0]
        np.testing.assert_array_equal(pixels, resized)


def test_views_are_whole_grey_levels_from_0_to_255(extractor: FeatureExtractor, four: list[Film]) -> None:
    wild = AugmentationConfig(brightness=200, contrast=2, gamma=2, noise=60)
    views = see(extractor, [(one, [1, 2, 3]) for one in four], config=wild)
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


def test_shift_and_zoom_stay_within_what_is_stated() -> None:
    drawn = draw_augmentation(
        AugmentationConfig(**{**vars(STILL), "shift": 0.05}), ["c" * 64] * 500, range(1, 501), seed=0, size=100
    )
    np.testing.assert_allclose(drawn.warp[:, [0, 1, 3, 4]], np.tile(PLAIN[[0, 1, 3, 4]], (500, 1)), atol=1e-6)
    assert 4.5 < np.abs(drawn.warp[:, [2, 5]]).max() <= 5
    drawn = draw_augmentation(
        AugmentationConfig(**{**vars(STILL), "zoom": 0.1}), ["c" * 64] * 500, range(1, 501), seed=0, size=100
    )
    np.testing.assert_allclose(drawn.warp[:, [1, 3]], 0, atol=1e-6)
    assert np.abs(np.log(drawn.warp[:, 4])).max() <= 0.1 + 1e-6
    assert np.abs(np.log(drawn.warp[:, 0])).max() <= 0.15 + 1e-6


def test_each_film_is_decoded_once_for_all_its_views(extractor: FeatureExtractor, tmp_path: Path) -> None:
    path = write_film(tmp_path / "film.png", 1)
    one = Film(path, read_radiograph(path).sha256, 1)
    decoded: list[tuple[int, ...]] = []

    def counting_resize(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        decoded.append(pixels.shape)
        return np.asarray(extractor.resize(pixels))

    counting_resize.output_shape = extractor.resize.output_shape  # type: ignore[attr-defined]
    batches = FilmViews([(one, [0, 1, 2, 3])], counting_resize, config=STILL, seed=0, films_per_batch=1)
    inputs, labels = batches[0]
    assert decoded == [(1, 150, 140, 1)]
    assert inputs["films"].shape == (4, SIZE, SIZE, 1)
    assert labels.tolist() == [1, 1, 1, 1]


def test_a_film_that_has_gone_is_named(extractor: FeatureExtractor, tmp_path: Path) -> None:
    batches = FilmViews(
        [(Film(tmp_path / "gone.png", "0" * 64), [0])], extractor.resize, config=STILL, seed=0, films_per_batch=1
    )
    with pytest.raises(OSError, match=r"gone\.png could be read"):
        batches[0]


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
