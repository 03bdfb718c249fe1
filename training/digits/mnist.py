"""The handwritten digits of LeCun, Cortes & Burges, in their original split and order."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pictures(NamedTuple):
    """Labelled pictures in two parts.

    Attributes:
        train, test: uint8 `(n, h, w, 1)`.
        train_labels, test_labels: `(n,)`, from 0.
    """

    train: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def read_mnist(path: Path | None = None) -> Pictures:
    """Read `mnist.npz` in the layout of `keras.datasets`; without a path, let Keras fetch it into its cache.

    Raises:
        ValueError: where the file is not such an archive, or Keras cannot fetch it.
    """
    if path is None:
        return _fetched()
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            parts = [arrays[name] for name in ("x_train", "y_train", "x_test", "y_test")]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"--data must be mnist.npz with x_train, y_train, x_test and y_test. Received: {path}, {error}"
        ) from error
    return as_pictures(*parts)


def as_pictures(
    train: NDArray[np.uint8], train_labels: NDArray[np.uint8], test: NDArray[np.uint8], test_labels: NDArray[np.uint8]
) -> Pictures:
    """Arrays `(n, h, w)` and `(n,)` as `Pictures`; a ValueError where they do not fit each other."""
    if train.ndim != 3 or train.shape[1:] != test.shape[1:] or train.dtype != np.uint8 or test.dtype != np.uint8:
        raise ValueError(f"Pictures must be uint8 (n, h, w). Received: {train.dtype} {train.shape}, {test.shape}")
    if train_labels.shape != train.shape[:1] or test_labels.shape != test.shape[:1]:
        raise ValueError(f"Each picture must have one label. Received: {train_labels.shape}, {test_labels.shape}")
    labels = (train_labels.astype(np.int64), test_labels.astype(np.int64))
    return Pictures(train[..., None], labels[0], test[..., None], labels[1])


def _fetched() -> Pictures:
    import keras

    try:
        (train, train_labels), (test, test_labels) = keras.datasets.mnist.load_data()
    except Exception as error:  # a failed download is no more than that in Keras
        raise ValueError(f"The digits cannot be fetched: {error}. Name a file with --data mnist.npz.") from error
    return as_pictures(train, train_labels, test, test_labels)
