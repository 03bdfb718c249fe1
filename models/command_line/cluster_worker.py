"""What a worker of a cluster does with a batch of films: the same as `predict` does with them on one machine."""

import os
from typing import Any

import pyarrow as pa

from models.cluster.shipping import ShippedBundle, ShippedWeights
from models.cluster.storage import read_source
from models.command_line.screening import Outcome, as_asked, judge_files
from models.films.refusal import Refusal
from models.predictor import Predictor


def result_columns(labels: tuple[str, ...]) -> pa.Schema:
    """The columns of results: probabilities are null for a refused file, `distance` where a bundle has no gate."""
    texts = {name: pa.string() for name in ("verdict", "refusal_code", "sentence")}
    numbers = {name: pa.float64() for name in (*(f"p_{label}" for label in labels), "distance")}
    return pa.schema({"id": pa.int64(), **texts, **numbers})


def result_row(outcome: Outcome, labels: tuple[str, ...]) -> dict[str, Any]:
    """An outcome by the names of `result_columns`, but for the id."""
    if isinstance(outcome, Refusal):
        return {"verdict": "", "refusal_code": outcome.code, "sentence": str(outcome.sentence)}
    said = [one for one in (outcome.finding, *outcome.notes) if one is not None]
    return {
        "verdict": outcome.verdict or "",
        "refusal_code": outcome.finding.code if outcome.finding else "",
        "sentence": " ".join(str(one.sentence) for one in said),
        "distance": outcome.distance,
        **{f"p_{label}": value for label, value in zip(labels, outcome.probabilities, strict=True)},
    }


class FilmJudge:
    """A bundle in a worker; called with tables of `id` and `source`, a path or URI as bytes."""

    def __init__(
        self,
        bundle: ShippedBundle,
        weights: ShippedWeights,
        *,
        engine: str,
        cores: int,
        upright: bool,
        operating_point: str | None,
        prevalence: float | None,
    ) -> None:
        with bundle.unpacked() as verified, weights.unpacked() as file:
            self._predictor = Predictor(verified, engine=engine, weights=file, threads=cores)
        self._upright, self._asked = upright, (operating_point, prevalence)

    def __call__(self, rows: pa.Table) -> pa.Table:
        labels = self._predictor.bundle.spec.labels
        sources = [os.fsdecode(source) for source in rows["source"].to_pylist()]
        judged = judge_files(self._predictor, sources, upright=self._upright, read=read_source)
        found = [result_row(as_asked(outcome, *self._asked), labels) for _, _, outcome in judged]
        answers = [{"id": number, **row} for number, row in zip(rows["id"].to_pylist(), found, strict=True)]
        return pa.Table.from_pylist(answers, result_columns(labels))
