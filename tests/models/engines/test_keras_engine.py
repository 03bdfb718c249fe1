"""What the engine on TensorFlow does that only a GPU needs: half precision, and little memory. Both can be had on a processor."""

import logging

import numpy as np
import pytest
from numpy.typing import NDArray

from models.backbones.table import Backbone
from models.backbones.weights import WeightsFile
from models.devices.memory import HALVINGS, OutOfMemoryError
from models.engines.keras_engine import KerasEngine
from models.engines.openvino_engine import SMALLEST_COSINE, smallest_cosine
from models.system.files import digest
from tests.models.engines.backbones import HUNGRY, LOUD, SIZE, STARVING, TINY, save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightsFile:
    path = tmp_path_factory.mktemp("tiny") / "tiny.weights.h5"
    save_weights(TINY, path)
    return WeightsFile(path, digest(path), "custom")


@pytest.fixture(scope="module")
def films() -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(0, 255, (19, SIZE, SIZE, 1)).astype(np.float32)


def test_half_precision_is_taken_where_the_embeddings_stay_the_same(
    weights: WeightsFile, films: NDArray[np.float32]
) -> None:
    half = KerasEngine(TINY, weights, policy="mixed_float16")
    assert half.precision == "f16"
    exact, rounded = KerasEngine(TINY, weights).run(films), half.run(films)
    assert smallest_cosine(exact.pooled, rounded.pooled) >= SMALLEST_COSINE
    assert rounded.feature_map.dtype == rounded.pooled.dtype == np.float32
    assert not np.array_equal(exact.feature_map, rounded.feature_map), "it does round"


def test_half_precision_is_left_where_a_backbone_does_not_bear_it(
    weights: WeightsFile, films: NDArray[np.float32]
) -> None:
    engine = KerasEngine(LOUD, weights, policy="mixed_float16")
    assert engine.precision == "f32"
    assert np.isfinite(engine.run(films).pooled).all()


def test_a_batch_that_does_not_fit_is_halved_and_the_next_one_begins_there(
    weights: WeightsFile, films: NDArray[np.float32], caplog: pytest.LogCaptureFixture
) -> None:
    expected, engine = KerasEngine(TINY, weights).run(films), KerasEngine(HUNGRY, weights)
    for told in ([9, 4], []):
        caplog.clear()
        found = engine.run(films)
        assert np.allclose(found.feature_map, expected.feature_map, atol=1e-4)
        assert np.allclose(found.pooled, expected.pooled, atol=1e-4)
        assert [record.args for record in caplog.records if record.levelno == logging.WARNING] == [(n,) for n in told]


@pytest.mark.parametrize(("backbone", "count", "tried"), [(HUNGRY, 80, 10), (STARVING, 2, 1)])
def test_after_three_halvings_it_fails_with_advice(
    weights: WeightsFile, backbone: Backbone, count: int, tried: int
) -> None:
    films = np.zeros((count, SIZE, SIZE, 1), np.float32)
    assert HALVINGS == 3
    with pytest.raises(
        OutOfMemoryError, match=rf"batch of {tried} \(.*nvidia-smi.*smaller backbone.*--engine openvino"
    ):
        KerasEngine(backbone, weights).run(films)
