"""The benchmarks start, give the keys that are promised, and scale up as they say; no speed is asserted."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import __main__ as every
from benchmarks import augmentation, measuring, prediction_speed, recipe, report, serving
from models.prediction import Prediction
from models.system.files import CACHE_VARIABLE

ROOT = Path(__file__).parents[2]
NAMES = (
    *every.NAMES,
    "clients",
    "dicom_batch",
    "full_disk_predict",
    "int8",
    "head_fit",
    "large_folder",
    "memory",
    "near_pairs",
    "recipe",
    "matrix_product",
    "quality",
    "report",
)


@pytest.mark.parametrize("name", [*(f"benchmarks.{name}" for name in NAMES), "benchmarks"])
def test_help_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = __import__("benchmarks.__main__" if name == "benchmarks" else name, fromlist=["main"])
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    assert ended.value.code == 0
    assert f"python -m {name}" in capsys.readouterr().out


def test_a_quick_benchmark_writes_its_numbers(tmp_path: Path) -> None:
    target = tmp_path / "augmentation.json"
    assert augmentation.main(["--quick", "--json", str(target)]) == 0
    found = json.loads(target.read_text(encoding="utf-8"))
    assert {"command", "machine", "versions", "quick", "milliseconds_per_view", "preparation_share"} <= set(found)
    assert found["milliseconds_per_view"]["ours, OpenCV and NumPy"] > 0
    assert found["quick"]


def test_films_are_the_same_each_time_and_no_two_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.films import film_folder
    from training.data.manifest import read_manifest

    digests = []
    for name in ("one", "two"):
        monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / name))
        manifest = read_manifest(film_folder(24))
        digests.append({entry.sha256 for entry in manifest.entries})
        assert manifest.labels == ("NORMAL", "PNEUMONIA")
        assert {entry.batch for entry in manifest.entries} == {"IM", "NORMAL2-IM", "bacteria", "virus"}
    assert digests[0] == digests[1]
    assert len(digests[0]) == 24


def test_the_recipe_is_scaled_by_its_steps() -> None:
    # 100 films: 80 make 3 batches of training, 20 one of validation.
    assert recipe.scaled_seconds(2.0, 1.0, films=100) == 20 * (3 * 2.0 + 1 * 1.0)


def test_a_resnet50_needs_the_operations_that_are_published() -> None:
    import keras

    network = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(224, 224, 3))
    # He et al. 2015, table 1: 3.8 · 10⁹ multiply-adds, counted for the strides of the paper; Keras' have a little more.
    assert prediction_speed.count_operations(network) / 2 == pytest.approx(3.85e9, rel=0.02)


def test_memory_counts_the_processes_that_are_started() -> None:
    inner = "held = bytearray(300_000_000); held[::4096] = b'x' * len(held[::4096]); import time; time.sleep(1)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    process = subprocess.Popen([sys.executable, "-c", outer])
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, measuring._tree_mb(process.pid))
    assert 300 < peak < 400


@pytest.mark.parametrize(("order", "mixed"), [((0, 1, 2), 0), ((1, 0, 2), 2)])
def test_mixed_up_answers_are_seen(order: Sequence[int], mixed: int) -> None:
    dice = np.random.default_rng(0)
    alone = [answer(dice.random((7, 7), dtype=np.float32), 0.99) for _ in range(3)]
    noise = np.float32(1e-3)
    together = [answer(alone[number].heatmap * (1 - noise), 0.991) for number in order]
    assert serving.mixed_answers(alone, together) == mixed


def answer(heatmap: np.ndarray, probability: float) -> Prediction:
    return Prediction(("NORMAL", "PNEUMONIA"), (1 - probability, probability), "PNEUMONIA", "b", heatmap=heatmap)


def test_the_page_says_what_was_found_and_whether_it_is_enough() -> None:
    found: dict[str, Any] = {
        "training_speed": {
            "command": "python -m benchmarks.training_speed", "films": "synthetic", "load_before": 0.1,
            "recipe_sample": "30 steps", "films_measured": "all", "recipe_seconds": 6000.0, "cold_seconds": 250.0,
            "warm_seconds": 30.0, "train_cold_ratio": 24.0, "train_warm_ratio": 200.0, "train_rss_mb": None,
        }
    }  # fmt: skip
    text = report.page(every.summarise(found, [], quick=True))
    assert "| `train_cold_ratio` | 24 | ≥ 20 | yes |" in text
    assert "| `train_warm_ratio` | 200 | ≥ 300 | **no** |" in text
    assert "| `train_rss_mb` | not measured | ≤ 1,200 |" in text
    assert "rough" in text


def test_processors_and_precisions_stand_side_by_side() -> None:
    machine = {"processor": "A", "family": "1", "cores": 2, "memory_gb": 8, "bf16": [], "int8": [], "vectors": "AVX2"}
    run = {"quick": True, "machine": machine, "versions": {}, "benchmarks": {}, "train_cold_ratio": 9.14}
    others = {"precision": "int8", "field": "lungs", "train_cold_ratio": 15.0, "throughput_ratio": 1.9}
    text = report.page(run, [{**run, **others, "machine": {**machine, "int8": ["avx512_vnni"], "vectors": "AVX-512"}}])
    assert "| A | AVX2 | float | film | 9.14 | – | – | – | `make bench ARGS=--quick` |" in text
    assert (
        "| A | AVX-512, avx512_vnni | int8 | lungs | 15 | – | 1.9 | – | `python -m benchmarks --quick --precision int8` |"
        in text
    )
    assert "On which processor" not in report.page(run)
    assert "before films were cut to their lungs" in text
    assert "before films were cut to their lungs" not in report.page({**run, "field": "lungs"})


def test_a_quantised_backbone_stands_beside_the_exact_one() -> None:
    score = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 10, "patients": 9}
    found = {
        "float": "f32", "backbone": "resnet50", "films": 10, "patients": 9, "command": "python -m benchmarks.int8 DATA",
        "auroc": {kind: {"by patient": score} for kind in ("f32", "int8", "difference")},
        "machine": {"processor": "A", "vectors": "AVX2"}, "cosine_median": 0.999, "cosine_smallest": 0.99, "load_before": 0.1,
        "speed": {"int8": {"films_per_second": 40.0, "processor_milliseconds": 49.0, "milliseconds_alone": 30.0}},
    }  # fmt: skip
    text = report.int8_table(found)
    assert "| by patient | 0.9000 (0.8000–0.9500) | 0.9000 (0.8000–0.9500) | 0.9000 (0.8000–0.9500) |" in text
    assert "| int8 | 40.0 | 49.0 | 30.0 |" in text


def test_int8_is_for_the_benchmarks_that_train_a_backbone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        every.main(["--precision", "int8", "--only", "serving"])
    assert ended.value.code == 2
    assert "--precision int8 is for training_speed and prediction_speed. Received: serving" in capsys.readouterr().err


def test_the_recipe_is_shown_by_its_best_epoch_and_by_its_last() -> None:
    epochs = [{"epoch": n, "auroc": auroc, "low": 0.9, "high": 1.0} for n, auroc in ((1, 0.95), (2, 0.99), (3, 0.97))]
    found = {
        "films_fitted_on": 4171, "films_held_out": 1045, "ours": {"auroc": 0.999, "low": 0.998, "high": 1.0},
        "recipe_epochs": {"pixels / 255": epochs},
    }  # fmt: skip
    text = report.quality_table(found)
    assert "| ours |  | 0.9990 (0.9980–1.0000) |" in text
    assert "last epoch | 3 | 0.9700 (" in text
    assert "best epoch on the films that judge | 2 | 0.9900 (" in text


def test_a_bar_is_met_on_its_own_side() -> None:
    at_least, at_most = measuring.BARS["latency_ratio"], measuring.BARS["serve_rss_mb"]
    assert at_least.met(6.0)
    assert not at_least.met(5.9)
    assert at_most.met(600.0)
    assert not at_most.met(601.0)
