"""A search among heads, which costs seconds: the backbone has done its work, and heads are fitted side by side.

Scouts, heads with few hidden units, find the pooling first, then weight decay, dropout and class weights, in a quarter of the
time that heads as wide as usual would take. What they find is then tried as wide as usual, beside heads without hidden units.
All are ranked on plain films and one augmented view and after few passes; the best is fitted in full afterwards. Scouts are not
taken themselves: fitted in full, 32 units had an AUROC of 0.9984 by patient, 64 of 0.9987 and 128 of 0.9987 (5,216 films,
EfficientNet-Lite0, mean of two to four starts), and by acquisition batch 0.9950, 0.9954 and 0.9955.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.metrics import roc_auc_score

from models.calibration import softmax
from models.head import POOLINGS
from models.system.progress import Advance, progress_bar
from training.config import RunConfig
from training.data.folds import Split
from training.embedding.embedded_films import EmbeddedFilms
from training.heads.fit import Part, fit_side_by_side
from training.heads.fit_folds import left_out_batches
from training.heads.stack import Candidate

RULE: Final = (
    "highest mean of the AUROC by patient and, where there are batches, by batch, to four digits, among heads as wide as usual "
    "or without hidden units; of equals the smaller"
)

_EPOCHS: Final = (
    6  # after 4, heads on longer embeddings have not yet overtaken the others (5,216 films, EfficientNet-Lite0)
)
_VIEWS: Final = 1  # augmented ones, besides the plain film
_NARROW: Final = 32
_MOST_NUMBERS: Final = 6_000_000  # of the kernels that are fitted at once: 24 MB, and four times that for Adam


@dataclass(frozen=True)
class Trial:
    """A head that was tried.

    Attributes:
        candidate: the head, and how it was fitted.
        auroc: out of fold, by patient; for more than two classes the mean of one against the rest.
        batch_auroc: the mean over left-out acquisition batches; None where there are none.
    """

    candidate: Candidate
    auroc: float
    batch_auroc: float | None

    @property
    def score(self) -> float:
        scores = [self.auroc] if self.batch_auroc is None else [self.auroc, self.batch_auroc]
        return round(float(np.mean(scores)), 4)

    def as_json(self) -> dict[str, Any]:
        head, training = self.candidate
        return {
            "pooling": head.pooling,
            "width": head.width,
            "dropout": head.dropout,
            "l2": training.l2,
            "class_weights": training.class_weights,
            "auroc": self.auroc,
            "batch_auroc": self.batch_auroc,
            "score": self.score,
        }


@dataclass(frozen=True)
class Search:
    """What was tried, in order, on so many views of each film and after so many passes at most; the first are scouts."""

    trials: tuple[Trial, ...]
    views: int
    epochs: int
    scouts: int = 0

    @property
    def best(self) -> Trial:
        return max(self.trials[self.scouts :], key=lambda trial: (trial.score, -_size(trial.candidate)))

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "rule": RULE,
            "scouts": self.scouts,
            "views": self.views,
            "epochs": self.epochs,
            "best": self.trials.index(self.best),
            "trials": [trial.as_json() for trial in self.trials],
        }

    def table(self) -> Table:
        """For the terminal; the best in bold."""
        table = Table(
            "pooling", "hidden layer", "dropout", "weight decay", "class weights", title="Heads that were tried"
        )
        for name in ("AUROC by patient", "by batch", "mean"):
            table.add_column(name, justify="right")
        for trial in self.trials:
            row = trial.as_json()
            scores = [row[name] for name in ("auroc", "batch_auroc", "score")]
            table.add_row(
                row["pooling"],
                str(row["width"] or "none"),
                f"{row['dropout']:g}" if row["width"] else "",
                f"{row['l2']:g}",
                "yes" if row["class_weights"] else "no",
                *("" if score is None else f"{score:.4f}" for score in scores),
                style="bold" if trial is self.best else None,
            )
        return table


def search_heads(config: RunConfig, embedded: EmbeddedFilms, folds: Sequence[Split], console: Console) -> Search:
    """Try heads on the folds that the chosen one will be judged by, and on acquisition batches."""
    training = replace(config.head_training, epochs=min(_EPOCHS, config.head_training.epochs))
    narrow = Candidate(replace(config.head, width=_NARROW), training)
    poolings = [narrow._replace(head=replace(narrow.head, pooling=pooling)) for pooling in POOLINGS]
    views = min(_VIEWS, config.views)
    trier = _Trier(config.seed, embedded, folds, views)
    with progress_bar(console, "Trying heads") as advance:
        count = len(poolings) + len(_variations(narrow)) + len(_without_hidden_units(narrow)) + 1
        trials = trier.try_all(poolings, advance, count)
        pooled = _best(trials)
        trials += trier.try_all(_variations(pooled), advance, count)
        scouts, found = len(trials), _best(trials)
        wide = found._replace(head=replace(found.head, width=config.head.width))
        trials += trier.try_all([wide, *_without_hidden_units(pooled)], advance, count)
    search = Search(tuple(trials), views, training.epochs, scouts)
    console.print(search.table())
    console.print(f"Taken: the {RULE}. It is fitted in full now.", soft_wrap=True)
    return search


def _best(trials: Sequence[Trial]) -> Candidate:
    return Search(tuple(trials), 0, 0).best.candidate


def _variations(narrow: Candidate) -> list[Candidate]:
    """Each of the other settings by itself."""
    head, training = narrow
    return [
        *_with_more_decay(narrow),
        Candidate(replace(head, dropout=0.0), training),
        Candidate(replace(head, dropout=0.5), training),
        Candidate(head, replace(training, class_weights=not training.class_weights)),
    ]


def _without_hidden_units(narrow: Candidate) -> list[Candidate]:
    """Logistic regressions."""
    alone = narrow._replace(head=replace(narrow.head, width=0, dropout=0.0))
    return [alone, *_with_more_decay(alone)]


def _with_more_decay(one: Candidate) -> list[Candidate]:
    return [one._replace(training=replace(one.training, l2=factor * one.training.l2)) for factor in (10, 100)]


@dataclass
class _Trier:
    """Fits candidates on the folds and on the batches, and scores them."""

    seed: int
    embedded: EmbeddedFilms
    folds: Sequence[Split]
    views: int
    done: int = 0

    def __post_init__(self) -> None:
        embedded = self.embedded
        self._classes = len(np.unique(embedded.truth))
        self._batches: list[Split] = [(fold.fit, fold.held_out) for fold in left_out_batches(embedded)]

    def try_all(self, candidates: Sequence[Candidate], advance: Advance, count: int) -> list[Trial]:
        trials: list[Trial] = []
        truth = self.embedded.truth
        held_out = [held_out for _, held_out in (*self.folds, *self._batches)]
        every = np.concatenate(held_out[: len(self.folds)])
        for together in self._groups(candidates):
            for candidate, logits in zip(together, self._held_out(together, held_out), strict=True):
                auroc = _auroc(truth[every], np.concatenate(logits[: len(self.folds)]))
                of_batches = [
                    _auroc(truth[films], found)
                    for films, found in zip(held_out[len(self.folds) :], logits[len(self.folds) :], strict=True)
                ]
                trials.append(Trial(candidate, auroc, float(np.mean(of_batches)) if of_batches else None))
            self.done += len(together)
            advance(self.done, count)
        return trials

    def _groups(self, candidates: Sequence[Candidate]) -> list[list[Candidate]]:
        """Candidates that one step can fit: of one pooling and width, and not too many for the memory."""
        groups = []
        for (pooling, width), same in groupby(candidates, key=lambda one: (one.head.pooling, one.head.width)):
            size = self.embedded.pooled(pooling).shape[-1] * (width or self._classes)
            most = max(1, _MOST_NUMBERS // ((len(self.folds) + len(self._batches)) * size))
            alike = list(same)
            groups += [alike[start : start + most] for start in range(0, len(alike), most)]
        return groups

    def _held_out(
        self, candidates: Sequence[Candidate], held_out: Sequence[NDArray[np.int64]]
    ) -> list[list[NDArray[np.float32]]]:
        """For each candidate, the logits of what each split holds out."""
        embeddings = self.embedded.pooled(candidates[0].head.pooling)
        rows = fit_side_by_side(
            embeddings[:, : 1 + self.views],
            self.embedded.truth,
            [Part(fit) for fit, _ in (*self.folds, *self._batches)],
            candidates,
            classes=self._classes,
            seed=self.seed,
        )
        plain = [embeddings[films, 0] for films in held_out]
        return [
            [heads[place].head.logits(films) for heads, films in zip(rows, plain, strict=True)]
            for place in range(len(candidates))
        ]


def _auroc(truth: NDArray[np.int64], logits: NDArray[np.float32]) -> float:
    if logits.shape[1] == 2:
        return float(roc_auc_score(truth, logits[:, 1] - logits[:, 0]))
    return float(roc_auc_score(truth, softmax(logits.astype(np.float64)), multi_class="ovr"))


def _size(candidate: Candidate) -> int:
    """What grows with the numbers of the first layer."""
    return candidate.head.input_size(1) * (candidate.head.width or 1)
