"""The residual networks are those of the papers, number for number."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from keras import ops

from benchmarks.architecture import PAPER_CIFAR_PARAMETERS, PAPER_MULTIPLY_ADDS, count
from models.backbones.residual import (
    basic_unit,
    bottleneck_unit,
    cifar_resnet,
    digit_network,
    preactivation_unit,
    resnet,
    resnet_features,
)
from models.backbones.weightless import weightless
from models.backbones.weights import load_keras_file

THEIRS = {50: keras.applications.ResNet50, 101: keras.applications.ResNet101, 152: keras.applications.ResNet152}
UNITS = {"basic": basic_unit, "bottleneck": bottleneck_unit, "preactivation": preactivation_unit}
SMALL = (32, 32, 3)
FREE = {"kernel_initializer", "momentum"}
"""Settings of a layer that decide where training starts and how fast statistics follow it, and no output."""


def shuffle_weights(model: Any, seed: int) -> None:
    """Random weights everywhere, statistics of batch normalisation included, that keep the numbers in bounds."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (weight.shape for weight in layer.weights)
            drawn = [random.uniform(0.5, 1, gamma), random.normal(size=beta), random.normal(size=mean)]
            layer.set_weights([*drawn, random.uniform(1, 2, variance)])
        elif layer.weights:
            kernel, *bias = (weight.shape for weight in layer.weights)
            scale = np.sqrt(2 / np.prod(kernel[:-1]))
            layer.set_weights([scale * random.normal(size=kernel), *(random.normal(size=shape) for shape in bias)])


class Description(NamedTuple):
    """What there is to know of a network without running it."""

    counts: Any
    graph: dict[str, Any]


@cache
def described(depth: int) -> Description:
    """Of `resnet(depth)`."""
    with weightless():
        network = resnet(depth)
    return Description(count(network), graph(network))


def graph(model: Any) -> dict[str, Any]:
    """Of each layer but the input: kind, what feeds it, shapes of weights, and all settings that outputs depend on."""
    described_layers = zip(model.get_config()["layers"][1:], model.layers[1:], strict=True)
    return {
        layer.name: (
            config["class_name"],
            [name for name in sources(config["inbound_nodes"]) if name != model.layers[0].name],
            [tuple(weight.shape) for weight in layer.weights],
            {name: value for name, value in settings(config["config"]).items() if name not in FREE},
        )
        for config, layer in described_layers
    }


def sources(nodes: Any) -> list[str]:
    """The layers that some inbound nodes of a configuration name, in order."""
    if not isinstance(nodes, dict | list | tuple):
        return []
    if isinstance(nodes, dict) and "keras_history" in nodes:
        return [nodes["keras_history"][0]]
    return [name for part in (nodes.values() if isinstance(nodes, dict) else nodes) for name in sources(part)]


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """A layer's configuration, equal where the output is: a kernel of one place needs no padding, channels are last."""
    padding = {"padding": "valid"} if config.get("kernel_size") == (1, 1) else {}
    axis = {"axis": 3} if config.get("axis") == -1 else {}
    return {**config, **padding, **axis}


def difference(ours: Any, theirs: Any) -> float:
    """The largest relative difference of embedding and probabilities on two random pictures."""
    pictures = np.random.default_rng(0).normal(size=(2, *SMALL)).astype(np.float32)
    outputs = [
        keras.Model(model.input, [model.get_layer("avg_pool").output, model.output])(pictures)
        for model in (ours, theirs)
    ]
    pairs = [(a.numpy(), b.numpy()) for a, b in zip(*outputs, strict=True)]
    assert all(np.isfinite(b).all() and b.std() > 0 for _, b in pairs)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


class Pair(NamedTuple):
    """The same network, built by two."""

    ours: Any
    theirs: Any


@pytest.fixture(scope="module")
def pair() -> Pair:
    """Of 50 layers; whoever takes it gives one of them numbers of its own first."""
    return Pair(resnet(50, input_shape=SMALL, classes=10), THEIRS[50](weights=None, input_shape=SMALL, classes=10))


