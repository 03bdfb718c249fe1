"""The heatmap in closed form is Grad-CAM, and its drawing leaves the film in sight."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from models.backbones.feature_extractor import LungMean
from models.backbones.pooling import place_weights
from models.bundle import Bundle
from models.films.radiograph import Radiograph, read_radiograph
from models.head import DenseHead
from models.heatmap import closed_form_heatmap, head_heatmap, overlay
from models.lungs.field import lung_field
from models.network import build_network
from models.predictor import Predictor, load_head


@pytest.fixture(scope="module")
def samples() -> list[Radiograph]:
    """The first three synthetic films."""
    folder = Path(__file__).parents[2] / "data_samples"
    return [read_radiograph(path) for path in sorted(folder.glob("*_[12].jpeg"))[:3]]


@dataclass(frozen=True)
class Passes:
    """A whole network by Keras, and what it gives for each of the films."""

    network: Any
    outputs: list[dict[str, Any]]

    def grad_cams(self, labels: Sequence[int]) -> list[np.ndarray]:
        """Grad-CAM as Selvaraju et al. wrote it, by automatic differentiation through the network's last layers."""
        after = keras.Model(self.network.output["feature_map"], self.network.output["logits"])
        return [_grad_cam(after, one["feature_map"], label) for one, label in zip(self.outputs, labels, strict=True)]


@pytest.fixture(scope="module")
def passes(extractor: Any, bundles: Any, films: list[Radiograph]) -> dict[str, Passes]:
    """Of the bundles of two classes and of three."""
    resized = [extractor.resize(film.pixels[None, :, :, None]) for film in films]
    networks = {name: build_network(extractor, head) for name, head in bundles.heads.items()}
    return {name: Passes(network, [network(film) for film in resized]) for name, network in networks.items()}


def _grad_cam(after: Any, feature_map: Any, label: int) -> np.ndarray:
    with tf.GradientTape() as tape:
        tape.watch(feature_map)
        logits = after(feature_map)[0]
        others = [logits[other] for other in range(len(logits)) if other != label]
        score = logits[label] - tf.add_n(others) / len(others)
    weights = tf.reduce_mean(tape.gradient(score, feature_map), axis=(1, 2))
    heat = tf.nn.relu(tf.reduce_sum(feature_map * weights, axis=-1))[0].numpy()
    return heat / heat.max() if heat.max() > 0 else heat


def _largest_difference(passes: Passes, predictions: Sequence[Any]) -> float:
    labels = [prediction.labels.index(prediction.heatmap_label) for prediction in predictions]
    differences = []
    for prediction, expected in zip(predictions, passes.grad_cams(labels), strict=True):
        assert prediction.heatmap.shape == expected.shape
        assert prediction.heatmap.min() >= 0
        assert prediction.heatmap.max() <= 1
        differences.append(np.abs(prediction.heatmap - expected).max())
    return max(differences)


def test_it_is_grad_cam_of_the_positive_class_behind_a_hidden_layer(
    predictor: Predictor, passes: dict[str, Passes], films: list[Radiograph]
) -> None:
    predictions = predictor.predict(films, heatmaps=True)
    assert _largest_difference(passes["two"], predictions) <= 1e-4
    assert {prediction.heatmap_label for prediction in predictions} == {"PNEUMONIA"}


def test_it_is_grad_cam_of_the_likeliest_of_three_classes_without_a_hidden_layer(
    predictor_of_three: Predictor, passes: dict[str, Passes], films: list[Radiograph]
) -> None:
    predictions = predictor_of_three.predict(films, heatmaps=True)
    assert _largest_difference(passes["three"], predictions) <= 1e-4
    for prediction in predictions:
        assert prediction.heatmap_label == prediction.verdict


@pytest.mark.parametrize(("name", "label"), [("two", 0), ("two", 1), ("three", 0), ("three", 1), ("three", 2)])
def test_it_is_grad_cam_of_every_class(name: str, label: int, passes: dict[str, Passes], bundles: Any) -> None:
    gradient, outputs = DenseHead.of(bundles.heads[name]).gradient, passes[name].outputs
    expected = passes[name].grad_cams([label] * len(outputs))
    assert any(heat.max() == 1 for heat in expected)
    for one, heat in zip(outputs, expected, strict=True):
        found = closed_form_heatmap(one["feature_map"][0].numpy(), gradient(one["embedding"][0].numpy(), label))
        assert np.abs(found - heat).max() <= 1e-4


