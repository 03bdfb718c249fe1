"""Bundles and films for the pages."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app.samples import read_sample, sample_names
from app.session import served_bundle
from models.backbones.table import Backbone, get_backbone
from models.backbones.weights import find_weights
from models.bundle import BUNDLES_VARIABLE, HEAD_FILE, BackboneRef, BundleSpec, save_bundle
from models.calibration import Calibration
from models.films.radiograph import read_radiograph
from models.gate import Gate, GateThresholds
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
def make_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BundleSpec]:
    """Make a bundle of three classes and no positive one, with or without a gate, the current one."""

    def make(gate: GateThresholds | None = None) -> BundleSpec:
        monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path))
        backbone = get_backbone("efficientnet_lite0")
        spec = untrained_bundle(backbone, gate)
        head = build_head(backbone.embedding_size, len(CLASSES), spec.head)
        size = backbone.embedding_size
        plane = np.zeros(size, np.float32), np.ones(size, np.float32), np.eye(1, size, dtype=np.float32)

        def write(folder: Path) -> None:
            head.save_weights(str(folder / HEAD_FILE))
            if gate:
                Gate(*plane, residual=1.0, thresholds=gate).save(folder)

        save_bundle(spec, write)
        (tmp_path / "CURRENT").write_text(spec.name, encoding="utf-8")
        return spec

    return make


def untrained_bundle(backbone: Backbone, gate: GateThresholds | None) -> BundleSpec:
    """What the bundle.json of a bundle says that nothing was learnt for."""
    weights = find_weights(backbone)
    return BundleSpec(
        name="three",
        labels=CLASSES,
        positive=None,
        backbone=BackboneRef(backbone.id, weights.sha256, weights.source, None),
        head=HeadConfig(width=0, dropout=0.0),
        calibration=Calibration.identity(len(CLASSES)),
        operating_points=(),
        default_operating_point=None,
        data={"images": dict.fromkeys(CLASSES, 10), "population": "not stated"},
        metrics={"out_of_fold": {"accuracy": None}, "leave_batch_out": None, "test_split": None},
        training={"seed": 0},
        versions={"keras": "3"},
        created="2026-01-01T00:00:00+00:00",
        gate=gate,
    )


@pytest.fixture
def make_film() -> Callable[..., bytes]:
    """Take the synthetic films in turn, as PNG and at any width; the same number is the same film."""

    def make(number: int = 0, *, width: int = 300) -> bytes:
        pixels = read_radiograph(read_sample(sample_names()[number])).pixels
        film = Image.fromarray(pixels).resize((width, round(width * pixels.shape[0] / pixels.shape[1])))
        stream = io.BytesIO()
        film.save(stream, "PNG")
        return stream.getvalue()

    return make
