"""Digits: both loops give one curve, the test part decides nothing, and what is written is what happened."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.training.conftest import Workshop
from training.digits.mnist import Pictures, as_pictures, read_mnist
from training.digits.train_digits import DigitTraining, augment, hold_out, scaled, train_digits


@pytest.fixture(scope="module")
def digits() -> Pictures:
    """Of the digits of 8×8 pixels that come with scikit-learn (Alpaydin & Kaynak 1998) 600, and 200 as the test part."""
    data = load_digits()
    pixels, labels = (data.images * 15.9).astype(np.uint8), data.target.astype(np.uint8)
    return as_pictures(pixels[:600], labels[:600], pixels[600:800], labels[600:800])


@pytest.fixture
def archive(digits: Pictures, tmp_path: Path) -> Path:
    """A few of them as `mnist.npz`."""
    names = ("x_train", "y_train", "x_test", "y_test")
    parts = (digits.train[:128, :, :, 0], digits.train_labels[:128], digits.test[:40, :, :, 0], digits.test_labels[:40])
    np.savez(tmp_path / "mnist.npz", **dict(zip(names, parts, strict=True)))
    return tmp_path / "mnist.npz"


def test_the_loop_that_can_be_read_and_fit_give_the_same_curve(digits: Pictures) -> None:
    curves = [
        train_digits(digits, DigitTraining(epochs=2, batch_size=16, loop=loop, seed=7))[1] for loop in ("custom", "fit")
    ]
    np.testing.assert_allclose(curves[0], curves[1], rtol=0.02, atol=0.01)
    assert curves[0][-1].test_accuracy > 0.8
    assert curves[0][-1].train_loss < 0.5 * curves[0][0].train_loss


def test_augmentation_moves_a_picture_a_little_and_each_by_its_own_draw() -> None:
    spot = np.full((200, 28, 28, 1), -1, np.float32)
    spot[:, 8:20, 8:20] = 1
    moved = augment(spot, np.random.default_rng(0))
    assert moved.shape == spot.shape
    assert moved.min() >= -1
    assert moved.max() <= 1
    places = np.stack(np.mgrid[0:28, 0:28])
    weight = (moved[..., 0] + 1)[:, None]
    centres = (weight * places).sum((2, 3)) / weight.sum((2, 3))
    assert np.abs(centres - 13.5).max() < 2.5, "7 % of 28 pixels"
    assert centres.std(0).min() > 0.5
    assert abs(centres.mean() - 13.5) < 0.3, "to no side more than to another"
    assert np.array_equal(moved, augment(spot, np.random.default_rng(0)))


def test_a_hold_out_judges_by_training_pictures_and_not_by_the_test_part(digits: Pictures) -> None:
    held = hold_out(digits, 120)
    assert np.array_equal(held.test, digits.train[-120:])
    assert np.array_equal(held.train, digits.train[:-120])
    with pytest.raises(ValueError, match=r"from 1 to 599\. Received: 600"):
        hold_out(digits, 600)


def test_grey_levels_are_scaled_to_one() -> None:
    assert scaled(np.array([0, 255], np.uint8)).tolist() == [-1, 1]


def test_the_command_writes_table_curve_and_plot(
    workshop: Workshop, archive: Path, untraced: None, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = workshop.run(
        "digits", "--data", archive, "--seeds", 1, "--epochs", 2, "--augment", "--hold-out", 32, "--out", out
    )
    assert ran.status == 0, ran.err
    runs = json.loads((out / "digits.json").read_text())
    assert [(run["seed"], run["judged_by"], len(run["curve"])) for run in runs] == [(0, "held-out", 2)]
    last = runs[0]["curve"][-1]
    assert f"{last['test_accuracy']:.2%}" in ran.out
    assert "median of 1" in ran.out
    assert (out / "digits.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param(None, id="no archive"),
        pytest.param({"x_train": np.zeros((2, 8, 8), np.uint8)}, id="arrays missing"),
        pytest.param(
            {name: np.zeros((2, 8, 8), np.uint8) for name in ("x_train", "y_train", "x_test", "y_test")},
            id="labels as pictures",
        ),
        pytest.param(
            {name: np.array([{}], dtype=object) for name in ("x_train", "y_train", "x_test", "y_test")},
            id="pickled objects",
        ),
    ],
)
def test_a_file_that_is_not_mnist_is_refused(
    arrays: dict[str, np.ndarray] | None, workshop: Workshop, tmp_path: Path
) -> None:
    path = tmp_path / "mnist.npz"
    if arrays is None:
        path.write_text("digits")
    else:
        np.savez(path, **arrays)
    ran = workshop.run("digits", "--data", path, "--out", tmp_path / "out")
    assert ran.status == 2
    assert "Received" in ran.err
    assert not (tmp_path / "out").exists()


def test_the_archive_is_read_as_it_was_written(archive: Path, digits: Pictures) -> None:
    read = read_mnist(archive)
    assert np.array_equal(read.train, digits.train[:128])
    assert np.array_equal(read.test_labels, digits.test_labels[:40])


def test_without_a_network_the_command_says_what_to_do_and_leaves_nothing(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("training.digits.mnist._URL", "http://127.0.0.1:9/mnist.npz")  # nothing listens there
    ran = workshop.run("digits", "--out", tmp_path / "out")
    assert ran.status == 2
    assert "--data mnist.npz" in ran.err
    assert not list((tmp_path / "keras").rglob("*.npz"))
