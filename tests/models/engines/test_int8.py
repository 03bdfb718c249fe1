"""A backbone in int8: quantised once, kept in one file, the same on every call, and refused where it cannot run."""

import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.__main__ import main
from models.backbones.table import get_backbone
from models.backbones.weights import WeightsFile, find_weights
from models.bundle import BUNDLES_VARIABLE, HEAD_FILE, BackboneRef, Bundle, BundleSpec, load_bundle, save_bundle
from models.engines.engine import Engine
from models.engines.int8 import Int8Error, is_int8, read_origin
from models.engines.load import load_engine
from models.engines.openvino_engine import probe_films, smallest_cosine
from models.engines.quantise import kept_int8, quantise_backbone, require_nncf
from models.export import SUFFIXES, export_bundle
from models.films.radiograph import Radiograph, read_radiograph
from models.predictor import Predictor
from models.system.files import digest

pytestmark = pytest.mark.skipif(not find_spec("nncf"), reason="NNCF is not installed (requirements-int8.txt)")

SAMPLES = Path(__file__).parents[3] / "data_samples"
LITE = get_backbone("efficientnet_lite0")
FIELD = "a test's"


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.float32]:
    return probe_films(LITE.input_size)


@pytest.fixture(scope="module")
def weights(pixels: NDArray[np.float32]) -> WeightsFile:
    """The vendored backbone in int8; like one that is converted, it is found in the cache the second time."""
    films = {f"{number}": film for number, film in enumerate(pixels)}
    return kept_int8(LITE, find_weights(LITE), FIELD, films) or quantise_backbone(
        LITE, find_weights(LITE), FIELD, films
    )


@pytest.fixture(scope="module")
def engine(weights: WeightsFile) -> Engine:
    return load_engine(LITE, weights)


@pytest.fixture
def bundle_in_int8(
    weights: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Bundle, Any], Bundle]:
    """Make the bundle `small`: another one's head on the backbone in int8."""

    def make(like: Bundle) -> Bundle:
        reference = BackboneRef(LITE.id, weights.sha256, weights.source, "backbone.int8")
        spec: BundleSpec = replace(like.spec, name="small", backbone=reference)

        def write(folder: Path) -> None:
            (folder / HEAD_FILE).write_bytes(like.head_file.read_bytes())
            (folder / "backbone.int8").write_bytes(weights.path.read_bytes())

        monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path / "bundles"))
        save_bundle(spec, write)
        return load_bundle("small")

    return make


def test_it_sees_nearly_what_the_exact_one_sees(engine: Engine, pixels: NDArray[np.float32]) -> None:
    exact = load_engine(LITE, find_weights(LITE), engine="openvino-f32").run(pixels)
    found = engine.run(pixels)
    assert (engine.name, engine.precision) == ("openvino", "int8")
    assert found.feature_map.shape == exact.feature_map.shape
    assert 0.98 <= smallest_cosine(found.pooled, exact.pooled) < 0.99999


def test_many_films_are_seen_as_each_alone_and_by_either_name_of_the_engine(
    engine: Engine, weights: WeightsFile, pixels: NDArray[np.float32]
) -> None:
    together = engine.run(pixels)
    alone = np.concatenate([engine.run(film[None]).pooled for film in pixels])
    assert np.allclose(together.pooled, alone, atol=1e-3)
    assert np.array_equal(
        load_engine(LITE, weights, engine="openvino-f32").run(pixels[:1]).pooled, engine.run(pixels[:1]).pooled
    )


def test_the_file_may_go_once_it_is_loaded(
    engine: Engine, weights: WeightsFile, pixels: NDArray[np.float32], tmp_path: Path
) -> None:
    """As on a worker of a cluster, which is sent it and has it for a while."""
    sent = replace(weights, path=tmp_path / "sent.int8")
    sent.path.write_bytes(weights.path.read_bytes())
    loaded = load_engine(LITE, sent)
    sent.path.unlink()
    assert np.array_equal(loaded.run(pixels[:1]).pooled, engine.run(pixels[:1]).pooled)


def test_a_folder_that_grows_keeps_its_backbone(weights: WeightsFile) -> None:
    films = read_origin(LITE, weights).films
    exact = find_weights(LITE)
    assert read_origin(LITE, weights).weights_sha256 == exact.sha256
    assert kept_int8(LITE, exact, FIELD, [*films, "another"]) == weights
    assert kept_int8(LITE, exact, FIELD, films[1:]) is None
    assert kept_int8(LITE, exact, "another field", films) is None


def test_one_that_is_damaged_in_the_cache_is_removed(weights: WeightsFile) -> None:
    content, spoilt = weights.path.read_bytes(), weights.path.with_name(f"0{weights.path.name}")
    spoilt.write_bytes(content[:50_000] + bytes(100) + content[50_100:])
    assert kept_int8(LITE, find_weights(LITE), FIELD, read_origin(LITE, weights).films) == weights
    assert not spoilt.exists()


