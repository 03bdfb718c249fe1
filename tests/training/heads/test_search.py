"""The search among heads: it finds what is better, and says what it tried."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from models.head import HeadConfig
from training.config import HeadTraining, RunConfig
from training.data.folds import grouped_folds
from training.data.manifest import Entry
from training.embedding.embedded_films import EmbeddedFilms
from training.heads.search import Search, Trial, search_heads
from training.heads.stack import Candidate

SIZE = 6


def embedded(told_by: int, *, classes: int = 2, n: int = 72, batches: bool = True) -> EmbeddedFilms:
    """Noise `(n, 2, 2, 6)` in which one pooling (0: mean, 1: maximum) tells the classes apart; 2 images a patient."""
    dice = np.random.default_rng(0)
    truth = np.arange(n) // 2 % classes
    embeddings = dice.normal(0, 1, (n, 2, 2, SIZE)).astype(np.float32)
    embeddings[np.arange(n), :, told_by, truth] += 4
    patients = tuple(f"patient {number // 2}" for number in range(n))
    entries = tuple(
        Entry(
            Path(f"{number}.png"),
            str(truth[number]),
            patients[number],
            f"{truth[number]}-{number // 4 % 2}" if batches else "",
            "train",
            f"{number:064x}",
            {},
            "",
            b"",
        )
        for number in range(n)
    )
    return EmbeddedFilms(entries, truth.astype(np.int64), patients, embeddings)


def search(found: EmbeddedFilms, tmp_path: Path) -> Search:
    training = HeadTraining(learning_rate=0.03, batch_size=16)
    config = RunConfig(tmp_path, "tried", tmp_path, search=True, views=1, head_training=training)
    folds = grouped_folds(found.truth, found.patients, folds=2, seed=0)
    return search_heads(config, found, folds, Console(quiet=True))


@pytest.mark.parametrize(("told_by", "poolings"), [(0, {"mean", "both"}), (1, {"max", "both"})])
def test_the_pooling_that_tells_the_classes_apart_is_taken(told_by: int, poolings: set[str], tmp_path: Path) -> None:
    found = search(embedded(told_by), tmp_path)
    assert found.best.candidate.head.pooling in poolings
    assert found.best.score > 0.9
    wrong = next(trial for trial in found.trials if trial.candidate.head.pooling not in poolings)
    assert wrong.score < 0.75
    assert all(trial.batch_auroc is not None for trial in found.trials)


def test_three_classes_without_batches_are_ranked_by_patient_alone(tmp_path: Path) -> None:
    found = search(embedded(0, classes=3, batches=False), tmp_path)
    assert len(found.trials) == 12
    assert found.best.batch_auroc is None
    assert found.best.score == round(found.best.auroc, 4) > 0.8
    assert "0.001" in str(found.as_json()["trials"])


def test_of_equal_heads_the_smaller_is_taken() -> None:
    def trial(width: int, auroc: float, pooling: str = "mean") -> Trial:
        return Trial(Candidate(HeadConfig(width, 0.1, pooling), HeadTraining()), auroc, auroc)

    def best(*trials: Trial) -> HeadConfig:
        return Search(trials, views=1, epochs=4).best.candidate.head

    assert best(trial(128, 0.99), trial(32, 0.99001), trial(0, 0.98)).width == 32
    assert best(trial(32, 0.99, "both"), trial(32, 0.99)).pooling == "mean"
    assert best(trial(32, 0.99), trial(128, 0.9902)).width == 128


def test_fine_tuning_and_a_search_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunConfig(tmp_path, "both", tmp_path, search=True, fine_tune=1)


def test_the_run_goes_on_with_the_head_that_was_chosen(tmp_path: Path) -> None:
    config = RunConfig(tmp_path, "chosen", tmp_path, search=True)
    chosen = config.with_head(HeadConfig(0, 0.0, "max"), replace(HeadTraining(), l2=0.5, epochs=2))
    assert chosen.head == HeadConfig(0, 0.0, "max")
    assert (chosen.head_training.l2, chosen.head_training.epochs) == (0.5, config.head_training.epochs)
