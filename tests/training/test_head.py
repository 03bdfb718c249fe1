"""Fitting the head: reproducible, and what is kept takes embeddings as they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.head import DenseHead, HeadConfig, build_head
from training.config import HeadTraining
from training.event_log import write_losses
from training.folds import STOPPING_SHARE, grouped_hold_out
from training.head import HeadFitter, fit_side_by_side
from training.lesson import FittedHead, Part
from training.stack import Candidate

SIZE = 12


def examples(
    n: int = 60, *, share: float = 0.5, apart: float = 3.0, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64], list[str]]:
    """Embeddings `(n, 2, 12)` of two classes `apart` standard deviations from each other, labels and patients."""
    dice = np.random.default_rng(seed)
    labels = (np.arange(n) < share * n).astype(np.int64)
    embeddings = dice.normal(5, 2, (n, 2, SIZE))
    embeddings[:, :, 0] += 2 * apart * labels[:, None]
    return embeddings.astype(np.float32), labels, [f"patient {number // 2}" for number in range(n)]


def fitter(*, width: int = 6, classes: int = 2, dropout: float = 0.1, **training: float) -> HeadFitter:
    settings = {"learning_rate": 0.1, "epochs": 8, "batch_size": 16, "label_smoothing": 0.0, **training}
    return HeadFitter(classes, HeadConfig(width, dropout), HeadTraining(**settings))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def usual() -> HeadFitter:
    """A hidden layer of six units, eight epochs."""
    return fitter()


def numbers(head: DenseHead) -> list[NDArray[np.float32]]:
    """Kernels and biases, from the embedding to the logits."""
    return [*(head.hidden or ()), *head.logits_layer]


def assert_same_head(one: FittedHead, other: FittedHead) -> None:
    for ours, theirs in zip(numbers(one.head), numbers(other.head), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("width", [0, 5])
def test_folding_the_standardisation_changes_no_output(width: int) -> None:
    dice = np.random.default_rng(0)
    mean, deviation = dice.normal(3, 2, SIZE).astype(np.float32), dice.uniform(0.1, 4, SIZE).astype(np.float32)
    embeddings = (mean + deviation * dice.normal(size=(40, SIZE))).astype(np.float32)
    head = DenseHead.of(build_head(SIZE, 3, HeadConfig(width, 0.5), seed=3))
    before = head.logits((embeddings - mean) / deviation)
    np.testing.assert_allclose(head.without_standardisation(mean, deviation).logits(embeddings), before, atol=1e-4)
    assert np.abs(before).max() > 0.1


def test_the_same_seed_gives_the_same_head_whatever_was_fitted_before(usual: HeadFitter) -> None:
    data = examples()
    first = usual.fit(*data, seed=1)
    other = usual.fit(*data, seed=2)
    assert np.abs(numbers(first.head)[0] - numbers(other.head)[0]).max() > 1e-3
    assert_same_head(first, usual.fit(*data, seed=1))
    assert_same_head(first, fitter().fit(*data, seed=1))


def test_a_kept_head_is_not_changed_by_the_next_fit(usual: HeadFitter) -> None:
    first = usual.fit(*examples(), seed=1)
    before = [weights.copy() for weights in numbers(first.head)]
    usual.fit(*examples(seed=9), seed=2)
    for old, new in zip(before, numbers(first.head), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_head_tells_the_classes_of_new_images_apart(usual: HeadFitter) -> None:
    fitted = usual.fit(*examples(), seed=0)
    new, labels, _ = examples(200, seed=5)
    logits = fitted.head.logits(new[:, 0])
    assert (logits.argmax(axis=1) == labels).mean() > 0.8


def test_a_head_without_a_hidden_layer_learns_too() -> None:
    fitted = fitter(width=0).fit(*examples(), seed=0)
    assert len(numbers(fitted.head)) == 2
    new, labels, _ = examples(200, seed=5)
    assert (fitted.head.logits(new[:, 0]).argmax(axis=1) == labels).mean() > 0.8


def test_a_channel_that_never_fires_stays_harmless(usual: HeadFitter) -> None:
    embeddings, labels, patients = examples()
    embeddings[:, :, 3] = 0
    fitted = usual.fit(embeddings, labels, patients, seed=0)
    assert all(np.isfinite(weights).all() for weights in numbers(fitted.head))
    changed = embeddings[:, 0].copy()
    changed[:, 3] = 0.01
    moved = np.abs(fitted.head.logits(changed) - fitted.head.logits(embeddings[:, 0]))
    assert np.isfinite(moved).all()
    constant = embeddings.copy()
    constant[:, :, 3] = 7
    fitted = usual.fit(constant, labels, patients, seed=0)
    assert np.abs(fitted.head.logits(constant[:, 0])).max() < 50


def test_class_weights_keep_prevalence_from_being_learnt() -> None:
    data = examples(200, share=0.1, apart=0.0)
    positive = {}
    for weighted in (True, False):
        fitted = fitter(width=0, class_weights=weighted).fit(*data, seed=0, epochs=8)
        logits = fitted.head.logits(data[0][:, 0])
        positive[weighted] = float(np.mean(1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))))
    assert positive[False] < 0.25
    assert 0.35 < positive[True] < 0.65


def test_so_many_epochs_means_so_many(usual: HeadFitter) -> None:
    fitted = usual.fit(*examples(), seed=0, epochs=3)
    assert fitted.epochs == 3
    assert len(fitted.losses[0]) == 3
    assert fitted.losses[1] == []


def test_fitting_stops_when_held_out_patients_gain_no_more() -> None:
    noise = examples(60, apart=0.0)
    fitted = fitter(width=32, dropout=0.0, epochs=40, patience=2).fit(*noise, seed=0)
    training, validation = fitted.losses
    assert len(training) == len(validation) < 40
    assert fitted.epochs == int(np.argmin(validation)) + 1
    assert len(validation) == fitted.epochs + 2


def test_the_weights_of_the_best_epoch_are_kept() -> None:
    embeddings, labels, patients = examples(60, apart=0.0)
    fitted = fitter(width=32, dropout=0.0, epochs=40, patience=5, l2=0.0, class_weights=False).fit(
        embeddings, labels, patients, seed=0
    )
    _, watched = grouped_hold_out(labels, patients, fraction=STOPPING_SHARE, seed=0)
    logits = fitted.head.logits(embeddings[watched, 0]).astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    validation = fitted.losses[1]
    assert len(validation) > fitted.epochs
    assert -logs[np.arange(len(watched)), labels[watched]].mean() == pytest.approx(min(validation), abs=1e-4)


@pytest.mark.parametrize("width", [0, 6])
def test_heads_fitted_side_by_side_are_what_each_would_be_alone(width: int) -> None:
    embeddings, labels, patients = examples(80, apart=0.5)
    training = HeadTraining(0.1, epochs=12, batch_size=16, label_smoothing=0.0, patience=2)
    candidates = [
        Candidate(HeadConfig(width, 0.0), training),
        Candidate(HeadConfig(width, 0.5), replace(training, l2=0.1)),
        Candidate(HeadConfig(width, 0.2), replace(training, class_weights=False)),
    ]
    parts = [Part(np.arange(80), 3), Part(np.arange(20, 70), 4), Part(np.arange(10, 60), 3)]
    together = fit_side_by_side(embeddings, labels, patients, parts, candidates, classes=2)
    ends = set()
    for heads, part in zip(together, parts, strict=True):
        for head, candidate in zip(heads, candidates, strict=True):
            ((alone,),) = fit_side_by_side(embeddings, labels, patients, [part], [candidate], classes=2)
            assert head.epochs == alone.epochs
            assert len(head.losses[1]) == len(alone.losses[1])
            logits = head.head.logits(embeddings[:, 0])
            np.testing.assert_allclose(logits, alone.head.logits(embeddings[:, 0]), atol=1e-3)
            ends.add((head.epochs, len(head.losses[1])))
    assert len(ends) > 2, "each head stops by itself"


def test_fitting_leaves_the_embeddings_as_they_are_and_takes_a_view_of_a_larger_array(usual: HeadFitter) -> None:
    embeddings, labels, patients = examples()
    larger = np.stack([embeddings, embeddings + 9], axis=2)
    before = larger.copy()
    assert_same_head(
        usual.fit(larger[:, :, 0], labels, patients, seed=1), usual.fit(embeddings, labels, patients, seed=1)
    )
    np.testing.assert_array_equal(larger, before)


def test_three_classes_are_told_apart() -> None:
    dice = np.random.default_rng(0)
    labels = np.arange(60) % 3
    embeddings = dice.normal(0, 1, (60, 1, SIZE)).astype(np.float32)
    embeddings[np.arange(60), 0, labels] += 5
    patients = [str(number) for number in range(60)]
    fitted = fitter(classes=3).fit(embeddings, labels, patients, seed=0)
    assert (fitted.head.logits(embeddings[:, 0]).argmax(axis=1) == labels).mean() > 0.9


def test_losses_are_written_for_tensorboard(usual: HeadFitter, tmp_path: Path) -> None:
    import tensorflow as tf

    fitted = usual.fit(*examples(), seed=0)
    write_losses(tmp_path, "head", fitted.losses)
    (file,) = (tmp_path / "head").iterdir()
    assert "tfevents" in file.name
    records = tf.data.TFRecordDataset(str(file))
    events = [tf.compat.v1.Event.FromString(record.numpy()) for record in records]
    assert events[0].file_version == "brain.Event:2"
    told = {
        tag: [value.simple_value for event in events for value in event.summary.value if value.tag == tag]
        for tag in ("loss", "val_loss")
    }
    np.testing.assert_allclose(told["loss"], fitted.losses[0], rtol=1e-6)
    np.testing.assert_allclose(told["val_loss"], fitted.losses[1], rtol=1e-6)
    assert [event.step for event in events[1:]] == list(range(1, len(events)))