def test_keras_does_not_run_it(weights: WeightsFile) -> None:
    assert is_int8(weights)
    with pytest.raises(Int8Error, match="Take the engine openvino or auto") as refused:
        load_engine(LITE, weights, engine="keras")
    assert refused.value.code == "int8_engine"


@pytest.mark.parametrize(
    ("spoilt", "backbone"),
    [
        (lambda content: content[:-30], LITE),
        (lambda content: content[:5000] + bytes(100) + content[5100:], LITE),
        (lambda content: b"", LITE),
        (lambda content: content, get_backbone("resnet50")),
    ],
    ids=["cut short", "overwritten", "empty", "of another backbone"],
)
def test_what_is_damaged_or_of_another_backbone_is_refused(
    spoilt: Callable[[bytes], bytes], backbone: Any, weights: WeightsFile, tmp_path: Path
) -> None:
    path = tmp_path / "backbone.int8"
    path.write_bytes(spoilt(weights.path.read_bytes()))
    with pytest.raises(Int8Error, match=rf"backbone\.int8 does not hold the backbone {backbone.id}") as refused:
        load_engine(backbone, WeightsFile(path, digest(path), "quantised"))
    assert refused.value.code == "int8_damaged"


def test_without_nncf_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    require_nncf()
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(Int8Error, match=r"pip install -r requirements-int8\.txt") as refused:
        require_nncf()
    assert refused.value.code == "no_nncf"


def test_films_that_cannot_be_calibrated_on_are_an_error_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(Int8Error, match=r"could not be quantised: .") as refused:
        quantise_backbone(LITE, find_weights(LITE), str(tmp_path), {"film": np.zeros((7, 7, 1), np.float32)})
    assert refused.value.code == "int8_not_made"
    assert kept_int8(LITE, find_weights(LITE), str(tmp_path), ["film"]) is None


def test_a_bundle_judges_and_draws_as_in_floating_point(bundle_in_int8: Any, lung_bundle: Bundle) -> None:
    films = [read_radiograph(path) for path in sorted(SAMPLES.glob("*.jpeg"))[:4]]
    exact = Predictor(lung_bundle, engine="openvino-f32").predict(films, heatmaps=True)
    small = Predictor(bundle_in_int8(lung_bundle)).predict(films, heatmaps=True)
    for one, other in zip(small, exact, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.1)
        assert one.probabilities != other.probabilities
        assert np.abs(one.heatmap - other.heatmap).mean() < 0.05


@pytest.mark.parametrize("field", ["film", "lungs"])
def test_it_is_exported_for_openvino(
    field: str, bundle_in_int8: Any, bundles: Any, lung_bundle: Bundle, tmp_path: Path
) -> None:
    import openvino

    bundle = bundle_in_int8(lung_bundle if field == "lungs" else bundles.two)
    path = export_bundle(bundle, "openvino", tmp_path / "new/small.xml")
    assert {written.name for written in path.parent.iterdir()} == {"small.xml", "small.bin"}
    judge = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    films = [read_radiograph(sample).pixels for sample in sorted(SAMPLES.glob("*.jpeg"))[:3]]
    for film, prediction in zip(
        films, Predictor(bundle).predict([Radiograph(film, "", "PNG", {}) for film in films]), strict=True
    ):
        assert judge(film[None, :, :, None])[0][0] == pytest.approx(prediction.probabilities, abs=0.02)


@pytest.mark.parametrize("format_name", [name for name in SUFFIXES if name != "openvino"])
def test_other_exports_are_refused(
    format_name: str, bundle_in_int8: Any, bundles: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle_in_int8(bundles.two)
    to = tmp_path / f"small{SUFFIXES[format_name]}"
    assert main(["export", "small", "--format", format_name, "--to", str(to)]) == 2
    assert f"error [int8_export]: A backbone in int8 can be exported as openvino alone. Received: {format_name}." in (
        capsys.readouterr().err
    )
    assert not to.exists()


def test_the_command_line_says_what_cannot_run_it(
    bundle_in_int8: Any, bundles: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle_in_int8(bundles.two)
    sample = str(SAMPLES / "normal_4.png")
    assert main(["predict", sample, "--bundle", "small", "--engine", "keras"]) == 2
    assert "error [int8_engine]: A backbone in int8 runs on OpenVINO alone." in capsys.readouterr().err
    assert main(["predict", sample, "--bundle", "small", "--require-gpu"]) == 1
    assert "A backbone in int8 runs on the processor alone" in capsys.readouterr().err
    assert main(["predict", sample, "--bundle", "small", "--csv", "-"]) == 0