def test_a_head_that_pools_over_the_lungs_looks_within_them(
    lung_predictor: Predictor, lung_bundle: Bundle, samples: list[Radiograph]
) -> None:
    """At each place it is the gradient of the score times the map, by automatic differentiation; drawn finer than the map.

    That is what Grad-CAM weighs where places have weights of their own (HiResCAM, Draelos & Carin 2020, arXiv:2011.08891).
    """
    head = load_head(lung_bundle)
    for film, prediction in zip(samples, lung_predictor.predict(samples, heatmaps=True), strict=True):
        [lungs] = lung_predictor.find_lungs([film.pixels])
        assert prediction.heatmap.shape == lungs.weights.shape == (28, 28)
        assert not prediction.heatmap[lungs.weights == 0].any()
        assert prediction.heatmap.max() == 1
        features = lung_predictor.engine.run(lung_field(film.pixels, lungs.judged, 224)[None])
        feature_map = tf.constant(features.feature_map)
        with tf.GradientTape() as tape:
            tape.watch(feature_map)
            embedding = LungMean()([feature_map, lungs.weights[None]])
            logits = head.to_keras(lung_bundle.spec.head)(embedding)[0]
            score = logits[1] - logits[0]
        expected = np.maximum((tape.gradient(score, feature_map) * feature_map).numpy().sum(axis=-1)[0], 0)
        everywhere = head_heatmap(head, features.feature_map[0], embedding[0].numpy(), 1)
        within = everywhere * place_weights(lungs.weights[None], 14, 14)[0]
        assert within / within.max() == pytest.approx(expected / expected.max(), abs=1e-4)
        drawn = np.asarray(Image.fromarray(everywhere).resize((28, 28), Image.Resampling.BICUBIC)).clip(0, 1)
        drawn = drawn * lungs.weights
        assert prediction.heatmap == pytest.approx(drawn / drawn.max(), abs=1e-3)


def test_no_heatmap_is_made_unasked(predictor: Predictor, films: list[Radiograph]) -> None:
    [prediction] = predictor.predict(films[:1])
    assert (prediction.heatmap, prediction.heatmap_label) == (None, None)


def test_where_nothing_speaks_for_the_class_the_heatmap_is_zero() -> None:
    assert not closed_form_heatmap(np.ones((7, 7, 3), np.float32), -np.ones(3, np.float32)).any()


def _heat() -> np.ndarray:
    heat = np.zeros((7, 7), np.float32)
    heat[1, 5] = 1
    return heat


def test_without_opacity_the_film_is_left_as_it_is(films: list[Radiograph]) -> None:
    film = films[1].pixels
    drawn = np.asarray(overlay(film, _heat(), opacity=0))
    assert np.array_equal(drawn, np.repeat(film[..., None], 3, axis=-1))


def test_colour_appears_where_the_heat_is(films: list[Radiograph]) -> None:
    film = films[1].pixels
    changed = np.abs(np.asarray(overlay(film, _heat(), opacity=1)).astype(int) - film[..., None]).sum(-1)
    row, column = np.unravel_index(changed.argmax(), changed.shape)
    height, width = film.shape
    assert (row * 7 // height, column * 7 // width) == (1, 5)
    assert changed[height // 2 :, : width // 2].max() <= 3  # far from it, the film stays


@pytest.mark.parametrize("shape", [(64, 400), (3000, 1000), (32, 32)])
def test_a_drawing_keeps_the_shape_of_the_film_and_is_never_huge(shape: tuple[int, int]) -> None:
    drawn = overlay(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8), _heat())
    assert max(drawn.size) == min(max(shape), 1024)
    assert drawn.height / drawn.width == pytest.approx(shape[0] / shape[1], rel=0.02)
    assert drawn.mode == "RGB"


@pytest.mark.parametrize("opacity", [-0.01, 1.01, float("nan")])
def test_opacity_is_inside_zero_and_one(opacity: float) -> None:
    with pytest.raises(ValueError, match=r"opacity must be in \[0, 1\]"):
        overlay(np.zeros((32, 32), np.uint8), _heat(), opacity=opacity)
