"""The degradation experiment measures what it says, and a run that is there is not made again."""

import gzip
import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.degradation import main
from benchmarks.degradation_run import gradient_norms, response_deviations
from benchmarks.pictures import halve, read_fashion_mnist
from models.backbones.residual import cifar_resnet

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def write_idx(path: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(head + array.tobytes()))


@pytest.fixture(scope="module")
def fashion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two kinds of 16×16 pictures, in the files of Fashion-MNIST."""
    folder, random = tmp_path_factory.mktemp("fashion"), np.random.default_rng(0)
    labels = np.arange(300, dtype=np.uint8) % 2
    pixels = random.integers(0, 100, (300, 16, 16), dtype=np.uint8)
    pixels[labels == 1, :, 8:] += 100
    for name, array in zip(FILES, (pixels, labels, pixels[:50], labels[:50]), strict=True):
        write_idx(folder / f"{name}.gz", array)
    return folder


def test_idx_files_are_read_as_they_were_written(fashion: Path) -> None:
    pictures = read_fashion_mnist(fashion)
    assert pictures.train.shape == (300, 16, 16, 1)
    assert pictures.test_labels.tolist() == [0, 1] * 25
    assert pictures.train[1, :, 8:].mean() > pictures.train[1, :, :8].mean() + 80


def test_missing_files_are_named_with_the_package(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dataset-fashion-mnist"):
        read_fashion_mnist(tmp_path)


def test_halving_takes_means_of_four() -> None:
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    assert halve(pixels)[0, :, :, 0].tolist() == [[2.5, 4.5], [10.5, 12.5]]


@dataclass(frozen=True)
class Quick:
    """A quick run: its command, its folder, and what was printed."""

    command: list[str]
    out: Path
    printed: str

    @property
    def runs(self) -> list[Path]:
        return sorted((self.out / "quick").glob("fashion-*.json"))


@pytest.fixture(scope="module")
def quick(fashion: Path, tmp_path_factory: pytest.TempPathFactory) -> Quick:
    out, printed = tmp_path_factory.mktemp("runs"), io.StringIO()
    command = ["--data", f"fashion={fashion}", "--out", str(out), "--quick", "--json", str(out / "table.json")]
    with pytest.MonkeyPatch.context() as environment, redirect_stdout(printed):
        environment.setenv("COLUMNS", "150")
        assert main([*command, "--pictures", "64"]) == 0
    return Quick([*command, "--pictures", "64"], out, printed.getvalue())


def test_runs_are_made_once_and_told_in_a_table(quick: Quick) -> None:
    runs = [json.loads(path.read_text()) for path in quick.runs]
    assert sorted((run["kind"], run["depth"], len(run["error"]), run["side"]) for run in runs) == [
        ("plain", 8, 24, 8), ("plain", 14, 24, 8), ("residual", 8, 24, 8), ("residual", 14, 24, 8)
    ]  # fmt: skip
    for run in runs:
        assert len(run["responses"]) == len(run["gradient_norms"]["end"]) == run["depth"] - 1, "all but the dense one"
        assert run["error"][-1] < run["error"][0]
        assert f"{100 * run['training_error']:.2f}" in quick.printed
    for figure in ("errors", "gradients_start", "gradients_end", "responses"):
        assert (quick.out / f"quick/{figure}.png").read_bytes().startswith(b"\x89PNG")
    written = [path.stat().st_mtime_ns for path in quick.runs]
    assert main(quick.command) == 0
    assert [path.stat().st_mtime_ns for path in quick.runs] == written


def test_a_quick_run_is_kept_apart_and_its_table_goes_where_it_is_wanted(quick: Quick) -> None:
    rows = json.loads((quick.out / "table.json").read_text())
    assert [(row["kind"], row["depth"], len(row["training_error"])) for row in rows] == [
        ("plain", 8, 1), ("plain", 14, 1), ("residual", 8, 1), ("residual", 14, 1)
    ]  # fmt: skip
    assert not list(quick.out.glob("fashion-*.json"))


def test_what_is_measured_leaves_the_network_as_it_was() -> None:
    network = cifar_resnet(8, input_shape=(8, 8, 1))
    before = network.get_weights()
    pixels, labels = tf.random.normal((16, 8, 8, 1), seed=1), tf.zeros(16, tf.int64)
    norms = gradient_norms(network, pixels, labels)
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
    kernel = next(layer.kernel for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
    direction = np.random.default_rng(0).normal(size=kernel.shape).astype(np.float32)

    def loss(step: float) -> float:
        kernel.assign(before[0] + step * direction)
        probability = network(pixels, training=True)
        return float(tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, probability)))

    slope = abs(loss(1e-2) - loss(-1e-2)) / 2e-2
    assert slope <= norms[0] * np.linalg.norm(direction) * 1.05, "no direction is steeper than the gradient"
    assert norms[0] > 0


def test_a_response_is_what_leaves_batch_normalisation() -> None:
    network = cifar_resnet(8, input_shape=(8, 8, 1))
    network.get_layer("conv2_block1_2_bn").gamma.assign(np.full(16, 5.0))
    pixels = tf.random.normal((64, 8, 8, 1), seed=1)
    quiet, loud = (
        response_deviations(cifar_resnet(8, input_shape=(8, 8, 1)), pixels),
        response_deviations(network, pixels),
    )
    assert len(quiet) == len(loud) == 7
    assert loud[2] > 2 * quiet[2]
