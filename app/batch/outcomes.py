"""Outcomes as text, and back: what a batch keeps of each film. Numbers come back as they were."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

from app.batch.sentences import Json, read_sentence, sentence_json
from models.films.refusal import Refusal
from models.lungs.box import Box
from models.prediction import OperatingPoint, Prediction

Outcome = Prediction | Refusal


def outcome_text(outcome: Outcome) -> str:
    """An outcome as JSON. Operating points are not among it: all films of a batch have the same. Nor is what is drawn."""
    if isinstance(outcome, Refusal):
        return json.dumps({"refusal": _said(outcome)})
    return json.dumps(
        {
            "labels": outcome.labels,
            "probabilities": outcome.probabilities,
            "verdict": outcome.verdict,
            "bundle": outcome.bundle,
            "positive": outcome.positive,
            "prevalence": outcome.prevalence,
            "interval": outcome.interval,
            "heatmap_label": outcome.heatmap_label,
            "distance": outcome.distance,
            "finding": _said(outcome.finding) if outcome.finding else None,
            "notes": [_said(note) for note in outcome.notes],
            "field": asdict(outcome.field) if outcome.field else None,
            "attention": outcome.attention,
        }
    )


def read_outcome(text: str, points: Sequence[OperatingPoint]) -> Outcome:
    """The outcome of such a text, with the operating points of the bundle that judged."""
    said = json.loads(text)
    if "refusal" in said:
        return _refusal(said["refusal"])
    said["labels"], said["probabilities"] = tuple(said["labels"]), tuple(said["probabilities"])
    said["interval"] = tuple(said["interval"]) if said["interval"] else None
    said["finding"] = _refusal(said["finding"]) if said["finding"] else None
    said["notes"] = tuple(_refusal(note) for note in said["notes"])
    said["field"] = Box(**said["field"]) if said["field"] else None
    return Prediction(**said, operating_points=tuple(points))


def points_text(points: Sequence[OperatingPoint]) -> str:
    """Operating points as JSON."""
    return json.dumps([asdict(point) for point in points])


def read_points(text: str) -> tuple[OperatingPoint, ...]:
    """The operating points of such a text."""
    return tuple(
        OperatingPoint(**{key: tuple(value) if isinstance(value, list) else value for key, value in one.items()})
        for one in json.loads(text)
    )


def uncertainty(outcome: Outcome) -> float | None:
    """Shannon's entropy of the probabilities, from 0 (certain) to 1 (all classes as likely); None for what was refused."""
    if isinstance(outcome, Refusal):
        return None
    entropy = -sum(share * math.log(share) for share in outcome.probabilities if share > 0)
    return entropy / math.log(len(outcome.probabilities))


def _said(refusal: Refusal) -> dict[str, Json]:
    return {"code": refusal.code, "sentence": sentence_json(refusal.sentence)}


def _refusal(said: dict[str, Json]) -> Refusal:
    return Refusal(str(said["code"]), read_sentence(said["sentence"]))
