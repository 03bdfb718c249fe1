"""The heads of a run: who judges whom, and which one is kept."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from models.head import DenseHead, HeadConfig
from training.config import HeadTraining, RunConfig
from training.data.folds import BatchFold, Split, grouped_folds
from training.data.manifest import Entry
from training.embedding.embedded_films import EmbeddedFilms
from training.heads.fit_folds import FittedHeads, batch_scores, fit_heads

ONE_PASS = RunConfig(
    Path(), "heads", Path(), seed=4, search=False, head=HeadConfig(width=4),
    head_training=HeadTraining(learning_rate=0.05, epochs=1, batch_size=16),
)  # fmt: skip


@pytest.fixture(scope="module")
def embedded() -> EmbeddedFilms:
    """60 images of 30 patients in two classes and two batches each, with one augmented view."""
    dice = np.random.default_rng(0)
    truth = np.arange(60) // 2 % 2
    embeddings = dice.normal(5, 2, (60, 2, 1, 12)).astype(np.float32)
    embeddings[:, :, 0, 0] += 6 * truth[:, None]
    patients = tuple(f"patient {number // 2}" for number in range(60))
    entries = tuple(
        Entry(Path(f"{n}.png"), "AB"[label], patients[n], "old" if n < 30 else "new", "train", f"{n:064}", {}, "", b"")
        for n, label in enumerate(truth)
    )
    return EmbeddedFilms(entries, truth.astype(np.int64), patients, embeddings)


def fit(embedded: EmbeddedFilms) -> tuple[FittedHeads, list[Split]]:
    folds = grouped_folds(embedded.truth, embedded.patients, folds=2, seed=0)
    return fit_heads(ONE_PASS, embedded, folds, Console(quiet=True)), folds


def numbers(head: DenseHead) -> NDArray[np.float32]:
    assert head.hidden is not None
    return np.concatenate([head.hidden[0].ravel(), head.logits_layer[0].ravel()])


def test_each_image_is_judged_by_a_head_that_has_not_seen_its_patient(embedded: EmbeddedFilms) -> None:
    heads, folds = fit(embedded)
    for (_, held_out), fitted in zip(folds, heads.folds, strict=True):
        expected = fitted.head.logits(embedded.pooled("mean")[held_out, 0])
        np.testing.assert_allclose(heads.logits[held_out], expected, atol=1e-5)
    spoilt = embedded.embeddings.copy()
    spoilt[folds[0][1]] *= np.random.default_rng(3).uniform(-9, 9, spoilt[folds[0][1]].shape)
    again, _ = fit(EmbeddedFilms(embedded.entries, embedded.truth, embedded.patients, spoilt))
    np.testing.assert_allclose(numbers(again.folds[0].head), numbers(heads.folds[0].head), atol=1e-5)
    assert np.abs(numbers(again.folds[1].head) - numbers(heads.folds[1].head)).max() > 1e-3


def test_the_kept_head_has_learnt_from_everybody(embedded: EmbeddedFilms) -> None:
    heads, folds = fit(embedded)
    for fitted in heads.folds:
        assert np.abs(numbers(fitted.head) - numbers(heads.kept.head)).max() > 1e-3
    for fold in range(len(folds)):
        spoilt = embedded.embeddings.copy()
        spoilt[folds[fold][1]] += 3
        again, _ = fit(EmbeddedFilms(embedded.entries, embedded.truth, embedded.patients, spoilt))
        assert np.abs(numbers(again.kept.head) - numbers(heads.kept.head)).max() > 1e-3


def test_every_choice_of_batches_is_left_out_in_turn(embedded: EmbeddedFilms) -> None:
    heads, _ = fit(embedded)
    assert {score["fitted_on"] for score in heads.batches} == {"new+new", "new+old", "old+new", "old+old"}
    assert all(0 <= score["auroc"] <= 1 for score in heads.batches)


def test_batches_are_scored_on_what_was_held_out() -> None:
    truth = np.array([0, 1, 0, 1])
    fold = BatchFold("IM+virus", np.array([0, 1]), np.array([2, 3]))
    logits = np.array([[0.5, -0.5], [-0.5, 0.5]], dtype=np.float32)
    assert batch_scores([logits], truth, [fold]) == [{"fitted_on": "IM+virus", "n": 2, "auroc": 1.0}]
