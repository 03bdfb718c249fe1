"""Several films of one patient, judged together: the same on the page and in the command line."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from models.films.refusal import Refusal
from models.prediction import Prediction, take_verdict
from models.system.sentence import Sentence

Rule = Literal["highest", "mean"]

RULES: Final[tuple[Rule, ...]] = ("highest", "mean")

CAUTION: Final = Sentence(
    "Operating points were measured film by film: what they promise does not hold for several films together. Taking the highest "
    "calls more patients positive, both rightly and wrongly."
)

_HOW: Final = {
    "highest": Sentence("the film with the highest probability speaks"),
    "mean": Sentence("the mean of the probabilities speaks"),
}


@dataclass(frozen=True)
class Patient:
    """The films of one patient, and what is said of them together.

    Attributes:
        films: their places among all films.
        judged: how many of them have a verdict by themselves.
        left_out: how many of the others there are, by the code for which they were refused or their verdict withheld.
        prediction: by the rule; None where no film has a verdict.
    """

    films: tuple[int, ...]
    judged: int
    left_out: Mapping[str, int]
    prediction: Prediction | None


def group_films(keys: Sequence[Hashable | None]) -> list[tuple[int, ...]]:
    """The places of equal keys, in the order in which they first come; a film without a key is a group by itself."""
    groups: dict[object, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(("alone", place) if key is None else key, []).append(place)
    return [tuple(group) for group in groups.values()]


def judge_patients(
    outcomes: Sequence[Prediction | Refusal], keys: Sequence[Hashable | None], rule: Rule
) -> list[Patient]:
    """One patient for each group of equal `keys`.

    A film that was refused, or of which no verdict is given, counts for nothing, and is counted. "highest": the film with the
    highest probability of the positive class speaks for the patient. "mean": the mean of the probabilities does, and its
    verdict is taken at the same operating points.

    Args:
        outcomes: as the model was calibrated: at no other prevalence, since a mean is not the same at each.

    Raises:
        ValueError: "highest" of a bundle without a positive class.
    """
    patients = []
    for films in group_films(keys):
        own = [outcomes[place] for place in films]
        judged = [one for one in own if isinstance(one, Prediction) and one.finding is None]
        reasons = [one if isinstance(one, Refusal) else one.finding for one in own]
        left_out = Counter(reason.code for reason in reasons if reason)
        patients.append(Patient(films, len(judged), left_out, _together(judged, rule) if judged else None))
    return patients


def check_rule(rule: str, positive: str | None) -> None:
    """Raise a ValueError for the highest probability where no class is the positive one."""
    if rule == "highest" and positive is None:
        raise ValueError("--by-patient highest is for bundles of two classes. Received: one of more. Take mean.")


def _together(judged: Sequence[Prediction], rule: Rule) -> Prediction:
    first = judged[0]
    check_rule(rule, first.positive)
    if len(judged) == 1:
        return first
    if rule == "highest":
        return max(judged, key=lambda one: one.probability(str(one.positive)))
    mean = np.mean([one.probabilities for one in judged], axis=0)
    return replace(
        first,
        probabilities=tuple(mean.tolist()),
        verdict=take_verdict(first.labels, mean, positive=first.positive, points=first.deciding_points),
        # What belongs to one film, not to several.
        interval=None, heatmap=None, heatmap_label=None, distance=None, notes=(), embedding=None, field=None, attention=None,
    )  # fmt: skip


def patient_sentence(patients: Sequence[Patient], rule: Rule) -> Sentence:
    """How many patients there are, and by what rule they were judged."""
    films, number = sum(len(patient.films) for patient in patients), len(patients)
    return Sentence(
        "{films} of {patients}. Where there are several films of one, {how}; films that were refused or withheld do not count. "
        "{caution}",
        films=Sentence("{count} film" if films == 1 else "{count} films", count=films),
        patients=Sentence("{count} patient" if number == 1 else "{count} patients", count=number),
        how=_HOW[rule],
        caution=CAUTION,
    )


def films_sentence(patient: Patient) -> Sentence:
    """How many films of a patient were judged, and what became of the others: `2 of 3 (1 not_an_image)`."""
    judged = Sentence("{judged} of {total}", judged=patient.judged, total=len(patient.films))
    others = ", ".join(f"{count} {code}" for code, count in patient.left_out.items())
    return Sentence("{judged} ({others})", judged=judged, others=others) if others else judged