def test_a_weight_file_of_keras_applications_gives_the_same_output_in_ours(pair: Pair, tmp_path: Path) -> None:
    assert pair.ours.count_params() == pair.theirs.count_params()
    shuffle_weights(pair.theirs, seed=50)
    assert difference(*pair) > 0.1
    pair.theirs.save_weights(tmp_path / "theirs.weights.h5")
    load_keras_file(pair.ours, tmp_path / "theirs.weights.h5")
    assert difference(*pair) <= 1e-5


@pytest.mark.parametrize("depth", THEIRS)
def test_layer_by_layer_the_graph_is_that_of_keras_applications(depth: int) -> None:
    """So what is loaded into 50 layers, and what it gives, is so at every depth."""
    with weightless():
        theirs = graph(THEIRS[depth](weights=None, input_shape=SMALL))
    assert described(depth).graph == theirs
    assert list(described(depth).graph) == list(theirs), "in the order in which weights are saved"


def test_a_weight_file_of_ours_gives_the_same_output_in_keras_applications(pair: Pair, tmp_path: Path) -> None:
    shuffle_weights(pair.ours, seed=1)
    assert difference(*pair) > 0.1
    pair.ours.save_weights(tmp_path / "ours.weights.h5")
    load_keras_file(pair.theirs, tmp_path / "ours.weights.h5")
    assert difference(*pair) <= 1e-5


@pytest.mark.parametrize("depth", PAPER_MULTIPLY_ADDS)
def test_layers_and_multiply_adds_are_those_of_table_1(depth: int) -> None:
    counts = described(depth).counts
    assert counts.layers == depth
    assert counts.multiply_adds == pytest.approx(PAPER_MULTIPLY_ADDS[depth], rel=0.02)


@pytest.mark.parametrize(("depth", "parameters"), [(18, 11_689_512), (34, 21_797_672), (50, 25_583_592)])
def test_parameters_are_the_well_known_ones(depth: int, parameters: int) -> None:
    """18 and 34 layers as torchvision's table of models gives them; 50 as Keras', with its idle biases."""
    assert described(depth).counts.parameters == parameters


@pytest.mark.parametrize("depth", PAPER_CIFAR_PARAMETERS)
def test_cifar_networks_have_the_parameters_of_table_6(depth: int) -> None:
    with weightless():
        counts, twin = count(cifar_resnet(depth)), count(cifar_resnet(depth, shortcut="none"))
    assert counts.layers == twin.layers == depth
    assert round(counts.parameters / 1e6, 1 if depth == 110 else 2) == PAPER_CIFAR_PARAMETERS[depth] / 1e6
    assert counts == twin, "padded shortcuts have no parameters and multiply nothing"


def test_an_entry_stride_of_2_gives_pictures_of_64_pixels_the_maps_of_32() -> None:
    with weightless():
        usual, larger = cifar_resnet(20), cifar_resnet(20, input_shape=(64, 64, 3), entry_stride=2)
    assert count(larger) == count(usual)


def built(unit: str, *, channels: int, filters: int, stride: int, shortcut: Any) -> Any:
    """A unit alone, as a model with random weights."""
    inputs = keras.Input((6, 6, channels))
    model = keras.Model(inputs, UNITS[unit](inputs, filters, name="u", stride=stride, shortcut=shortcut))
    shuffle_weights(model, seed=3)
    return model


