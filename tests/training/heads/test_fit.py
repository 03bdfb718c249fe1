"""Fitting the head: reproducible, and what is kept takes embeddings as they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.head import DenseHead, HeadConfig, build_head
from models.system.mapped_array import mapped_array
from training.backbone.event_log import write_losses
from training.config import HeadTraining
from training.heads.fit import FittedHead, Part, fit_head, fit_side_by_side, plain_logits
from training.heads.stack import Candidate, HeadStack

SIZE = 12


def examples(
    n: int = 60, *, share: float = 0.5, apart: float = 3.0, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Embeddings `(n, 2, 12)` of two classes `apart` standard deviations from each other, and labels."""
    dice = np.random.default_rng(seed)
    labels = (np.arange(n) < share * n).astype(np.int64)
    embeddings = dice.normal(5, 2, (n, 2, SIZE))
    embeddings[:, :, 0] += 2 * apart * labels[:, None]
    return embeddings.astype(np.float32), labels


def fit(
    data: tuple[NDArray[np.float32], NDArray[np.int64]],
    *,
    seed: int = 0,
    width: int = 6,
    dropout: float = 0.1,
    **training: float,
) -> FittedHead:
    """Fit a head, eight epochs where nothing else is said."""
    settings = {"learning_rate": 0.1, "epochs": 8, "batch_size": 16, "label_smoothing": 0.0, **training}
    candidate = Candidate(HeadConfig(width, dropout), HeadTraining(**settings))  # type: ignore[arg-type]
    return fit_head(*data, candidate, classes=int(data[1].max()) + 1, seed=seed)


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


def test_the_same_seed_gives_the_same_head_whatever_was_fitted_before() -> None:
    data = examples()
    first = fit(data, seed=1)
    other = fit(data, seed=2)
    assert np.abs(numbers(first.head)[0] - numbers(other.head)[0]).max() > 1e-3
    assert_same_head(first, fit(data, seed=1))


def test_the_head_tells_the_classes_of_new_images_apart() -> None:
    fitted = fit(examples())
    new, labels = examples(200, seed=5)
    logits = fitted.head.logits(new[:, 0])
    assert (logits.argmax(axis=1) == labels).mean() > 0.8


def test_a_head_without_a_hidden_layer_learns_too() -> None:
    fitted = fit(examples(), width=0)
    assert len(numbers(fitted.head)) == 2
    new, labels = examples(200, seed=5)
    assert (fitted.head.logits(new[:, 0]).argmax(axis=1) == labels).mean() > 0.8


def test_a_channel_that_never_fires_stays_harmless() -> None:
    embeddings, labels = examples()
    embeddings[:, :, 3] = 0
    fitted = fit((embeddings, labels))
    assert all(np.isfinite(weights).all() for weights in numbers(fitted.head))
    changed = embeddings[:, 0].copy()
    changed[:, 3] = 0.01
    moved = np.abs(fitted.head.logits(changed) - fitted.head.logits(embeddings[:, 0]))
    assert np.isfinite(moved).all()
    constant = embeddings.copy()
    constant[:, :, 3] = 7
    assert np.abs(fit((constant, labels)).head.logits(constant[:, 0])).max() < 50


def test_class_weights_keep_prevalence_from_being_learnt() -> None:
    data = examples(200, share=0.1, apart=0.0)
    positive = {}
    for weighted in (True, False):
        logits = fit(data, width=0, class_weights=weighted).head.logits(data[0][:, 0])
        positive[weighted] = float(np.mean(1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))))
    assert positive[False] < 0.25
    assert 0.35 < positive[True] < 0.65


@pytest.mark.parametrize("epochs", [1, 3])
def test_so_many_epochs_means_so_many(epochs: int) -> None:
    fitted = fit(examples(), epochs=epochs)
    assert fitted.epochs == epochs
    assert len(fitted.losses[0]) == epochs
    assert fitted.losses[1] == []


def test_a_small_folder_is_learnt_in_as_many_steps_as_it_takes() -> None:
    steps: list[int] = []
    data = examples(100, apart=1.0)
    candidate = Candidate(HeadConfig(6, 0.1), HeadTraining())
    fit_side_by_side(
        *data, [Part(np.arange(100))], [candidate], classes=2, seed=0, progress=lambda _, most: steps.append(most)
    )
    assert steps[-1] == len(steps) == 7 * HeadTraining().epochs  # 200 views in batches of 32 at most


