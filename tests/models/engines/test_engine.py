"""Two engines, one answer: what runs a backbone changes its speed and nothing else."""

import gc
import os
import shutil
import subprocess
import sys
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.backbones.table import get_backbone
from models.backbones.weights import WeightsError, WeightsFile, find_weights
from models.engines import converted
from models.engines.batching import BATCH_SIZE, SharedEngine
from models.engines.converted import converted_backbone
from models.engines.engine import Engine
from models.engines.load import load_engine
from models.engines.openvino_engine import SMALLEST_COSINE, probe_films, smallest_cosine
from models.films.radiograph import Radiograph, read_radiograph
from models.predictor import Predictor
from models.system.files import CACHE_VARIABLE, digest

ROOT = Path(__file__).parents[3]
SAMPLES = sorted(path for path in (ROOT / "data_samples").iterdir() if path.suffix in (".jpeg", ".png", ".dcm"))
LITE = get_backbone("efficientnet_lite0")


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.float32]:
    return probe_films(LITE.input_size)


@pytest.fixture(scope="module")
def openvino() -> Engine:
    return load_engine(LITE, find_weights(LITE), engine="openvino")


def test_both_engines_see_the_same(openvino: Engine, pixels: NDArray[np.float32]) -> None:
    keras = load_engine(LITE, find_weights(LITE), engine="keras")
    ours, theirs = openvino.run(pixels), keras.run(pixels)
    assert (openvino.name, keras.name) == ("openvino", "keras")
    assert smallest_cosine(ours.pooled, theirs.pooled) >= SMALLEST_COSINE
    if openvino.precision == "f32":
        assert np.allclose(ours.feature_map, theirs.feature_map, atol=1e-3)
    assert np.allclose(ours.pooled[:, 0], ours.feature_map.mean(axis=(1, 2)), atol=1e-3)
    assert np.allclose(ours.pooled[:, 1], ours.feature_map.max(axis=(1, 2)), atol=1e-3)


@pytest.fixture(scope="module")
def samples() -> list[Radiograph]:
    return [read_radiograph(path) for path in SAMPLES]


@pytest.fixture(scope="module")
def judged_exactly(samples: list[Radiograph]) -> list[Any]:
    return Predictor.load(engine="openvino-f32").predict(samples, heatmaps=True)


@pytest.mark.parametrize("engine", ["keras", "openvino"])
def test_every_sample_is_judged_alike_by_every_engine(
    engine: str, samples: list[Radiograph], judged_exactly: list[Any]
) -> None:
    for one, other in zip(Predictor.load(engine=engine).predict(samples, heatmaps=True), judged_exactly, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.005)
        assert one.verdict == other.verdict
        assert np.abs(one.heatmap - other.heatmap).max() < 0.05


def test_bfloat16_is_taken_only_where_the_embeddings_stay_the_same(random_resnet50: Path) -> None:
    backbone, weights = get_backbone("resnet50"), WeightsFile(random_resnet50, digest(random_resnet50), "custom")
    films = probe_films(backbone.input_size)
    exact = load_engine(backbone, weights, engine="openvino-f32")
    fast = load_engine(backbone, weights, engine="openvino")
    assert exact.precision == "f32"
    assert smallest_cosine(exact.run(films).pooled, fast.run(films).pooled) >= SMALLEST_COSINE
    cosine = converted_backbone(backbone, weights).recall("bf16_cosine")
    if cosine is not None:  # the processor has bfloat16
        assert fast.precision == ("bf16" if cosine >= SMALLEST_COSINE else "f32")


def test_prediction_imports_no_tensorflow() -> None:
    script = "import sys; from models.__main__ import main; main(sys.argv[1:]); print('tensorflow' in sys.modules)"
    command = [sys.executable, "-c", script, "predict", str(SAMPLES[0]), "--engine", "openvino", "--csv", "-"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_damaged_conversion_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: NDArray[np.float32]
) -> None:
    """Of a few layers, which are soon converted; what lies damaged in their place is more."""
    backbone, weights = replace(LITE, taps=("block1a_project_bn",), embedding_size=16), find_weights(LITE)
    folder = tmp_path / "engines" / f"{backbone.id}-{converted._key(backbone, weights)}"
    shutil.copytree(converted_backbone(LITE, weights).folder, folder)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert (
        converted_backbone(backbone, weights, apart=False).folder == folder
    )  # here, where TensorFlow is loaded anyway
    network = converted_backbone(backbone, weights).network
    network.write_bytes(network.read_bytes()[:-9])
    again, exact = (load_engine(backbone, weights, engine=name).run(pixels[:1]) for name in ("openvino-f32", "keras"))
    assert again.feature_map.shape == exact.feature_map.shape == (1, 112, 112, 16)
    assert smallest_cosine(again.pooled, exact.pooled) >= SMALLEST_COSINE


def test_a_cache_that_goes_while_films_are_judged_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: NDArray[np.float32]
) -> None:
    whole = converted_backbone(LITE, find_weights(LITE)).folder
    shutil.copytree(whole, tmp_path / "engines" / whole.name)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    engine = load_engine(LITE, find_weights(LITE), engine="openvino-f32")
    alone = engine.run(pixels[:1])
    shutil.rmtree(tmp_path / "engines")
    assert np.allclose(engine.run(pixels).pooled[:1], alone.pooled, atol=1e-4)


