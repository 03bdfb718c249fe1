"""Where TensorFlow is not installed, as in the CPU image: films are judged, and what needs it says so."""

import os
import subprocess
import sys
from pathlib import Path

from models.backbones.table import get_backbone
from models.backbones.weights import find_weights
from models.engines.converted import CONVERTED_VARIABLE
from models.engines.load import load_engine
from models.predictor import Predictor
from models.system.files import CACHE_VARIABLE, cache_folder

ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
sys.modules["tensorflow"] = None
from models.__main__ import main
from models.backbones.weights import choose_backbone
film, export = sys.argv[1:]
status = main(["predict", film, "--csv", "-"]), main(["export", "default", "--format", "onnx", "--to", export])
print(*status, choose_backbone("auto")[0].id, main(["doctor"]))
"""


def test_films_are_judged_and_what_needs_tensorflow_says_so(tmp_path: Path) -> None:
    Predictor.load(engine="openvino-f32")  # converts what is not converted yet
    environment = {**os.environ, CONVERTED_VARIABLE: str(cache_folder() / "engines"), CACHE_VARIABLE: str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT, str(ROOT / "data_samples/normal_4.png"), str(tmp_path / "default.onnx")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert ",NORMAL," in done.stdout
    assert done.stdout.splitlines()[-1] == "0 2 efficientnet_lite0 0"
    assert "error: This needs TensorFlow, which is not installed here. Install the packages of requirements.lock" in (
        done.stderr
    )
    assert "Matrix product" in done.stdout
    assert not (tmp_path / "default.onnx").exists()


def test_what_came_converted_is_taken_into_the_cache_and_checked(tmp_path: Path, monkeypatch) -> None:
    backbone = get_backbone("efficientnet_lite0")
    weights, shipped = find_weights(backbone), cache_folder() / "engines"
    load_engine(backbone, weights, engine="openvino-f32")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv(CONVERTED_VARIABLE, str(shipped))
    load_engine(backbone, weights, engine="openvino-f32")
    (copied,) = (tmp_path / "engines").iterdir()
    assert (copied / "backbone.bin").read_bytes() == (shipped / copied.name / "backbone.bin").read_bytes()
    assert not (copied / "notes.json").exists()
