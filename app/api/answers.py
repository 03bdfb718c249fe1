"""Outcomes as JSON; numbers are not rounded."""

import base64
import hashlib
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from app.words.wording import NOTICE
from models.devices.device import DeviceReport
from models.films.radiograph import Radiograph, read_radiograph
from models.films.refusal import Refusal, attempt
from models.heatmap import overlay
from models.prediction import OperatingPoint, Prediction
from models.predictor import Predictor

Json = dict[str, Any]

_INTERVAL: Final = ("value", "low", "high")


@dataclass(frozen=True, eq=False)
class Judged:
    """What came of one file.

    Attributes:
        sha256: of its bytes.
        outcome: the prediction or the refusal.
        heatmap: the film with its heatmap, PNG; None where none was asked for, or nothing was judged.
    """

    sha256: str
    outcome: Prediction | Refusal
    heatmap: bytes | None = None

    @property
    def refusal_code(self) -> str | None:
        """Why the file was not judged; None where it was."""
        return self.outcome.code if isinstance(self.outcome, Refusal) else None


def judge(predictor: Predictor, content: bytes, *, heatmap: bool = False) -> Judged:
    """Judge the bytes of one file; what nobody foresaw is a refusal of this file, too."""
    sha256 = hashlib.sha256(content).hexdigest()
    judged = attempt(lambda: _judge(predictor, read_radiograph(content), heatmap=heatmap))
    return Judged(sha256, judged) if isinstance(judged, Refusal) else judged


def _judge(predictor: Predictor, film: Radiograph, *, heatmap: bool) -> Judged:
    outcome = predictor.predict([film], heatmaps=heatmap)[0]
    if isinstance(outcome, Refusal) or outcome.heatmap is None:
        return Judged(film.sha256, outcome)
    stream = io.BytesIO()
    overlay(film.pixels, outcome.heatmap, field=outcome.field).save(stream, "PNG")
    return Judged(film.sha256, outcome, stream.getvalue())


def served_json(predictor: Predictor) -> Json:
    """Which model answers."""
    engine, bundle = predictor.engine, predictor.bundle
    return {
        "bundle": {"name": bundle.spec.name, "sha256": bundle.sha256},
        "engine": {"name": engine.name, "precision": engine.precision},
        "notice": NOTICE,
    }


def device_json(device: DeviceReport) -> Json:
    """What computes, and why no GPU does where one is there."""
    return {
        "kind": device.kind,
        "name": device.name,
        "count": device.count,
        "driver": device.driver or None,
        "compute_capability": device.capability and ".".join(map(str, device.capability)),
        "differences": device.differences,
        "trouble": device.trouble or None,
    }


def file_json(name: str, judged: Judged) -> Json:
    """One file: its prediction, or its refusal."""
    outcome, refused = judged.outcome, isinstance(judged.outcome, Refusal)
    return {
        "file": name.encode("utf-8", "replace").decode(),
        "sha256": judged.sha256,
        "refusal": _said(outcome) if refused else None,
        "prediction": None if refused else prediction_json(outcome, judged.heatmap),
    }


def prediction_json(prediction: Prediction, heatmap: bytes | None) -> Json:
    """What a bundle says of one film."""
    return {
        "verdict": prediction.verdict,
        "probabilities": dict(zip(prediction.labels, prediction.probabilities, strict=True)),
        "positive": prediction.positive,
        "interval": None if prediction.interval is None else list(prediction.interval),
        "prevalence": prediction.prevalence,
        "distance": prediction.distance,
        "finding": _said(prediction.finding) if prediction.finding else None,
        "notes": [_said(note) for note in prediction.notes],
        "lung_box": asdict(prediction.field) if prediction.field else None,
        "heatmap": base64.b64encode(heatmap).decode() if heatmap else None,
    }


def model_json(predictor: Predictor, limits: Mapping[str, int]) -> Json:
    """What the served bundle is, and what the API takes."""
    spec = predictor.bundle.spec
    return {
        **served_json(predictor),
        "labels": list(spec.labels),
        "positive": spec.positive,
        "operating_points": [_point_json(point) for point in spec.operating_points],
        "field": spec.field,
        "backbone": spec.backbone.id,
        "population": str(spec.data.get("population", "not stated")),
        "created": spec.created,
        "limits": dict(limits),
    }


def _point_json(point: OperatingPoint) -> Json:
    return {
        "name": point.name,
        "threshold": point.threshold,
        "sensitivity": dict(zip(_INTERVAL, point.sensitivity, strict=True)),
        "specificity": dict(zip(_INTERVAL, point.specificity, strict=True)),
        "promise": point.promise,
    }


def _said(refusal: Refusal) -> Json:
    return {"code": refusal.code, "message": refusal.sentence}
