"""What may be learnt from, its classes, and who is judged by a head that has not seen them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.config import RunConfig
from training.data.folds import TUNING_SHARE, Split, can_be_learnt, grouped_folds, grouped_hold_out
from training.data.manifest import Entry, Manifest
from training.data.patients import DatasetError


def learnable(manifest: Manifest) -> tuple[Entry, ...]:
    """The entries that may be learnt from: everything but a test split."""
    return (*manifest.select("train"), *manifest.select("val"))


def class_indices(entries: Sequence[Entry], labels: Sequence[str]) -> NDArray[np.int64]:
    """The class of each entry, `(n,)`, as its place in `labels`."""
    return np.array([labels.index(entry.label) for entry in entries], dtype=np.int64)


def balanced_weights(labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """What an example of each class weighs, `(classes,)`, so that all classes weigh the same together."""
    return np.asarray(len(labels) / (classes * np.bincount(labels, minlength=classes)))


def split_patients(config: RunConfig, manifest: Manifest) -> list[Split]:
    """Who is judged by a head that has not seen them: sorted indices `(fit, held_out)` into `learnable(manifest)`.

    Raises:
        DatasetError: "too_few_patients".
    """
    entries = learnable(manifest)
    truth, patients = class_indices(entries, manifest.labels), [entry.patient for entry in entries]
    if config.one_split:
        splits = [grouped_hold_out(truth, patients, fraction=TUNING_SHARE, seed=config.seed)]
    else:
        splits = grouped_folds(truth, patients, folds=config.folds, seed=config.seed)
    if not all(can_be_learnt(truth[fit], [patients[index] for index in fit]) for fit, _ in splits):
        raise DatasetError(
            "too_few_patients",
            "Each class needs several patients to learn from and others to judge by, in each fold; thirty are a good number. "
            f"Received: {_patients_by_class(manifest)}. Add images of further patients.",
        )
    return splits


def _patients_by_class(manifest: Manifest) -> str:
    of_class = {
        label: {entry.patient for entry in learnable(manifest) if entry.label == label} for label in manifest.labels
    }
    return ", ".join(f"{len(patients)} of {label}" for label, patients in of_class.items())