def test_what_lies_in_a_file_is_learnt_as_what_lies_in_memory(tmp_path: Path) -> None:
    embeddings, labels = examples(100, apart=1.0)
    mapped = mapped_array(tmp_path, (100, 2, 2, SIZE // 2), np.float32)  # as two poolings lie, side by side
    mapped[:] = embeddings.reshape(mapped.shape)
    assert not list(tmp_path.iterdir())  # nothing that a killed run could leave behind
    assert_same_head(fit((mapped, labels)), fit((embeddings, labels)))


def test_half_precision_is_learnt_as_the_numbers_that_it_rounds_to() -> None:
    embeddings, labels = examples(100, apart=1.0)
    half = embeddings.astype(np.float16)
    assert_same_head(fit((half, labels)), fit((half.astype(np.float32), labels)))  # type: ignore[arg-type]
    head = fit((embeddings, labels)).head
    judged = plain_logits(head, half, np.arange(100))  # type: ignore[arg-type]
    np.testing.assert_array_equal(judged, head.logits(half[:, 0].astype(np.float32)))
    assert plain_logits(head, half, np.arange(0)).shape == (0, 2)  # type: ignore[arg-type]


def test_the_watched_loss_is_that_of_the_kept_head_and_decides_nothing() -> None:
    embeddings, labels = examples(80, share=0.3, apart=0.5)
    candidate = Candidate(HeadConfig(6, 0.2), HeadTraining(0.1, epochs=3, batch_size=16, label_smoothing=0.1))
    parts = [Part(np.arange(60), np.arange(60, 80)), Part(np.arange(60))]
    (watched,), (alone,) = fit_side_by_side(embeddings, labels, parts, [candidate], classes=2, seed=0)
    logits = watched.head.logits(embeddings[60:, 0]).astype(np.float64)
    np.testing.assert_allclose(logits, alone.head.logits(embeddings[60:, 0]), atol=1e-4)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    share = labels[:60].mean()
    weight = np.where(labels[60:] == 1, 0.5 / share, 0.5 / (1 - share))
    targets = 0.9 * np.eye(2)[labels[60:]] + 0.05
    expected = (weight * -(targets * logs).sum(axis=1)).mean()
    assert len(watched.losses[1]) == 3
    assert watched.losses[1][-1] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("width", [0, 6])
def test_heads_fitted_side_by_side_are_what_each_would_be_alone(width: int) -> None:
    embeddings, labels = examples(80, share=0.3, apart=0.5)
    training = HeadTraining(0.1, epochs=6, batch_size=16, label_smoothing=0.0)
    candidates = [
        Candidate(HeadConfig(width, 0.0), training),
        Candidate(HeadConfig(width, 0.5), replace(training, l2=0.1)),
        Candidate(HeadConfig(width, 0.2), replace(training, class_weights=False)),
    ]
    parts = [Part(np.arange(80)), Part(np.arange(10, 70)), Part(np.arange(0, 80, 2))]
    together = fit_side_by_side(embeddings, labels, parts, candidates, classes=2, seed=3)
    seen = []
    for heads, part in zip(together, parts, strict=True):
        for head, candidate in zip(heads, candidates, strict=True):
            ((alone,),) = fit_side_by_side(embeddings, labels, [part], [candidate], classes=2, seed=3)
            logits = head.head.logits(embeddings[:, 0])
            np.testing.assert_allclose(logits, alone.head.logits(embeddings[:, 0]), atol=1e-3)
            np.testing.assert_allclose(head.losses[0], alone.losses[0], rtol=1e-4)
            seen.append(logits)
    assert min(np.abs(one - other).max() for n, one in enumerate(seen) for other in seen[:n]) > 0.01


def test_a_head_knows_nothing_of_images_outside_its_part() -> None:
    embeddings, labels = examples(80)
    candidate = Candidate(HeadConfig(6, 0.2), HeadTraining(0.1, epochs=3, batch_size=16))
    parts = [Part(np.arange(50)), Part(np.arange(80))]
    (part,), (whole,) = fit_side_by_side(embeddings, labels, parts, [candidate], classes=2, seed=0)
    spoilt, others = embeddings.copy(), labels.copy()
    spoilt[50:] *= -7
    others[50:] = 1 - others[50:]
    (again,), (changed,) = fit_side_by_side(spoilt, others, parts, [candidate], classes=2, seed=0)
    np.testing.assert_allclose(again.head.logits(embeddings[:, 0]), part.head.logits(embeddings[:, 0]), atol=1e-4)
    assert np.abs(changed.head.logits(embeddings[:, 0]) - whole.head.logits(embeddings[:, 0])).max() > 0.1


def test_fitting_leaves_the_embeddings_as_they_are_and_takes_a_view_of_a_larger_array() -> None:
    embeddings, labels = examples()
    larger = np.stack([embeddings, embeddings + 9], axis=2)
    before = larger.copy()
    assert_same_head(fit((larger[:, :, 0], labels), seed=1), fit((embeddings, labels), seed=1))
    np.testing.assert_array_equal(larger, before)


def test_three_classes_are_told_apart() -> None:
    dice = np.random.default_rng(0)
    labels = np.arange(60) % 3
    embeddings = dice.normal(0, 1, (60, 1, SIZE)).astype(np.float32)
    embeddings[np.arange(60), 0, labels] += 5
    fitted = fit((embeddings, labels))
    assert (fitted.head.logits(embeddings[:, 0]).argmax(axis=1) == labels).mean() > 0.9


def test_losses_are_written_for_tensorboard(tmp_path: Path) -> None:
    import tensorflow as tf

    losses = ([0.7, 0.5, 0.4], [0.8, 0.6, 0.6])
    write_losses(tmp_path, "head", losses)
    (file,) = (tmp_path / "head").iterdir()
    assert "tfevents" in file.name
    records = tf.data.TFRecordDataset(str(file))
    events = [tf.compat.v1.Event.FromString(record.numpy()) for record in records]
    assert events[0].file_version == "brain.Event:2"
    told = {
        tag: [value.simple_value for event in events for value in event.summary.value if value.tag == tag]
        for tag in ("loss", "val_loss")
    }
    np.testing.assert_allclose(told["loss"], losses[0], rtol=1e-6)
    np.testing.assert_allclose(told["val_loss"], losses[1], rtol=1e-6)
    assert [event.step for event in events[1:]] == [1, 2, 3]


@pytest.mark.parametrize("width", [0, 6])
def test_a_step_is_that_of_keras(width: int) -> None:
    """The same start, batches, loss and optimiser by Keras, on embeddings that are standardised beforehand."""
    import keras

    embeddings, labels = examples(64, apart=0.5)
    batches = np.arange(64).reshape(4, 16)
    training = HeadTraining(0.02, l2=0.01, label_smoothing=0.1)
    mean, deviation = np.full(SIZE, 5, np.float32), np.linspace(1, 4, SIZE, dtype=np.float32)
    one_hot = np.eye(2, dtype=np.float32)[labels]
    importance = np.linspace(0.2, 2, 64, dtype=np.float32)

    candidate = Candidate(HeadConfig(width, 0.0), training)
    ours = HeadStack([candidate], mean[None], deviation[None], classes=2, seed=0, steps=8)
    theirs = build_head(SIZE, 2, candidate.head, l2=training.l2)
    standardised = (embeddings - mean) / deviation
    # Our start, taken back to standardised embeddings.
    start = ours.head(0).without_standardisation(-mean / deviation, 1 / deviation)
    theirs.set_weights(start.to_keras(candidate.head).get_weights())
    theirs.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 8)),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
    )
    for view in range(2):
        for rows in batches:
            theirs.train_on_batch(standardised[rows, view], one_hot[rows], sample_weight=importance[rows])
            ours.step(embeddings[rows, view], one_hot[rows], importance[rows, None] / len(rows))

    expected = theirs.predict(standardised[:, 0], verbose=0)
    np.testing.assert_allclose(ours.head(0).logits(embeddings[:, 0]), expected, atol=2e-4)
    assert np.abs(start.logits(standardised[:, 0]) - expected).max() > 0.1


@pytest.mark.parametrize("width", [0, 5])
def test_keras_reads_what_is_saved_of_a_head(tmp_path: Path, width: int) -> None:
    config = HeadConfig(width, 0.5)
    head = DenseHead.of(build_head(SIZE, 3, config, seed=3))
    head.save(tmp_path / "head.weights.h5")
    keras_head = build_head(SIZE, 3, config, seed=4)
    keras_head.load_weights(tmp_path / "head.weights.h5")
    again = DenseHead.load(tmp_path / "head.weights.h5", embedding_size=SIZE, classes=3, width=width)
    for found in (DenseHead.of(keras_head), again):
        for ours, theirs in zip(numbers(head), numbers(found), strict=True):
            np.testing.assert_array_equal(ours, theirs)
