"""The search among heads: it finds what is better, and says what it tried."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from models.backbones.pooling import POOLED
from models.head import HeadConfig
from training.config import HeadTraining, RunConfig
from training.data.folds import grouped_folds
from training.data.manifest import Entry
from training.embedding.embedded_films import EmbeddedFilms, Probes
from training.heads.search import Search, Trial, search_heads
from training.heads.stack import Candidate

SIZE = 6


def embedded(told_by: str, *, classes: int = 2, n: int = 72, batches: bool = True) -> EmbeddedFilms:
    """Noise `(n, 2, 3, 6)` in which one of the rows of `POOLED` tells the classes apart; 2 images a patient."""
    dice = np.random.default_rng(0)
    truth = np.arange(n) // 2 % classes
    embeddings = dice.normal(0, 1, (n, 2, 3, SIZE)).astype(np.float32)
    embeddings[np.arange(n), :, POOLED.index(told_by), truth] += 4
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
    config = RunConfig(tmp_path, "tried", tmp_path, field="lungs", search=True, views=1, head_training=training)
    folds = grouped_folds(found.truth, found.patients, folds=2, seed=0)
    return search_heads(config, found, folds, Console(quiet=True))


@pytest.mark.parametrize(
    ("told_by", "poolings"), [("mean", {"mean", "both"}), ("max", {"max", "both"}), ("lungs", {"lungs"})]
)
def test_the_pooling_that_tells_the_classes_apart_is_taken(told_by: str, poolings: set[str], tmp_path: Path) -> None:
    found = search(embedded(told_by), tmp_path)
    assert found.best.candidate.head.pooling in poolings
    assert found.best.score > 0.9
    wrong = next(trial for trial in found.trials if trial.candidate.head.pooling not in poolings)
    assert wrong.score < 0.75
    assert all(trial.batch_auroc is not None for trial in found.trials)


def test_three_classes_without_batches_are_ranked_by_patient_alone(tmp_path: Path) -> None:
    found = search(embedded("mean", classes=3, batches=False), tmp_path)
    assert len(found.trials) == 10
    assert found.best.batch_auroc is None
    assert found.best.score == round(found.best.auroc, 4) > 0.8
    assert "0.05" in str(found.as_json()["trials"])


def trial(width: int, auroc: float, *, pooling: str = "mean", l2: float = 1e-3, **scores: float) -> Trial:
    """A head that was tried; its differences from others have a standard error of 0.002."""
    candidate = Candidate(HeadConfig(width, 0.1, pooling), HeadTraining(l2=l2))
    drawn = auroc + np.random.default_rng([width, round(1e6 * auroc)]).normal(0, 0.002 / np.sqrt(2), 1000)
    return Trial(candidate, auroc, scores.pop("batch_auroc", auroc), drawn=drawn, **scores)


def best(*trials: Trial) -> Candidate:
    return Search(trials, views=1).best.candidate


def test_within_a_standard_error_of_the_best_the_simpler_head_is_taken() -> None:
    assert best(trial(128, 0.991), trial(32, 0.990), trial(0, 0.98)).head.width == 32
    assert best(trial(32, 0.991), trial(128, 0.995)).head.width == 128
    assert best(trial(32, 0.99, pooling="both"), trial(32, 0.99)).head.pooling == "mean"


def test_heads_that_err_together_are_told_apart_by_less() -> None:
    """Where patients are hard for one head they are for the other, so that the difference is surer than either score."""
    hard = np.random.default_rng(0).normal(0, 0.02, 1000)
    large, small = (replace(one, drawn=one.score + hard) for one in (trial(128, 0.991), trial(32, 0.990)))
    assert best(large, small).head.width == 128


def test_of_equally_simple_heads_the_more_strongly_regularised_is_taken() -> None:
    assert best(trial(0, 0.99, l2=0.1), trial(0, 0.991), trial(0, 0.98, l2=1.0)).training.l2 == 0.1


def test_of_equally_good_heads_one_that_pools_over_the_lungs_is_taken() -> None:
    assert best(trial(0, 0.991, l2=0.1), trial(0, 0.99, pooling="lungs")).head.pooling == "lungs"
    assert best(trial(0, 0.995), trial(0, 0.99, pooling="lungs")).head.pooling == "mean"


def test_the_worst_score_of_a_head_counts() -> None:
    assert best(trial(32, 0.999, batch_auroc=0.9), trial(128, 0.95)).head.width == 128
    assert best(trial(32, 0.999, exchanged_auroc=0.6), trial(128, 0.95, exchanged_auroc=0.94)).head.width == 128


def test_a_head_that_goes_by_surroundings_is_taken_only_where_all_do() -> None:
    honest, other = trial(128, 0.97, surroundings_auroc=0.6), trial(32, 0.99, surroundings_auroc=0.9)
    assert best(other, honest).head.width == 128
    assert best(other, trial(128, 0.97, surroundings_auroc=0.8)).head.width == 32


def test_probes_are_judged_by_heads_that_have_not_seen_the_patient(tmp_path: Path) -> None:
    """The lungs, here the first three channels, tell the classes apart; the surroundings, the last three, do not."""
    found = embedded("mean", n=120)
    places = np.arange(0, 120, 2)
    exchanged = found.embeddings[places, 0].copy()
    exchanged[..., 3:] = np.roll(exchanged[..., 3:], 1, axis=0)
    alone = np.random.default_rng(1).normal(0, 1, exchanged.shape).astype(np.float32)
    probed = replace(found, probes=Probes(places, exchanged, alone))
    for one in search(probed, tmp_path).trials:
        if one.candidate.head.pooling in ("mean", "both"):
            assert one.exchanged_auroc is not None
            assert one.exchanged_auroc > 0.9
            assert one.surroundings_auroc is not None
            assert 0.25 < one.surroundings_auroc < 0.75


def test_fine_tuning_and_a_search_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunConfig(tmp_path, "both", tmp_path, search=True, fine_tune=1)


def test_the_run_goes_on_with_the_head_that_was_chosen(tmp_path: Path) -> None:
    config = RunConfig(tmp_path, "chosen", tmp_path, search=True)
    chosen = config.with_head(HeadConfig(0, 0.0, "max"), replace(HeadTraining(), l2=0.5, epochs=2))
    assert chosen.head == HeadConfig(0, 0.0, "max")
    assert (chosen.head_training.l2, chosen.head_training.epochs) == (0.5, config.head_training.epochs)
