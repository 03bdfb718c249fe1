"""How often a bundle gives no verdict, and how good it is where it gives one."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.prediction import OperatingPoint
from training.metrics.bootstrap import DRAWS, metrics_json
from training.metrics.classification import share_metrics
from training.metrics.decisions import indeterminate
from training.metrics.judged import Judged

REFUSED, WITHHELD, INDETERMINATE = "not_a_radiograph", "unlike_training_data", "indeterminate"


def abstention_report(
    judged: Judged, points: Sequence[OperatingPoint], operating_point: OperatingPoint | None, *, draws: int = DRAWS
) -> dict[str, Any]:
    """Shares of all images and metrics of those with a verdict, as a report holds them.

    Returns:
        shares: of each reason for giving no verdict, and `verdict_given`; null for what the bundle does not have (a gate,
            or the operating points rule_out and rule_in, between which the verdict is indeterminate). An image that the
            gate holds back counts as that alone.
        judged: the count of images with a verdict, by label, and their metrics; null metrics where there is none.
    """
    everything = np.ones(len(judged.truth), dtype=bool)
    passed = everything if judged.findings is None else judged.findings == ""
    between = None
    if judged.positive is not None:
        between = indeterminate(judged.positive_probability, {point.name: point.threshold for point in points})
    given = passed if between is None else passed & ~between
    members = {"verdict_given": given}
    if judged.findings is not None:
        members |= {code: judged.findings == code for code in (REFUSED, WITHHELD)}
    if between is not None:
        members[INDETERMINATE] = passed & between
    shares = metrics_json(share_metrics(members, judged.patients, draws=draws))
    part = judged.select(given)
    return {
        "shares": {name: shares.get(name) for name in (REFUSED, WITHHELD, INDETERMINATE, "verdict_given")},
        "counts": {name: int(mask.sum()) for name, mask in members.items()},
        "has_gate": judged.findings is not None,
        "has_indeterminate_zone": between is not None,
        "judged": {
            "images": {label: int((part.truth == index).sum()) for index, label in enumerate(judged.labels)},
            "patients": len(set(part.patients)),
            "metrics": metrics_json(part.metrics(operating_point, draws=draws)) if given.any() else None,
            "confusion": part.confusion(operating_point).tolist() if given.any() else None,
        },
    }
