"""A search among heads, which costs a minute: the backbone has done its work, and heads are fitted side by side.

First the pooling of a logistic regression, then its weight decay and class weights, then hidden units. Each is fitted as it
would be kept, on every view, and scored on patients, on acquisition batches and on surroundings that it has not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from models.head import POOLINGS, DenseHead, select_pooling
from models.system.progress import Advance, progress_bar
from training.config import RunConfig
from training.data.folds import Split
from training.embedding.embedded_films import EmbeddedFilms
from training.heads.fit import Part, fit_side_by_side, plain_logits
from training.heads.fit_folds import left_out_batches
from training.heads.stack import Candidate
from training.metrics.bootstrap import draw_weights, patient_indices
from training.metrics.weighted import auroc

RULE: Final = (
    "of each head the worst of its scores counts: AUROC by patient, by acquisition batch, and with surroundings exchanged; of "
    "the heads that fall short of the best by no more than one standard error of the difference, over the same patients (and, "
    "where lungs are looked for, are not above 0.75 by surroundings alone, if there are such), the one with the fewest numbers, "
    "then one that pools over the lungs, then with the strongest weight decay"
)
MOST_BY_SURROUNDINGS: Final = 0.75
"""AUROC of the surroundings alone above which a head goes by them."""

_SCORES: Final = ("auroc", "batch_auroc", "exchanged_auroc", "surroundings_auroc")
_WIDTH: Final = 32
_HIDDEN_DECAYS: Final = (0.01, 0.03)
_DRAWS: Final = 200
_MOST_NUMBERS: Final = 6_000_000  # of the kernels that are fitted at once: 24 MB, and four times that for Adam


@dataclass(frozen=True)
class Trial:
    """A head that was tried.

    Attributes:
        candidate: the head, and how it was fitted.
        auroc: out of fold, by patient; for more than two classes the mean of one against the rest.
        batch_auroc: the mean over left-out acquisition batches; None where there are none.
        exchanged_auroc: out of fold, the lungs on surroundings of another class; None where lungs are not looked for.
        surroundings_auroc: out of fold, the surroundings alone; None likewise.
        drawn: `(draws,)`, the worst of the scores in each draw of patients; the draws are the same for all heads.
    """

    candidate: Candidate
    auroc: float
    batch_auroc: float | None
    exchanged_auroc: float | None = None
    surroundings_auroc: float | None = None
    drawn: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), compare=False)

    @property
    def score(self) -> float:
        """The worst of its scores, to four digits."""
        scores = (self.auroc, self.batch_auroc, self.exchanged_auroc)
        return round(min(score for score in scores if score is not None), 4)

    @property
    def goes_by_surroundings(self) -> bool:
        return self.surroundings_auroc is not None and self.surroundings_auroc > MOST_BY_SURROUNDINGS

    def is_as_good_as(self, best: "Trial") -> bool:
        """Whether what it falls short of the best by is within one standard error; heads of one folder err together."""
        differences = best.drawn - self.drawn
        differences = differences[np.isfinite(differences)]  # a small folder can be drawn without one of its classes
        error = float(differences.std()) if len(differences) else 0.0
        return best.score - self.score <= error

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
            "exchanged_auroc": self.exchanged_auroc,
            "surroundings_auroc": self.surroundings_auroc,
            "score": self.score,
        }


@dataclass(frozen=True)
class Search:
    """What was tried, in order, on so many augmented views of each film besides the plain one."""

    trials: tuple[Trial, ...]
    views: int

    @property
    def best(self) -> Trial:
        """What `RULE` takes."""
        honest = [trial for trial in self.trials if not trial.goes_by_surroundings] or self.trials
        leader = max(honest, key=lambda trial: trial.score)
        near = [trial for trial in honest if trial.is_as_good_as(leader)]
        return min(near, key=_simplicity)

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {
            "rule": RULE,
            "views": self.views,
            "best": self.trials.index(self.best),
            "trials": [trial.as_json() for trial in self.trials],
        }

    def table(self) -> Table:
        """For the terminal; the best in bold."""
        table = Table(
            "pooling", "hidden", "dropout", "decay", "weights", title="Heads that were tried: AUROC", box=SIMPLE
        )
        for name in ("patient", "batch", "exch.", "surr.", "worst"):
            table.add_column(name, justify="right", no_wrap=True)
        for trial in self.trials:
            row = trial.as_json()
            scores = [row[name] for name in (*_SCORES, "score")]
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
    usual = Candidate(config.head, config.head_training)
    fitting = [pooling for pooling in POOLINGS if pooling != "lungs" or config.field == "lungs"]
    poolings = [usual._replace(head=replace(usual.head, pooling=pooling)) for pooling in fitting]
    trier = _Trier(config.seed, embedded, folds)
    with progress_bar(console, "Trying heads") as advance:
        count = len(poolings) + len(_variations(usual)) + len(_with_hidden_units(usual))
        trials = trier.try_all(poolings, advance, count)
        pooled = _best(trials)
        trials += trier.try_all(_variations(pooled), advance, count)
        trials += trier.try_all(_with_hidden_units(_best(trials)), advance, count)
    search = Search(tuple(trials), config.views)
    console.print(search.table())
    console.print(f"The rule: {RULE}.", soft_wrap=True)
    return search


def _best(trials: Sequence[Trial]) -> Candidate:
    return Search(tuple(trials), 0).best.candidate


def _variations(usual: Candidate) -> list[Candidate]:
    """Each of the other settings by itself."""
    return [*_with_other_decay(usual), usual._replace(training=replace(usual.training, class_weights=False))]


def _with_hidden_units(found: Candidate) -> list[Candidate]:
    """Hidden units need less decay than a regression to fit as closely."""
    head = replace(found.head, width=_WIDTH)
    return [Candidate(head, replace(found.training, l2=decay)) for decay in _HIDDEN_DECAYS]


def _with_other_decay(one: Candidate) -> list[Candidate]:
    return [one._replace(training=replace(one.training, l2=factor * one.training.l2)) for factor in (0.1, 3, 10)]


@dataclass
class _Trier:
    """Fits candidates on the folds and on the batches, and scores them."""

    seed: int
    embedded: EmbeddedFilms
    folds: Sequence[Split]
    done: int = 0

    def __post_init__(self) -> None:
        embedded = self.embedded
        self._classes = len(np.unique(embedded.truth))
        self._batches: list[Split] = [(fold.fit, fold.held_out) for fold in left_out_batches(embedded)]

    def try_all(self, candidates: Sequence[Candidate], advance: Advance, count: int) -> list[Trial]:
        trials: list[Trial] = []
        for together in self._groups(candidates):
            trials += [self._trial(*one) for one in zip(together, self._fitted(together), strict=True)]
            self.done += len(together)
            advance(self.done, count)
        return trials

    def _trial(self, candidate: Candidate, heads: Sequence[DenseHead]) -> Trial:
        """Score the heads of a candidate, those of the folds first."""
        pooled = self.embedded.pooled_rows(candidate.head.pooling)
        held_out = [part for _, part in self.folds]
        folds, batches = heads[: len(held_out)], heads[len(held_out) :]
        logits = [plain_logits(head, pooled, part) for head, part in zip(folds, held_out, strict=True)]
        every = np.concatenate(held_out)
        of_batches = [
            self._auroc(part, plain_logits(head, pooled, part))
            for head, (_, part) in zip(batches, self._batches, strict=True)
        ]
        patient = self._auroc(every, np.concatenate(logits))
        batch = np.mean(of_batches, axis=0) if of_batches else None
        exchanged, surroundings = self._probe(candidate.head.pooling, folds)
        drawn = np.min([score[1:] for score in (patient, batch, exchanged) if score is not None], axis=0)
        return Trial(candidate, float(patient[0]), _of_all(batch), _of_all(exchanged), _of_all(surroundings), drawn)

    def _auroc(self, places: NDArray[np.int64], logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """The AUROC of some films, `(1 + draws,)`: of all their patients, and then in each draw of patients."""
        truth, cluster = self.embedded.truth[places], patient_indices(self.embedded.patients)
        drawn = draw_weights(cluster, draws=_DRAWS, seed=self.seed)
        return np.concatenate([
            auroc(weights[:, places], truth, logits) for weights in chain([np.ones((1, len(cluster)))], drawn)
        ])  # fmt: skip

    def _probe(
        self, pooling: str, folds: Sequence[DenseHead]
    ) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """AUROC with surroundings exchanged, and of surroundings alone, by the heads that have not seen the patients."""
        probes = self.embedded.probes
        if probes is None:
            return None, None
        scores = []
        for views in (probes.exchanged, probes.surroundings):
            pooled, logits = select_pooling(views, pooling), np.empty((len(views), self._classes), np.float32)
            for head, (_, held_out) in zip(folds, self.folds, strict=True):
                own = np.isin(probes.places, held_out)
                logits[own] = head.logits(pooled[own])
            scores.append(self._auroc(probes.places, logits))
        return scores[0], scores[1]

    def _groups(self, candidates: Sequence[Candidate]) -> list[list[Candidate]]:
        """Candidates that one step can fit: of one pooling and width, and not too many for the memory."""
        groups = []
        for (pooling, width), same in groupby(candidates, key=lambda one: (one.head.pooling, one.head.width)):
            size = int(np.prod(self.embedded.pooled_rows(pooling).shape[2:])) * (width or self._classes)
            most = max(1, _MOST_NUMBERS // ((len(self.folds) + len(self._batches)) * size))
            alike = list(same)
            groups += [alike[start : start + most] for start in range(0, len(alike), most)]
        return groups

    def _fitted(self, candidates: Sequence[Candidate]) -> list[list[DenseHead]]:
        """For each candidate its heads, of the folds and then of the batches."""
        rows = fit_side_by_side(
            self.embedded.pooled_rows(candidates[0].head.pooling),
            self.embedded.truth,
            [Part(fit) for fit, _ in (*self.folds, *self._batches)],
            candidates,
            classes=self._classes,
            seed=self.seed,
        )
        return [[heads[place].head for heads in rows] for place in range(len(candidates))]


def _of_all(score: NDArray[np.float64] | None) -> float | None:
    return None if score is None else float(score[0])


def _simplicity(trial: Trial) -> tuple[float, ...]:
    """What `RULE` goes by among heads that are equally good, the least first; numbers are those of the first layer."""
    head, training = trial.candidate
    numbers = head.input_size(1) * (head.width or 1)
    return numbers, head.pooling != "lungs", -training.l2, -trial.score
