"""The one result: what the page draws, what the tables hold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.films.refusal import Refusal
from models.lungs.box import Box
from models.prevalence import at_prevalence, predictive_values

INDETERMINATE: Final = "indeterminate"
"""The verdict between the operating points rule_out and rule_in: refer to a reader."""

POINT_NAMES: Final = ("rule_out", "balanced", "rule_in")


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on the calibrated probability of the positive class, and what it gave on out-of-fold predictions.

    Attributes:
        name: one of `POINT_NAMES`.
        threshold: the verdict is the positive label where the probability reaches it; in (0, 1).
        sensitivity, specificity: out-of-fold `(value, low, high)`, 95 % patient-clustered bootstrap interval.
        promise: the sensitivity (rule_out) or specificity (rule_in) that films of new patients of the same kind reach with
            95 % confidence; None for balanced, which promises none.
    """

    name: str
    threshold: float
    sensitivity: tuple[float, float, float]
    specificity: tuple[float, float, float]
    promise: float | None = None

    def __post_init__(self) -> None:
        if self.name not in POINT_NAMES:
            raise ValueError(f"name must be one of {', '.join(POINT_NAMES)}. Received: {self.name!r}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must be in (0, 1). Received: {self.threshold}")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a bundle says of one radiograph.

    The verdict of a bundle of two classes is the negative label below the operating point rule_out, the positive one from
    rule_in on, and between them `INDETERMINATE`, which is a verdict and no refusal. `at_operating_point` gives the plain
    verdict at one point instead. A verdict says how a film compares with films of either class, so it is the same at
    every prevalence; the probability is not.

    Attributes:
        labels: the bundle's labels, in its order.
        probabilities: calibrated, one for each label, summing to 1; for films of which a share `prevalence` is positive.
        verdict: one of `labels`, or `INDETERMINATE`; None where the gate withholds it.
        bundle: the name of the bundle that said it.
        positive: the label that operating points speak of; None for a bundle of more than two classes.
        operating_points: the bundle's, by rising threshold, on the scale of `probabilities`; empty as above, where the verdict
            is the likeliest label.
        operating_point: the name of the one that a plain verdict was taken at; None for the verdict as above.
        prevalence: the share of positive films that `probabilities` are for: that of the films that the calibration was
            fitted on, unless `at_prevalence` changed it. None as above.
        interval: low and high end of the 95 % interval of the positive probability: how well the calibration is known, and not
            how unlike other films this one is. None as above, or where the bundle has none.
        heatmap: `(h, w)` float32 in [0, 1] for `heatmap_label`, or None where none was asked for.
        heatmap_label: the label whose score the heatmap explains: the positive one, or the likeliest.
        distance: how far outside the training films the image lies, 1 for a typical one; None for a bundle without a gate.
        finding: why the verdict is withheld (`unlike_training_data`); None where it is given.
        notes: what is to be said of the film although it is judged (`header_faults`, `mirrored`).
        embedding: `(d,)` float32, what the backbone made of the film; films that look alike to it lie close together.
        field: the part of the film that was judged, and that a heatmap is of; None: all of it.
        attention: share of the heatmap that lies within the lungs, in [0, 1]; None where no lungs were looked for, or no
            heatmap was asked for.
    """

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    verdict: str | None
    bundle: str
    positive: str | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    operating_point: str | None = None
    prevalence: float | None = None
    interval: tuple[float, float] | None = None
    heatmap: NDArray[np.float32] | None = None
    heatmap_label: str | None = None
    distance: float | None = None
    finding: Refusal | None = None
    notes: tuple[Refusal, ...] = ()
    embedding: NDArray[np.float32] | None = None
    field: Box | None = None
    attention: float | None = None

    def __post_init__(self) -> None:
        if len(self.probabilities) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(
                f"Each of two or more labels needs a probability. Received: {self.labels}, {self.probabilities}"
            )
        if not (min(self.probabilities) >= 0 and abs(sum(self.probabilities) - 1) <= 1e-6):  # also for not-a-number
            raise ValueError(f"probabilities must be in [0, 1] and sum to 1. Received: {self.probabilities}")
        if (self.verdict is None) != (self.finding is not None):
            raise ValueError(
                "A verdict is withheld where there is a finding, and only there. Received one without the other."
            )
        if self.verdict is not None and self.verdict not in (*self.labels, INDETERMINATE):
            raise ValueError(f"verdict must be one of {(*self.labels, INDETERMINATE)}. Received: {self.verdict!r}")
        if (self.positive is None) != (not self.operating_points):
            raise ValueError("positive and operating_points go together. Received one without the other.")
        names = [point.name for point in self.operating_points]
        if self.operating_point is not None and self.operating_point not in names:
            raise ValueError(f"operating_point must be one of {names}. Received: {self.operating_point!r}")

    def probability(self, label: str) -> float:
        """The calibrated probability of `label`."""
        return self.probabilities[self.labels.index(label)]

    @property
    def deciding_points(self) -> tuple[OperatingPoint, ...]:
        """What the verdict was taken at: rule_out and rule_in, or one point; none for the likeliest label."""
        return deciding_points(self.operating_points, self.operating_point)

    def at_operating_point(self, name: str) -> "Prediction":
        """The same prediction with a plain verdict at one of `operating_points`, never `INDETERMINATE`."""
        points = deciding_points(self.operating_points, name)
        verdict = take_verdict(self.labels, self.probabilities, positive=self.positive, points=points)
        return replace(self, operating_point=name, verdict=None if self.finding else verdict)

    def at_prevalence(self, prevalence: float) -> "Prediction":
        """The same prediction for films of which a share `prevalence`, in (0, 1), is positive: prior-shift correction.

        Probabilities, interval and thresholds move together, so the verdict stays.
        """
        if self.positive is None or self.prevalence is None:
            raise ValueError(f"A prevalence can be set for bundles of two classes. Received: {self.labels}")
        trained = self.prevalence
        index = self.labels.index(self.positive)
        moved = at_prevalence(self.probabilities[index], trained, prevalence)
        points = tuple(point_at(point, trained, prevalence) for point in self.operating_points)
        low, high = (at_prevalence(end, trained, prevalence) for end in self.interval or (0, 1))
        return replace(
            self,
            probabilities=(1 - moved, moved) if index else (moved, 1 - moved),
            operating_points=points,
            prevalence=prevalence,
            interval=(low, high) if self.interval else None,
        )


def point_at(point: OperatingPoint, trained: float, prevalence: float) -> OperatingPoint:
    """The point with its threshold moved from one prevalence to another: the same films reach it."""
    moved = at_prevalence(point.threshold, trained, prevalence)
    return replace(point, threshold=min(max(moved, math.nextafter(0, 1)), math.nextafter(1, 0)))


def check_points(points: Sequence[OperatingPoint], default: str | None, *, positive: str | None) -> None:
    """Raise a ValueError where a bundle's points are not `POINT_NAMES`, by rising threshold, or the default is none of them.

    Without a positive label there are none.
    """
    if positive is None:
        if points or default is not None:
            raise ValueError(f"operating points need a positive label to speak of. Received: {points}, {default!r}")
        return
    found = [(point.name, point.threshold) for point in points]
    if tuple(point.name for point in points) != POINT_NAMES or found != sorted(found, key=lambda pair: pair[1]):
        raise ValueError(f"operating_points must be {', '.join(POINT_NAMES)}, by rising threshold. Received: {found}")
    if default not in POINT_NAMES:
        raise ValueError(f"default_operating_point must be one of {', '.join(POINT_NAMES)}. Received: {default!r}")


def deciding_points(points: Sequence[OperatingPoint], name: str | None = None) -> tuple[OperatingPoint, ...]:
    """Of a bundle's points those that a verdict is taken at: the one of this name, or the first and the last."""
    if name is None:
        return (points[0], points[-1]) if points else ()
    chosen = tuple(point for point in points if point.name == name)
    if not chosen:
        names = ", ".join(point.name for point in points)
        raise ValueError(
            f"An operating point must be one of the bundle's: {names or 'it has none'}. Received: {name!r}"
        )
    return chosen


def take_verdict(
    labels: tuple[str, ...],
    probabilities: Sequence[float] | NDArray[np.float64],
    *,
    positive: str | None,
    points: Sequence[OperatingPoint],
) -> str:
    """What probabilities `(classes,)` amount to at `deciding_points`; the likeliest label where there are none."""
    if positive is None or not points:
        return labels[int(np.argmax(probabilities))]
    index = labels.index(positive)
    if probabilities[index] >= points[-1].threshold:
        return positive
    return labels[1 - index] if probabilities[index] < points[0].threshold else INDETERMINATE


def verdict_values(points: Sequence[OperatingPoint], prevalence: float) -> tuple[float, float]:
    """PPV of the positive verdict and NPV of the negative one at `deciding_points`, where a share of films is positive.

    Not a number where no film gets the verdict.
    """
    (ppv, _), (_, npv) = (
        predictive_values(point.sensitivity[0], point.specificity[0], prevalence) for point in (points[-1], points[0])
    )
    return ppv, npv
