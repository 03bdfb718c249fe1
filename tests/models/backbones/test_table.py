"""Each backbone computes what its publisher's network computes."""

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from models.backbones.feature_extractor import build_feature_extractor
from models.backbones.table import BACKBONES, get_backbone
from models.backbones.weightless import weightless
from models.backbones.weights import find_weights

GOLDEN = Path(__file__).parent / "golden/efficientnet_lite0.npz"
PARAMETERS_WITH_CLASSIFIER = 4_652_008  # of the published state dict
CLASSIFIER = 1280 * 1000 + 1000


@pytest.fixture(scope="module")
def extractors() -> dict[str, Any]:
    """Every row of the table, without the numbers."""
    with weightless():
        return {row.id: build_feature_extractor(row, None) for row in BACKBONES.values()}


@pytest.fixture(scope="module")
def whole_lite0() -> Any:
    """EfficientNet-Lite0 up to its last feature map, with the vendored weights."""
    row = get_backbone("efficientnet_lite0")
    return build_feature_extractor(replace(row, taps=()), find_weights(row)).weighted_layers


def _reference_pixels() -> np.ndarray:
    """The pictures that models/backbones/convert_efficientnet_lite0.py gave the PyTorch network."""
    random = np.random.default_rng(2019)
    rows, columns = np.mgrid[0:224, 0:224] / 224
    waves = [
        sum(np.sin(2 * np.pi * (a * rows + b * columns + c)) / 3 for a, b, c in random.uniform(0, 6, (3, 3)))
        for _ in range(12)
    ]
    pixels = 127 + 120 * np.stack(waves).reshape(4, 3, 224, 224).transpose(0, 2, 3, 1)
    return ((pixels - 127) / 128).astype(np.float32)


def _cosines(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return (ours * theirs).sum(-1) / np.linalg.norm(ours, axis=-1) / np.linalg.norm(theirs, axis=-1)


def test_efficientnet_lite0_equals_the_recorded_outputs(whole_lite0: Any) -> None:
    feature_map = whole_lite0(_reference_pixels()).numpy()
    with np.load(GOLDEN) as golden:
        embedding, places = golden["embedding"], golden["places"].transpose(0, 2, 3, 1)
    assert _cosines(feature_map.mean((1, 2)), embedding).min() >= 0.9999
    assert _cosines(feature_map[:, ::3, ::3].reshape(4, -1), places.reshape(4, -1)).min() >= 0.9999
    assert np.abs(feature_map.mean((1, 2)) - embedding).max() < 0.02 * embedding.max()


def test_efficientnet_lite0_has_the_published_number_of_parameters(whole_lite0: Any) -> None:
    trained = sum(int(np.prod(weight.shape)) for weight in whole_lite0.weights if "moving" not in weight.name)
    assert trained == PARAMETERS_WITH_CLASSIFIER - CLASSIFIER


def test_resnet50_has_the_published_number_of_parameters(extractors: dict[str, Any]) -> None:
    assert extractors["resnet50"].weighted_layers.count_params() == 23_587_712


@pytest.mark.parametrize("row", BACKBONES.values(), ids=lambda row: row.id)
def test_every_backbone_builds_with_its_embedding_size(row: Any, extractors: dict[str, Any]) -> None:
    features = extractors[row.id].features
    assert features.input_shape == (None, row.input_size, row.input_size, 1)
    assert features.output_shape[-1] == row.embedding_size
    assert features.trainable_weights == []


def test_tapped_layers_lie_over_each_other_with_their_means_unchanged() -> None:
    row = get_backbone("efficientnet_lite0")
    features = build_feature_extractor(row, None).features
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 1)).astype(np.float32)
    taps = keras.Model(features.input, [features.get_layer(name).output for name in row.taps])(pixels)
    means = np.concatenate([tap.numpy().mean((1, 2)) for tap in taps], axis=-1)
    assert np.allclose(features(pixels).numpy().mean((1, 2)), means, atol=1e-5)
    assert means.shape == (1, row.embedding_size)


@pytest.mark.parametrize("backbone", ["resnet50", "densenet121"])
def test_scaling_equals_that_of_keras_applications(backbone: str, extractors: dict[str, Any]) -> None:
    theirs = {"resnet50": keras.applications.resnet50, "densenet121": keras.applications.densenet}[backbone]
    features = extractors[backbone].features
    scale = keras.Model(features.input, features.get_layer("scale").output)
    ramp = np.linspace(0, 255, 224 * 224, dtype=np.float32).reshape(1, 224, 224, 1)
    expected = theirs.preprocess_input(np.repeat(ramp, 3, axis=-1))  # on a copy: it works in place
    assert np.abs(scale(ramp).numpy() - expected).max() <= 1e-4


def test_published_digests_are_those_that_keras_checks() -> None:
    """Where Keras is renewed and serves other files, this row of the table must follow."""
    for backbone, builder in (
        ("resnet50", keras.applications.ResNet50),
        ("densenet121", keras.applications.DenseNet121),
    ):
        row, module = get_backbone(backbone).weights, inspect.getmodule(inspect.unwrap(builder))
        assert row.md5 in inspect.getsource(module)
        assert row.url == module.BASE_WEIGHTS_PATH + row.file


def test_an_unknown_backbone_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"must be one of resnet50, .*Received: 'vgg'"):
        get_backbone("vgg")