def reference(model: Any, unit: str, x: Any, *, stride: int, shortcut: str, slip: str = "") -> np.ndarray:
    """What the papers' figures say, written down once more; `slip` gives a step the unit's input in place of what came."""

    def at(layer: str, tensor: Any) -> Any:
        return model.get_layer(f"u_{layer}")(tensor)

    def conv(number: int, tensor: Any) -> Any:
        layer = model.get_layer(f"u_{number}_conv")
        if layer.strides[0] > 1 and layer.kernel_size[0] > 1:
            tensor = ops.pad(tensor, [(0, 0), (1, 1), (1, 1), (0, 0)])
        return layer(tensor)

    past, run = x, x
    if unit == "preactivation":
        run = ops.relu(x if slip == "relu" else at("preact_bn", x))
        past = run if shortcut == "projection" and "u_0_conv" in names(model) else x
        run = ops.relu(at("1_bn", conv(1, run)))
        run = conv(2, x if slip == "conv" else run)
    else:
        run = ops.relu(x if slip == "relu" else at("1_bn", conv(1, run)))
        run = at("2_bn", conv(2, x if slip == "conv" else run))
        if unit == "bottleneck":
            run = at("3_bn", conv(3, ops.relu(run)))
    if shortcut == "projection" and "u_0_conv" in names(model):
        past = conv(0, past)
        past = past if unit == "preactivation" else at("0_bn", past)
    elif shortcut == "padding":
        past = ops.pad(past[:, ::stride, ::stride], [(0, 0), (0, 0), (0, 0), (0, run.shape[-1] - past.shape[-1])])
    out = run if shortcut == "none" else past + run
    return np.asarray(out if unit == "preactivation" else ops.relu(out))


def names(model: Any) -> set[str]:
    return {layer.name for layer in model.layers}


def pictures(channels: int) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(3, 6, 6, channels)).astype(np.float32)


@pytest.mark.parametrize("shortcut", ["projection", "padding", "none"])
@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (8, 2), (4, 1)], ids=["same shape", "half size", "wider"])
@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_computes_what_the_paper_draws(unit: str, channels: int, stride: int, shortcut: str) -> None:
    filters = 2 if unit == "bottleneck" else 8
    model = built(unit, channels=channels, filters=filters, stride=stride, shortcut=shortcut)
    x = pictures(channels)
    expected = reference(model, unit, x, stride=stride, shortcut=shortcut)
    assert model.output_shape == (None, 6 // stride, 6 // stride, 8)
    np.testing.assert_allclose(model(x).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("shortcut", ["projection", "none"])
@pytest.mark.parametrize("slip", ["relu", "conv"])
@pytest.mark.parametrize("unit", ["basic", "preactivation"])
def test_each_step_takes_the_running_tensor_and_not_the_input(unit: str, slip: str, shortcut: str) -> None:
    """A slip found in published code: ReLU, or the second convolution, is given the unit's input."""
    model, x = built(unit, channels=8, filters=8, stride=1, shortcut=shortcut), pictures(8)
    slipped = reference(model, unit, x, stride=1, shortcut=shortcut, slip=slip)
    assert np.abs(model(x).numpy() - slipped).max() > 0.1


@pytest.mark.parametrize("unit", UNITS)
def test_a_plain_twin_has_the_same_layers_without_the_shortcut(unit: str) -> None:
    residual, plain = (
        names(built(unit, channels=4, filters=8, stride=2, shortcut=shortcut)) for shortcut in ("projection", "none")
    )
    past = {"u_0_conv", "u_add"} | ({"u_0_bn"} if unit != "preactivation" else set())
    inputs = {name for name in residual | plain if "input" in name}
    assert residual - plain - inputs == past
    assert plain - residual - inputs == set()


def test_the_digit_network_is_as_described() -> None:
    model = digit_network()
    filters = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert filters.count(8) == 1
    assert [filters.count(width) for width in (16, 32, 64)] == [5, 5, 5], "two units of two, and one projection"
    pools = [layer.output.shape[1] for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert pools == [14, 7]
    assert [layer.units for layer in model.layers if isinstance(layer, keras.layers.Dense)] == [128, 10]
    probability = model(np.zeros((2, 28, 28, 1), np.float32)).numpy()
    assert probability.sum(1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("build", "rule"),
    [
        (lambda: resnet_features(keras.Input(SMALL), 20), r"one of 18, 34, 50, 101, 152\. Received: 20"),
        (lambda: cifar_resnet(18), r"6n \+ 2 .*Received: 18"),
        (lambda: cifar_resnet(2), "Received: 2"),
    ],
)
def test_a_depth_that_the_papers_do_not_have_is_refused(build: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        build()
