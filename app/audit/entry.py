"""What the log says of one file: its digest, the result, the model and the user; nothing that names a person."""

from typing import Literal

from models.films.refusal import Refusal
from models.prediction import Prediction
from models.predictor import Predictor

Door = Literal["page", "api", "batch"]

LOCAL_USER = "local"
"""Who asks where nobody has to say who they are."""


def audit_entry(
    predictor: Predictor, sha256: str | None, outcome: Prediction | Refusal, *, door: Door, user: str
) -> dict[str, object]:
    """One file, judged or refused.

    Args:
        sha256: of the file's bytes; None where there were none to be read.
        outcome: as the model was calibrated.
        door: what the file came in by.
        user: the name of a token, what an identity provider calls the visitor, or `LOCAL_USER`.
    """
    judged = isinstance(outcome, Prediction)
    finding = outcome.finding if judged else None
    return {
        "door": door,
        "user": user,
        "picture": sha256,
        "verdict": outcome.verdict if judged else None,
        "probabilities": dict(zip(outcome.labels, outcome.probabilities, strict=True)) if judged else None,
        "finding": finding.code if finding else None,
        "refusal": None if judged else outcome.code,
        "bundle": predictor.bundle.spec.name,
        "bundle_sha256": predictor.bundle.sha256,
        "engine": predictor.engine.name,
        "precision": predictor.engine.precision,
    }
