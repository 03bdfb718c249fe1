"""The network is one flat graph on a frozen backbone, and a head that was standardised needs no standardisation."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.backbones.feature_extractor import FeatureExtractor, pooled_outputs
from models.backbones.pooling import pooled_rows
from models.backbones.table import get_backbone
from models.calibration import Calibration
from models.head import POOLINGS, DenseHead, HeadConfig, build_head, select_pooling
from models.network import build_export, build_network

SIZE = get_backbone("efficientnet_lite0").embedding_size


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (2, 224, 224, 1)).astype(np.float32)


def _head(width: int = 4, classes: int = 2) -> Any:
    return build_head(SIZE, classes, HeadConfig(width=width, dropout=0.5), seed=3)


@pytest.mark.parametrize("width", [0, 4])
def test_both_networks_are_flat_and_learn_only_in_the_head(width: int, extractor: FeatureExtractor) -> None:
    head = _head(width)
    trainable = {id(weight) for weight in head.trainable_weights}
    for network in (build_network(extractor, head), build_export(extractor, head, Calibration.identity(2))):
        assert not [layer.name for layer in network.layers if isinstance(layer, keras.Model)]
        operations = [operation for operation in network.operations if not isinstance(operation, keras.Layer)]
        assert not operations  # the older Keras format cannot load them
        assert {id(weight) for weight in network.trainable_weights} == trainable
        assert len(trainable) == (4 if width else 2)


def test_the_embedding_is_the_mean_of_the_feature_map(extractor: FeatureExtractor, pixels: np.ndarray) -> None:
    outputs = {name: tensor.numpy() for name, tensor in build_network(extractor, _head())(pixels).items()}
    assert outputs["embedding"].shape == (2, SIZE)
    assert outputs["logits"].shape == (2, 2)
    assert np.allclose(outputs["embedding"], outputs["feature_map"].mean((1, 2)), atol=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_is_that_of_the_engines(pooling: str, extractor: FeatureExtractor, pixels: np.ndarray) -> None:
    config = HeadConfig(width=0, pooling=pooling)
    head = build_head(config.input_size(SIZE), 2, config)
    lungs = np.random.default_rng(2).uniform(0, 1, (2, 28, 28)).astype(np.float32)
    lungs[1] = 0  # none at all
    shown = (pixels, lungs) if pooling == "lungs" else pixels
    embedding = build_network(extractor, head, pooling=pooling)(shown)["embedding"].numpy()
    outputs = keras.Model(extractor.features.input, pooled_outputs(extractor.features.output))(pixels)
    feature_map, pooled = (output.numpy() for output in outputs)
    assert embedding.shape == (2, config.input_size(SIZE))
    assert np.allclose(embedding, select_pooling(pooled_rows(pooled, feature_map, lungs), pooling), atol=1e-5)


def test_the_statistics_of_the_backbone_stay_when_it_is_called_for_training(
    extractor: FeatureExtractor, pixels: np.ndarray
) -> None:
    before = [weight.numpy().copy() for weight in extractor.features.weights]
    training = extractor.features(pixels, training=True)
    assert np.allclose(training, extractor.features(pixels, training=False), atol=1e-5)
    assert all(np.array_equal(old, new.numpy()) for old, new in zip(before, extractor.features.weights, strict=True))


def test_the_exported_network_takes_any_size_and_gives_calibrated_probabilities(extractor: FeatureExtractor) -> None:
    head, calibration = _head(0, 3), Calibration("temperature", 0.5, (0.0, 0.0, 0.0))
    network = build_export(extractor, head, replace(calibration, bias=(0.1, 0.2, -0.3)))
    for shape in ((1, 50, 80, 1), (2, 300, 224, 1)):
        images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        logits = build_network(extractor, head)(extractor.resize(images))["logits"].numpy()
        expected = np.exp(0.5 * logits + np.array([0.1, 0.2, -0.3]))
        assert network(images).numpy() == pytest.approx(expected / expected.sum(-1, keepdims=True), abs=1e-5)


@pytest.mark.parametrize("width", [0, 4])
def test_a_folded_head_takes_the_embedding_as_it_is(width: int) -> None:
    dice = np.random.default_rng(0)
    mean, deviation = dice.normal(size=SIZE).astype(np.float32), dice.uniform(0.5, 2, SIZE).astype(np.float32)
    embedding = dice.normal(size=(5, SIZE)).astype(np.float32)
    head = _head(width)
    expected = head((embedding - mean) / deviation).numpy()
    folded = DenseHead.of(head).without_standardisation(mean, deviation)
    assert np.allclose(folded.logits(embedding), expected, atol=1e-4)


@pytest.mark.parametrize("width", [0, 4])
def test_a_head_in_plain_numbers_is_the_keras_head(width: int, tmp_path: Path) -> None:
    head, embedding = _head(width, 3), np.random.default_rng(4).normal(size=(6, SIZE)).astype(np.float32)
    expected = head(embedding).numpy()
    assert np.allclose(DenseHead.of(head).logits(embedding), expected, atol=1e-4)
    assert np.allclose(DenseHead.of(head).to_keras(HeadConfig(width=width))(embedding), expected, atol=1e-6)
    head.save_weights(str(tmp_path / "head.weights.h5"))
    read = DenseHead.load(tmp_path / "head.weights.h5", embedding_size=SIZE, classes=3, width=width)
    assert np.allclose(read.logits(embedding), expected, atol=1e-4)


@pytest.mark.parametrize(("width", "classes"), [(0, 2), (4, 2), (4, 3)])
def test_the_gradient_is_the_slope_of_the_score(width: int, classes: int) -> None:
    """Central differences along the gradient; the score is a logit less the mean of the others."""
    head, dice = _head(width, classes), np.random.default_rng(2)
    embedding = dice.normal(size=SIZE).astype(np.float32)
    for label in range(classes):
        gradient = DenseHead.of(head).gradient(embedding, label)
        step = 1e-3 * gradient / np.linalg.norm(gradient)
        logits = head(np.stack([embedding + step, embedding - step])).numpy().astype(np.float64)
        score = logits[:, label] - np.delete(logits, label, axis=1).mean(1)
        assert (score[0] - score[1]) / 2e-3 == pytest.approx(np.linalg.norm(gradient), rel=0.02)


@pytest.mark.parametrize("options", [{"width": -1}, {"dropout": 1.0}, {"dropout": -0.1}, {"pooling": "median"}])
def test_an_impossible_head_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        HeadConfig(**options)
