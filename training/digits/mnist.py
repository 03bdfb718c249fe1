"""The handwritten digits of LeCun, Cortes & Burges, in their original split and order."""

import zipfile
from http.client import HTTPException
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.backbones.weights import keras_cache
from models.system.download import download
from models.system.files import atomic_path, digest
from models.system.progress import Advance

_URL: Final = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_SHA256: Final = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


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


def read_mnist(path: Path | None = None, *, progress: Advance | None = None) -> Pictures:
    """Read `mnist.npz` in the layout of `keras.datasets`; without a path, that of Keras' cache, fetched where it is not there.

    Raises:
        ValueError: where the file is not such an archive, or cannot be fetched.
    """
    if path is None:
        path = _fetched(progress)
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


def _fetched(progress: Advance | None) -> Path:
    """The published archive in the folder where `keras.datasets` keeps it, its digest checked."""
    path = keras_cache().with_name("datasets") / "mnist.npz"
    if path.is_file() and digest(path) == _SHA256:
        return path
    try:
        with atomic_path(path) as temporary:
            download(_URL, temporary, progress)
            if (found := digest(temporary)) != _SHA256:
                raise OSError(f"what {_URL} sent is not the published file (SHA-256 {found})")
    except (OSError, HTTPException) as error:
        raise ValueError(f"The digits cannot be fetched: {error}. Name a file with --data mnist.npz.") from error
    return path
