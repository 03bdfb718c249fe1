"""A tiny folder of synthetic films, and a bundle trained on it once through the command line."""

import io
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from matplotlib.figure import Figure
from PIL import Image

from models.backbones.feature_extractor import FeatureExtractor, build_feature_extractor
from models.backbones.table import get_backbone
from models.backbones.weights import WEIGHTS_VARIABLE, WeightsFile, find_weights
from models.bundle import BUNDLES_VARIABLE, Bundle, load_bundle
from models.engines.engine import Engine
from models.engines.load import load_engine
from tests.training.films import write_film, write_published
from training.__main__ import main
from training.plots import canvas, judged_plots

FAST = (
    "--backbone",
    "efficientnet_lite0",
    "--field",
    "film",
    "--views",
    "1",
    "--folds",
    "2",
    "--epochs",
    "12",
    "--width",
    "8",
    "--pooling",
    "mean",
)
QUICK_HEAD = ("--learning-rate", "0.01")


class Ran(NamedTuple):
    """What a command did: its exit status, and what it printed."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Workshop:
    """Folders for bundles, embeddings and runs, and the command that works in them."""

    root: Path
    draws: bool = True

    @property
    def quick(self) -> "Workshop":
        """The same with empty pictures: to draw them takes longer than all else of a run whose films are embedded already."""
        return replace(self, draws=False)

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    def run(self, *arguments: object) -> Ran:
        """`python -m training …` in this process."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as environment, redirect_stdout(out), redirect_stderr(err):
            environment.setenv(BUNDLES_VARIABLE, str(self.bundles))
            environment.setenv("COLUMNS", "200")
            environment.delenv(WEIGHTS_VARIABLE, raising=False)
            for module in (canvas, judged_plots):  # how large plots are is asked of themselves, in tests/training/plots
                environment.setattr(module, "DOTS_PER_INCH", 40)
            environment.setattr(judged_plots, "SHEET_DOTS_PER_INCH", 60)
            if not self.draws:
                environment.setattr(Figure, "savefig", _save_empty)
            try:
                status = main([str(argument) for argument in arguments])
            except SystemExit as error:
                status = int(error.code or 0)
        return Ran(status, out.getvalue(), err.getvalue())

    def train(self, data: Path, name: str, *options: object) -> Ran:
        """`train` with few epochs, one view and two folds; later options win."""
        places = ("--cache", self.cache, "--runs", self.runs)
        return self.run("train", data, "--name", name, *FAST, *QUICK_HEAD, *places, *options)

    def evaluate(self, name: str, data: Path, out: Path, *options: object) -> Ran:
        return self.run("evaluate", name, data, "--out", out, "--cache", self.cache, *options)

    def load(self, name: str) -> Bundle:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv(BUNDLES_VARIABLE, str(self.bundles))
            return load_bundle(name)

    def report(self, name: str) -> Any:
        return json.loads((self.bundles / name / "report.json").read_text())

    def card(self, name: str) -> str:
        return (self.bundles / name / "MODEL_CARD.md").read_text(encoding="utf-8")

    def shards(self) -> dict[str, int]:
        """The files of embeddings, and when each was written."""
        return {path.name: path.stat().st_mtime_ns for path in self.cache.rglob("*-*/*.parquet")}


def _save_empty(figure: Figure, path: Path, **how: object) -> None:
    Image.new("L", (1, 1)).save(path, "PNG")


@dataclass(frozen=True)
class Trained:
    """A bundle, what the command said while making it, and its folder of films."""

    name: str
    data: Path
    ran: Ran


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 films of each class, of 12 patients each, half of these in each of two batches."""
    return write_published(tmp_path_factory.mktemp("films"), images=24)


@pytest.fixture(scope="session")
def trained(workshop: Workshop, films: Path) -> Trained:
    """The bundle `first`."""
    ran = workshop.quick.train(films, "first")
    assert ran.status == 0, ran.err
    return Trained("first", films, ran)


@pytest.fixture(scope="session")
def trained_on_three(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The bundle `three`: 12 films of each of three classes, of unknown patients."""
    root = tmp_path_factory.mktemp("three")
    for number in range(12):
        for label, opacity in (("CLEAR", 0.0), ("CLOUDY", 1.0), ("WHITE", 3.0)):
            write_film(root / label / f"{number}.png", number + round(1000 * opacity), opacity)
    ran = workshop.train(root, "three", "--views", 0, "--epochs", 20)
    assert ran.status == 0, ran.err
    return Trained("three", root, ran)


@pytest.fixture(scope="session")
def weights() -> WeightsFile:
    """The vendored weights."""
    return find_weights(get_backbone("efficientnet_lite0"))


@pytest.fixture(scope="session")
def engine(weights: WeightsFile) -> Engine:
    """What runs the vendored backbone where there is no GPU."""
    return load_engine(get_backbone("efficientnet_lite0"), weights, engine="openvino")


@pytest.fixture(scope="session")
def extractor(weights: WeightsFile) -> FeatureExtractor:
    """The vendored backbone; no test changes it."""
    return build_feature_extractor(get_backbone("efficientnet_lite0"), weights)


@contextmanager
def untraced_networks() -> Iterator[None]:
    """Networks run one operation after the other: to trace and optimise their graphs takes longer than a few small steps."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    with warnings.catch_warnings():
        # Batches are made by Python anyway.
        warnings.filterwarnings("ignore", "Even though the .* does not apply to tf.data functions", UserWarning)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)


@pytest.fixture
def untraced() -> Iterator[None]:
    """As `untraced_networks`, for a test."""
    with untraced_networks():
        yield
