"""A tiny but real bundle of each kind: the vendored backbone, and a head whose numbers come from a seed."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.backbones.table import get_backbone
from models.backbones.weights import WEIGHTS_VARIABLE, find_weights
from models.bundle import BUNDLES_VARIABLE, HEAD_FILE, BackboneRef, Bundle, BundleSpec, load_bundle, save_bundle
from models.calibration import Calibration
from models.films.radiograph import Radiograph
from models.head import HeadConfig, build_head
from models.prediction import OperatingPoint
from models.predictor import Predictor

POINT = OperatingPoint("balanced", 0.6, sensitivity=(0.9, 0.8, 1.0), specificity=(0.9, 0.8, 1.0))


@dataclass(frozen=True)
class Bundles:
    """Two verified bundles in one folder, with the heads that they were saved from."""

    root: Path
    two: Bundle
    three: Bundle
    heads: dict[str, Any]


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a developer has set must not decide a test; and 127.0.0.1 is never reached through a proxy."""
    monkeypatch.delenv(WEIGHTS_VARIABLE, raising=False)
    monkeypatch.delenv(BUNDLES_VARIABLE, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="session")
def spec() -> BundleSpec:
    """Two classes, a hidden layer, Platt scaling."""
    weights = find_weights(get_backbone("efficientnet_lite0"))
    return BundleSpec(
        name="two",
        labels=("NORMAL", "PNEUMONIA"),
        positive="PNEUMONIA",
        backbone=BackboneRef("efficientnet_lite0", weights.sha256, weights.source, None),
        head=HeadConfig(width=8, dropout=0.3, pooling="mean"),
        calibration=Calibration("platt", 0.7, (0.0, -0.4), prevalence=0.5, covariance=(0.01, 0.0, 0.04)),
        operating_points=(
            replace(POINT, name="rule_out", threshold=0.5, promise=0.95),
            POINT,
            replace(POINT, name="rule_in", threshold=0.7, promise=0.95),
        ),
        default_operating_point="balanced",
        data={"images": {"NORMAL": 10, "PNEUMONIA": 12}},
        metrics={"out_of_fold": {"auroc": [0.99, 0.98, 1.0]}},
        training={"seed": 0, "views": 2},
        versions={"keras": "3"},
        created="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture(scope="session")
def bundles(spec: BundleSpec, tmp_path_factory: pytest.TempPathFactory) -> Bundles:
    """`two`, and `three`: three classes, no hidden layer, temperature scaling."""
    root = tmp_path_factory.mktemp("bundles")
    three = replace(
        spec,
        name="three",
        labels=("NORMAL", "BACTERIA", "VIRUS"),
        positive=None,
        head=HeadConfig(width=0, dropout=0.0, pooling="mean"),
        calibration=Calibration("temperature", 0.5, (0.0, 0.0, 0.0)),
        operating_points=(),
        default_operating_point=None,
    )
    heads = {each.name: seeded_head(each) for each in (spec, three)}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(BUNDLES_VARIABLE, str(root))
        for each in (spec, three):
            save_bundle(each, lambda folder, head=heads[each.name]: head.save_weights(str(folder / HEAD_FILE)))
        return Bundles(root, load_bundle("two"), load_bundle("three"), heads)


@pytest.fixture(scope="session")
def lung_bundle(spec: BundleSpec, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """`lungs`: like `two`, of the lung field, pooled over the lungs."""
    lungs = replace(
        spec,
        name="lungs",
        field="lungs",
        head=HeadConfig(width=8, dropout=0.3, pooling="lungs"),
        # Its logits of films lie round −5.6; probabilities near 0 or 1 would be alike whatever came before them.
        calibration=replace(spec.calibration, bias=(0.0, 0.7 * 5.6)),
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(BUNDLES_VARIABLE, str(tmp_path_factory.mktemp("bundles")))
        save_bundle(lungs, lambda folder: seeded_head(lungs).save_weights(str(folder / HEAD_FILE)))
        return load_bundle("lungs")


@pytest.fixture(scope="session")
def lung_predictor(lung_bundle: Bundle) -> Predictor:
    """The bundle of the lung field, loaded; in float32, like exported networks."""
    return Predictor(lung_bundle, engine="openvino-f32")


@pytest.fixture(scope="session")
def extractor() -> Any:
    """The vendored backbone, built apart from any predictor."""
    from models.backbones.feature_extractor import build_feature_extractor

    backbone = get_backbone("efficientnet_lite0")
    return build_feature_extractor(backbone, find_weights(backbone))


@pytest.fixture(scope="session")
def predictor(bundles: Bundles) -> Predictor:
    """The bundle of two classes, loaded."""
    return Predictor(bundles.two)


@pytest.fixture(scope="session")
def predictor_of_three(bundles: Bundles) -> Predictor:
    """The bundle of three classes, loaded."""
    return Predictor(bundles.three)


@pytest.fixture(scope="session")
def films(make_film: Callable[..., Radiograph]) -> list[Radiograph]:
    """Five films of different sizes, in which the heads see different things."""
    sizes = ((224, 224), (300, 250), (64, 400), (512, 333), (97, 101))
    return [make_film(seed, height, width) for seed, (height, width) in enumerate(sizes)]


@pytest.fixture(scope="session")
def make_film() -> Callable[..., Radiograph]:
    """Make a smooth picture from a seed; no radiograph, but decoded like one."""

    def make(seed: int = 0, height: int = 240, width: int = 200) -> Radiograph:
        dice = np.random.default_rng(seed)
        rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
        waves = sum(np.sin(2 * np.pi * (a * rows + b * columns + c)) for a, b, c in dice.uniform(0, 5, (4, 3)))
        pixels = np.round(127 + 30 * waves).clip(0, 255).astype(np.uint8)
        return Radiograph(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), "PNG", {})

    return make


def seeded_head(spec: BundleSpec) -> Any:
    """A head whose numbers, biases included, let the films differ in their verdicts; the seed was chosen for that."""
    size = spec.head.input_size(get_backbone(spec.backbone.id).embedding_size)
    head = build_head(size, len(spec.labels), spec.head)
    dice = np.random.default_rng(22)
    for layer in head.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            layer.set_weights(
                [3 * dice.normal(size=kernel.shape) / kernel.shape[0] ** 0.5, dice.normal(size=bias.shape)]
            )
    return head
