"""Two models on the same images: the difference, and an interval that knows that they are the same images."""

import numpy as np
import pytest

from training.metrics.classification import binary_metrics
from training.metrics.comparison import difference
from training.metrics.paired import DIFFERENCES, Scores, paired_metrics


def cohort(n: int = 300) -> tuple[np.ndarray, np.ndarray, list[str]]:
    generator = np.random.default_rng(3)
    positive = generator.random(n) < 0.5
    logit = np.where(positive, 1.0, -1.0) + generator.normal(0, 1.5, n)
    return positive, logit, [f"p{number // 2}" for number in range(n)]


def share(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def test_each_models_numbers_are_those_that_it_has_alone() -> None:
    positive, logit, patients = cohort()
    found = paired_metrics(positive, Scores(share(logit), 0.4), Scores(share(-logit), 0.6), patients, draws=200)
    for kind, scores, threshold in (("later", logit, 0.4), ("earlier", -logit, 0.6)):
        alone = binary_metrics(positive, share(scores), patients, threshold=threshold, draws=200)
        for name in DIFFERENCES:
            one, other = found[kind][name], alone[name]
            assert one is not None
            assert other is not None
            assert one.value == pytest.approx(other.value)
            assert found["difference"][name].value == pytest.approx(
                found["later"][name].value - found["earlier"][name].value
            )


def test_a_model_does_not_differ_from_itself() -> None:
    positive, logit, patients = cohort()
    found = paired_metrics(positive, Scores(share(logit), 0.5), Scores(share(logit), 0.5), patients, draws=100)
    for name, estimate in found["difference"].items():
        assert estimate is not None
        about = {"sensitivity": positive, "specificity": ~positive}.get(name)
        count = 0 if about is None else len({patient for patient, one in zip(patients, about, strict=True) if one})
        open_ = 1 - 0.025 ** (1 / count) if count else 0  # what so many patients leave open
        assert (estimate.value, estimate.low, estimate.high) == (0, pytest.approx(-open_), pytest.approx(open_))


def test_pairs_tell_a_small_difference_that_two_intervals_do_not() -> None:
    positive, logit, patients = cohort()
    better = Scores(share(logit + np.where(positive, 0.15, -0.15)), 0.5)
    found = paired_metrics(positive, better, Scores(share(logit), 0.5), patients, draws=500)
    paired = found["difference"]["auroc"]
    unpaired = difference(found["later"]["auroc"], found["earlier"]["auroc"])
    assert 0 < paired.low < paired.value < paired.high
    assert unpaired.low < 0
    assert paired.high - paired.low < 0.5 * (unpaired.high - unpaired.low)


def test_one_class_alone_gives_what_it_can() -> None:
    found = paired_metrics(np.ones(4, bool), Scores([0.9] * 4, 0.5), Scores([0.1] * 4, 0.5), list("abcd"), draws=50)
    assert found["difference"]["auroc"] is None
    assert found["difference"]["specificity"] is None
    assert found["difference"]["sensitivity"].value == 1
