"""Bundles and films for the pages."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.session import served_bundle
from models.backbones import get_backbone
from models.backbones.weights import find_weights
from models.bundle import BUNDLES_VARIABLE, HEAD_FILE, BackboneRef, BundleSpec, save_bundle
from models.calibration import Calibration
from models.head import HeadConfig, build_head
from models.predictor import Predictor

MAIN = Path(__file__).parents[2] / "app/main.py"
CLASSES = ("NORMAL", "BACTERIA", "VIRUS")


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """The shipped bundle, loaded."""
    return Predictor.load()


@pytest.fixture
def open_app() -> Iterator[Callable[[], AppTest]]:
    """Open the app as a visitor would; what the server keeps of a bundle starts anew with each test."""

    def start() -> AppTest:
        served_bundle.clear()
        return AppTest.from_file(MAIN, default_timeout=120).run()

    yield start
    served_bundle.clear()


@pytest.fixture
def three_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BundleSpec:
    """A bundle of three classes and no positive one, made the current one."""
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path))
    backbone = get_backbone("efficientnet_lite0")
    weights = find_weights(backbone)
    config = HeadConfig(width=0, dropout=0.0)
    spec = BundleSpec(
        name="three",
        labels=CLASSES,
        positive=None,
        backbone=BackboneRef(backbone.id, weights.sha256, weights.source, None),
        head=config,
        calibration=Calibration.identity(len(CLASSES)),
        operating_points=(),
        default_operating_point=None,
        data={"images": dict.fromkeys(CLASSES, 10), "population": "not stated"},
        metrics={"out_of_fold": {"accuracy": None}, "leave_batch_out": None, "test_split": None},
        training={"seed": 0},
        versions={"keras": "3"},
        created="2026-01-01T00:00:00+00:00",
    )
    head = build_head(backbone.embedding_size, len(CLASSES), config)
    save_bundle(spec, lambda folder: head.save_weights(str(folder / HEAD_FILE)))
    (tmp_path / "CURRENT").write_text("three\n", encoding="utf-8")
    return spec


@pytest.fixture
def make_film() -> Callable[..., bytes]:
    """Make a picture that is no radiograph, but read like one."""

    def make(seed: int = 0, *, width: int = 300, height: int = 240) -> bytes:
        rows, columns = np.mgrid[0:height, 0:width]
        pixels = 127 + 90 * np.sin(rows / (20 + seed)) * np.cos(columns / 30)
        stream = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
        return stream.getvalue()

    return make
