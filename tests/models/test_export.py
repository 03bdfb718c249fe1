"""The exported network, loaded by each format's own runtime, says what the predictor says."""

import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import models.lungs.graph  # noqa: F401 - the Keras formats need its layers to be known, and that of the resizing
from models.backbones.table import BACKBONES
from models.bundle import BUNDLES_VARIABLE, HEAD_FILE, BackboneRef, Bundle, BundleSpec, load_bundle, save_bundle
from models.export import SUFFIXES, export_bundle
from models.films.radiograph import Radiograph, read_radiograph
from models.prediction import Prediction
from models.predictor import Predictor
from models.system.files import digest
from tests.models.conftest import seeded_head
from tests.models.engines.backbones import TINY, save_weights

SMALL = replace(TINY, input_size=64)
BACKBONE_FILE = "backbone.weights.h5"
ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "data_samples"

Judge = Callable[[np.ndarray], np.ndarray]


def _keras(path: Path) -> Judge:
    network = keras.models.load_model(path)
    return lambda images: np.asarray(network(images))


def _onnx(path: Path) -> Judge:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path)
    [image] = session.get_inputs()
    return lambda images: session.run(None, {image.name: images})[0]


def _openvino(path: Path) -> Judge:
    openvino = pytest.importorskip("openvino")
    precision = {"INFERENCE_PRECISION_HINT": "f32"}  # else it takes half of that, where the processor has it
    network = openvino.Core().compile_model(path, "CPU", precision)
    return lambda images: network(images)[0]