def test_other_taps_than_those_of_the_table_are_converted(pixels: NDArray[np.float32]) -> None:
    backbone = replace(LITE, taps=("block4a_expand_relu", "block5a_expand_relu"), embedding_size=240 + 480)
    one, other = (
        load_engine(backbone, find_weights(LITE), engine=name).run(pixels[:2]) for name in ("openvino-f32", "keras")
    )
    assert one.feature_map.shape == other.feature_map.shape == (2, 28, 28, 720)
    assert smallest_cosine(one.pooled, other.pooled) >= SMALLEST_COSINE


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    path = tmp_path / "wrong.npz"
    np.savez(path, nothing=np.zeros(3))
    with pytest.raises(WeightsError, match=r"could not be made ready.*does not hold weights"):
        load_engine(LITE, WeightsFile(path, digest(path), "custom"), engine="openvino")
    assert not list((tmp_path / "cache").rglob("*.xml"))


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of auto, keras, openvino, openvino-f32\. Received: 'cuda'"):
        load_engine(LITE, find_weights(LITE), engine="cuda")


def test_each_caller_gets_its_own_films(openvino: Engine, pixels: NDArray[np.float32]) -> None:
    shared = SharedEngine(openvino)
    alone = [shared.run([film])[0].pooled for film in pixels]

    def ask(number: int) -> list[NDArray[np.float32]]:
        return [one.pooled for one in shared.run([pixels[number % 8], pixels[(number + 3) % 8]])]

    with ThreadPoolExecutor(8) as callers:
        for number, (first, second) in enumerate(callers.map(ask, range(40))):
            assert np.allclose(first, alone[number % 8], atol=1e-3)
            assert np.allclose(second, alone[(number + 3) % 8], atol=1e-3)


def test_films_in_streams_are_seen_as_each_alone(pixels: NDArray[np.float32]) -> None:
    engine = load_engine(LITE, find_weights(LITE), engine="openvino-f32")
    together = engine.run(np.concatenate([pixels, pixels[:3]]))
    alone = [engine.run(film[None]) for film in (*pixels, *pixels[:3])]
    assert np.allclose(together.pooled, np.concatenate([one.pooled for one in alone]), atol=1e-4)
    assert np.allclose(together.feature_map, np.concatenate([one.feature_map for one in alone]), atol=1e-3)
    with pytest.raises(RuntimeError):
        engine.run(pixels[:, :100])
    assert np.array_equal(engine.run(pixels).pooled, together.pooled[:8])
    engine.release()
    assert np.array_equal(engine.run(pixels).pooled, together.pooled[:8])


CORES_WHILE_IT_RUNS = """
import os, threading
os.sched_setaffinity(0, range(os.cpu_count()))
from models.backbones.table import get_backbone
from models.backbones.weights import find_weights
from models.engines.load import load_engine
from models.engines.openvino_engine import probe_films
backbone = get_backbone("efficientnet_lite0")
engine = load_engine(backbone, find_weights(backbone), engine="openvino-f32", threads=1)
films, over, seen = probe_films(backbone.input_size)[:2], threading.Event(), set()
thread = threading.get_native_id()
def look():
    while not over.is_set():
        seen.add(len(os.sched_getaffinity(thread)))
looking = threading.Thread(target=look)
looking.start()
for _ in range(10):
    engine.run(films)
over.set()
looking.join()
print(len(os.sched_getaffinity(0)), *seen)
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not say where a thread may run")
def test_a_share_of_the_cores_is_of_none_in_particular() -> None:
    """Workers of one thread each would otherwise all wait for the first core, which each of them had taken."""
    run = subprocess.run(
        [sys.executable, "-c", CORES_WHILE_IT_RUNS], check=True, capture_output=True, text=True, timeout=120
    )
    every, *seen = run.stdout.split()
    if every == "1":
        pytest.skip("there is one core")
    assert seen == [every]


def test_callers_are_served_in_the_order_in_which_they_came(openvino: Engine, pixels: NDArray[np.float32]) -> None:
    shared = SharedEngine(openvino)
    served: list[int] = []

    def ask(number: int, films: int) -> None:
        shared.run([pixels[number]] * films)
        served.append(number)

    with ThreadPoolExecutor(6) as callers:
        callers.submit(ask, 0, 5 * BATCH_SIZE)
        for number in range(1, 6):
            time.sleep(0.02)
            callers.submit(ask, number, 2)
    assert served == list(range(6))


def test_films_go_as_soon_as_they_are_done_with(openvino: Engine, pixels: NDArray[np.float32]) -> None:
    shared, film = SharedEngine(openvino), pixels[0].copy()
    kept = weakref.ref(film)
    gc.disable()  # many films may come before Python looks for cycles
    try:
        features = shared.run([film, pixels[1]])
        del film
        assert kept() is None
    finally:
        gc.enable()
    assert len(features) == 2


def test_more_films_than_a_batch_come_back_in_order(openvino: Engine, pixels: NDArray[np.float32]) -> None:
    chosen = [number % 8 for number in range(BATCH_SIZE + 3)]
    found = SharedEngine(openvino).run([pixels[number] for number in chosen])
    expected = openvino.run(pixels).pooled
    assert np.allclose(np.stack([one.pooled for one in found]), expected[chosen], atol=1e-3)


def test_a_pass_that_fails_leaves_nothing_behind(openvino: Engine, pixels: NDArray[np.float32]) -> None:
    shared = SharedEngine(openvino)
    alone = shared.run([pixels[0]])[0].pooled
    with pytest.raises(ValueError, match="same shape"):
        shared.run([pixels[0], pixels[1][:100]])
    assert np.allclose(shared.run([pixels[0]])[0].pooled, alone, atol=1e-3)


def test_no_conversion_is_reported_to_anyone() -> None:
    code = (
        "from models.system.quiet import import_openvino_quietly; import_openvino_quietly()\n"
        "from openvino.tools.ovc import telemetry_utils; print(telemetry_utils.tm.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub"
