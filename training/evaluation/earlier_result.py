"""The file that `--compare` names: a result to compare with."""

import json
from pathlib import Path

from training.metrics.bootstrap import Estimate
from training.metrics.comparison import Earlier


def read_earlier(path: Path) -> Earlier:
    """Read a bundle's report.json or an evaluation.json.

    Raises:
        ValueError: where it is neither.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        kind = "out of fold" if "out_of_fold" in raw else "evaluation"
        metrics = raw["out_of_fold"] if kind == "out of fold" else raw["metrics"]
        fingerprint = raw["data"]["fingerprint"] if kind == "out of fold" else raw["data_fingerprint"]
        estimates = {name: Estimate(**value) if value else None for name, value in metrics.items()}
        return Earlier(kind, str(raw["bundle"]), str(fingerprint), estimates)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"--compare must name an evaluation.json, or the report.json of a bundle. Received: {path}, {error!r}"
        ) from error