def _litert(path: Path) -> Judge:
    tf = pytest.importorskip("tensorflow")
    with warnings.catch_warnings():  # TensorFlow's interpreter advises a package of its own, with the same runtime
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(str(path))
    [image], [probabilities] = interpreter.get_input_details(), interpreter.get_output_details()

    def judge(images: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(image["index"], images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(image["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(probabilities["index"])

    return judge


def _savedmodel(path: Path) -> Judge:
    tf = pytest.importorskip("tensorflow")
    network = tf.saved_model.load(path)
    return lambda images: network.serve(images).numpy()


LOADERS = {
    "keras": _keras,
    "h5": _keras,
    "onnx": _onnx,
    "openvino": _openvino,
    "litert": _litert,
    "savedmodel": _savedmodel,
}


def test_every_format_is_loaded_again_here() -> None:
    assert LOADERS.keys() == SUFFIXES.keys()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[BundleSpec], Bundle]]:
    """Save a bundle of such a description whose backbone has two layers: there is little to convert, and none of it is new.

    How a whole EfficientNet comes through a conversion is seen where it finds the lungs, in every format.
    """
    root = tmp_path_factory.mktemp("small")
    save_weights(SMALL, root / BACKBONE_FILE)
    backbone = BackboneRef(SMALL.id, digest(root / BACKBONE_FILE), "from-scratch", BACKBONE_FILE)

    def save(spec: BundleSpec) -> Bundle:
        def write(folder: Path) -> None:
            shutil.copy(root / BACKBONE_FILE, folder)
            seeded_head(spec).save_weights(str(folder / HEAD_FILE))

        spec = replace(spec, backbone=backbone)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv(BUNDLES_VARIABLE, str(root))
            save_bundle(spec, write)
            return load_bundle(spec.name)

    with pytest.MonkeyPatch.context() as table:
        table.setitem(BACKBONES, SMALL.id, SMALL)
        yield save


@pytest.fixture(scope="module")
def small_predictor(bundles: Any, small: Callable[[BundleSpec], Bundle]) -> Predictor:
    """Like `two`, of the small backbone; its logits of films lie as close together as below, and are spread round a threshold."""
    calibration = replace(bundles.two.spec.calibration, slope=20.0, bias=(0.0, 0.4 - 20.0 * 2.081))
    return Predictor(small(replace(bundles.two.spec, name="small", calibration=calibration)), engine="keras")


@pytest.mark.parametrize(
    ("format_name", "predictor_name"),
    [
        ("keras", "predictor"),
        ("h5", "predictor"),
        ("onnx", "small_predictor"),
        ("openvino", "predictor"),
        ("litert", "small_predictor"),
        ("savedmodel", "small_predictor"),
    ],
)
def test_the_exported_network_judges_like_the_predictor(
    format_name: str,
    predictor_name: str,
    request: pytest.FixtureRequest,
    films: list[Radiograph],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    predictor: Predictor = request.getfixturevalue(predictor_name)
    path = tmp_path / f"new/two{SUFFIXES[format_name]}"
    capsys.readouterr()
    caplog.clear()
    assert export_bundle(predictor.bundle, format_name, path) == path
    assert (capsys.readouterr(), caplog.records) == (("", ""), [])
    with_weights = {"two.xml", "two.bin"} if format_name == "openvino" else {path.name}
    assert {written.name for written in path.parent.iterdir()} == with_weights

    judge = LOADERS[format_name](path)
    verdicts = []
    for film, prediction in zip(films[1:3], predictor.predict(films[1:3]), strict=True):
        [probabilities] = judge(film.pixels[None, :, :, None])
        assert probabilities == pytest.approx(prediction.probabilities, abs=1e-3)
        assert probabilities.dtype == np.float32
        plain = prediction.at_operating_point("balanced")
        positive = probabilities[1] >= plain.deciding_points[0].threshold
        assert plain.verdict == ("PNEUMONIA" if positive else "NORMAL")
        verdicts.append(plain.verdict)
    assert len(set(verdicts)) == 2


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    """Samples as they are, at odd sizes and proportions, and with black bars on a white page."""
    films = [read_radiograph(path).pixels for path in sorted(SAMPLES.glob("*.jpeg"))]
    sizes = (101, 97), (250, 300), (400, 64)
    resized = [np.array(Image.fromarray(film).resize(size)) for film, size in zip(films, sizes, strict=False)]
    barred = np.pad(np.pad(films[4], ((60, 80), (0, 0))), ((40, 40), (50, 70)), constant_values=255)
    return [films[5], *resized, barred]


@pytest.fixture(scope="module")
def small_lung_predictor(lung_bundle: Bundle, small: Callable[[BundleSpec], Bundle]) -> Predictor:
    """Like `lungs`, of the small backbone: half of what there is to convert, and none of it about lungs."""
    # Its logits of films lie close together, round 2.17; so spread, probabilities tell of a field that is cut otherwise.
    calibration = replace(lung_bundle.spec.calibration, slope=4.0, bias=(0.0, -4.0 * 2.17))
    return Predictor(small(replace(lung_bundle.spec, name="small_lungs", calibration=calibration)), engine="keras")


@pytest.fixture(scope="module")
def small_lung_export(small_lung_predictor: Predictor, pictures: list[np.ndarray]) -> tuple[Bundle, list[Prediction]]:
    """The small bundle, and what its predictor says of the pictures: the same whatever it is exported as."""
    return small_lung_predictor.bundle, _judged(small_lung_predictor, pictures)


@pytest.fixture(scope="module")
def lung_export(lung_predictor: Predictor, pictures: list[np.ndarray]) -> tuple[Bundle, list[Prediction]]:
    """The same of `lungs`: what finds the lungs and what judges have layers of the same names."""
    return lung_predictor.bundle, _judged(lung_predictor, pictures)


def _judged(predictor: Predictor, pictures: list[np.ndarray]) -> list[Prediction]:
    predictions = predictor.predict([Radiograph(picture, "", "PNG", {}) for picture in pictures])
    return [prediction for prediction in predictions if isinstance(prediction, Prediction)]


@pytest.mark.parametrize(
    ("format_name", "exported"),
    [
        ("keras", "lung_export"),
        ("h5", "small_lung_export"),
        ("onnx", "small_lung_export"),
        ("openvino", "small_lung_export"),
        ("litert", "small_lung_export"),
        ("savedmodel", "small_lung_export"),
    ],
)
def test_the_exported_network_of_the_lung_field_judges_like_the_predictor(
    format_name: str, exported: str, pictures: list[np.ndarray], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    bundle, predictions = request.getfixturevalue(exported)
    path = export_bundle(bundle, format_name, tmp_path / f"lungs{SUFFIXES[format_name]}")
    judge = LOADERS[format_name](path)
    tolerance = 5e-3 if format_name == "litert" else 1e-3
    found = [judge(picture[None, :, :, None]) for picture in pictures]
    for [probabilities], prediction in zip(found, predictions, strict=True):
        assert 0.1 < probabilities[1] < 0.9  # else all would be alike
        assert probabilities == pytest.approx(prediction.probabilities, abs=tolerance)

    batch = np.stack([pictures[0], np.roll(pictures[0], 40, axis=0), pictures[0][:, ::-1]])
    each = np.concatenate([found[0], *(judge(picture[None, :, :, None]) for picture in batch[1:])])
    assert judge(batch[..., None]) == pytest.approx(each, abs=1e-4)


@pytest.mark.parametrize(
    ("format_name", "name"),
    [("onnx", "two.tflite"), ("keras", "two"), ("openvino", "two.bin"), ("savedmodel", "two.pb"), ("h5", "two.keras")],
)
def test_a_path_of_another_format_is_refused(format_name: str, name: str, bundles: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"path for {format_name} must end in .*Received: .*{name}"):
        export_bundle(bundles.two, format_name, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_with_the_known_ones(bundles: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be one of keras, h5, .*Received: 'pickle'"):
        export_bundle(bundles.two, "pickle", tmp_path / "two.pickle")


def test_a_folder_that_is_there_is_not_overwritten(bundles: Any, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    (tmp_path / "two/mine.txt").write_text("keep")
    with pytest.raises(ValueError, match=r"is there already\. Choose another --to"):
        export_bundle(bundles.two, "savedmodel", tmp_path / "two")
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["mine.txt"]


def test_a_failed_export_leaves_what_was_there(bundles: Any, tmp_path: Path) -> None:
    """A folder stands where the file should go, so the last step, putting it in place, fails."""
    (tmp_path / "two.keras/mine").mkdir(parents=True)
    with pytest.raises(OSError, match=r"two\.keras"):
        export_bundle(bundles.two, "keras", tmp_path / "two.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["two.keras"]
    assert [path.name for path in (tmp_path / "two.keras").iterdir()] == ["mine"]


WITH_SMALL = f"""
import gc, sys
from models.__main__ import main
from models.backbones.table import BACKBONES, Backbone
BACKBONES[{SMALL.id!r}] = {SMALL!r}
status = main(sys.argv[1:])
assert gc.isenabled(), "it is paused only while TensorFlow is imported"
sys.exit(status)
"""


def test_the_command_says_what_it_made_and_nothing_else(
    small_predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteRT's converter is the one that writes most to the terminal by itself; two layers are soon converted."""
    bundle, to = small_predictor.bundle, tmp_path / "small.tflite"
    monkeypatch.setenv(BUNDLES_VARIABLE, str(bundle.folder.parent))
    command = [sys.executable, "-c", WITH_SMALL, "export", bundle.spec.name, "--format", "litert", "--to", str(to)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"{to}: images uint8 (n, height, width, 1) in, probabilities of NORMAL, PNEUMONIA out\n"
    assert to.stat().st_size > 2**12
