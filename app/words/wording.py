"""What is said of a result, in words; plain text, for whoever draws it to escape."""

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Final

from app.screening import Film
from app.words.language import N_, _, number, percentage
from models.films.refusal import Refusal
from models.gate import GateThresholds
from models.lungs.findings import Finding
from models.prediction import INDETERMINATE, OperatingPoint, Prediction, verdict_values

NOTICE: Final = N_("Research and education only, not a medical device")
SHORTCUT_CAPTION: Final = N_(
    ":material/warning: In tests it told the classes apart without the lungs, too: on films from elsewhere it may go by "
    "something else than disease. The page Model says what was found."
)
HEATMAP_CAPTION: Final = N_("Model attention, not lesion location")
WHAT_WAS_SHOWN: Final = N_("What the model was shown")
LINES: Final = {
    "highest": N_("Patient, by the film with the highest probability"),
    "mean": N_("Patient, by the mean of the probabilities"),
    "film": N_("Film"),
}
"""For what each line of the overview stands, by the rule that judges several films of one patient."""

_WITHHELD: Final = {
    "unlike_training_data": N_("No verdict: this film is unlike those that the model was trained on"),
    "lungs_cut_off": N_("No verdict: the lungs are not wholly on this film"),
}
_TURNED_BACK: Final = {
    90: N_("Turned back by 90° anticlockwise"),
    180: N_("Turned back by 180°"),
    270: N_("Turned back by 90° clockwise"),
}
_FACTS: Final = {
    "modality": N_("Modality"),
    "view": N_("View"),
    "body_part": N_("Body part"),
    "age_years": N_("Age, years"),
    "sex": N_("Sex"),
}
_POINTS: Final = {"rule_out": N_("rule-out"), "balanced": N_("balanced"), "rule_in": N_("rule-in")}


def percent(probability: float) -> str:
    """A probability in percent, never rounded to a certainty."""
    if probability < 0.001:
        return _("< {share}", share=percentage(0.001))
    if probability > 0.999:
        return _("> {share}", share=percentage(0.999))
    return percentage(probability)


def verdict_name(verdict: str | None) -> str:
    """A verdict as a word: a label as it stands, or that there is none."""
    return _("indeterminate") if verdict == INDETERMINATE else verdict or _("None")


def error_sentence(error: Exception) -> str:
    """What an error says; one that was made of a `Sentence` says it in the language of the page."""
    said = error.args[0] if error.args else ""
    return _(said) if isinstance(said, str) else str(error)


def coded(sentence: str, code: str) -> str:
    """A sentence with its stable code, in Markdown."""
    return _("{sentence} Code: `{code}`", sentence=_(sentence), code=code)


def verdict_sentence(prediction: Prediction) -> str:
    """What the verdict rests on; never a diagnosis."""
    if prediction.verdict is None:
        code = prediction.finding.code if prediction.finding else ""
        return _(_WITHHELD.get(code, N_("No verdict: this film cannot be judged")))
    points = prediction.deciding_points
    if not points:
        return _("Likeliest of {count} classes: {label}", count=len(prediction.labels), label=prediction.verdict)
    if prediction.verdict == INDETERMINATE:
        return _("Indeterminate: refer to a reader")
    if prediction.verdict == prediction.positive:
        return _("Reaches {point}: {label}", point=point_name(points[-1].name), label=prediction.verdict)
    return _("Stays below {point}: {label}", point=point_name(points[0].name), label=prediction.verdict)


def point_name(name: str) -> str:
    """An operating point's name for people: rule_out → rule-out."""
    return _(_POINTS[name]) if name in _POINTS else name.replace("_", "-")


def zone_sentence(points: Sequence[OperatingPoint]) -> str:
    """Where the verdict is indeterminate, between rule-out and rule-in; or where a plain verdict turns."""
    low, high = (percent(point.threshold) for point in (points[0], points[-1]))
    if len(points) == 1:
        return _("Operating point {point} at {threshold}", point=point_name(points[0].name), threshold=low)
    return _("Indeterminate from {low} (rule-out) to {high} (rule-in)", low=low, high=high)


def interval_sentence(prediction: Prediction) -> str:
    """The interval of the probability; empty where the bundle has none."""
    if prediction.interval is None:
        return ""
    low, high = (percent(end) for end in prediction.interval)
    return low if low == high else _("{low} to {high}", low=low, high=high)


def heatmap_caption(prediction: Prediction) -> str:
    """What stands under the film; a heatmap that is dark all over is no fault, and is said to be none."""
    if prediction.heatmap is not None and not prediction.heatmap.any():
        return _(
            "{caption}. In this film no place speaks for {label}.",
            caption=_(HEATMAP_CAPTION),
            label=prediction.heatmap_label,
        )
    return _(HEATMAP_CAPTION)


def picture_caption(outcome: Prediction | Refusal) -> str:
    """What stands under the picture of a film in a report."""
    return _(HEATMAP_CAPTION) if isinstance(outcome, Prediction) else _("The film as it came, not judged")


def attention_sentence(prediction: Prediction) -> str:
    """How much of the heatmap lies within the lungs; empty where lungs were not looked for, or the heatmap is dark."""
    if prediction.attention is None or prediction.heatmap is None or not prediction.heatmap.any():
        return ""
    return _("{share} of the attention lies within the lungs", share=percentage(prediction.attention, 0))


def mending_offer(finding: Finding) -> str:
    """What a click on a film with a finding that can be mended does."""
    return _("Exchange black and white and judge it") if finding.code == "inverted" else _("Turn it back and judge it")


def mended_sentence(finding: Finding) -> str:
    """What was done to a film before it was judged, or would be."""
    if finding.code == "inverted":
        return _("Black and white exchanged")
    return _(_TURNED_BACK[finding.turned])


def judged_after(mended: Sequence[Finding]) -> str:
    """What the card of a mended film says; empty where nothing was mended."""
    if not mended:
        return ""
    first, *others = [mended_sentence(finding) for finding in mended]
    said = reduce(lambda some, one: _("{some}, then {one}", some=some, one=one.lower()), others, first)
    return _("{what} before it was judged", what=said)


def points_sentence(points: Sequence[OperatingPoint]) -> str:
    """What the two ends of the indeterminate zone promise."""
    return _(
        "Rule-out keeps a sensitivity of {sensitivity} or more, rule-in a specificity of {specificity} or more, on new patients "
        "like those of the training data (95 % confidence, from cross-validation). Between them the verdict is indeterminate: "
        "refer to a reader.",
        sensitivity=_promised(points[0]),
        specificity=_promised(points[-1]),
    )


def _promised(point: OperatingPoint) -> str:
    """A promise in percent, rounded down."""
    return percentage(math.floor(1000 * (point.promise or 0) + 1e-9) / 1000)


def prevalence_sentence(
    points: Sequence[OperatingPoint], labels: Sequence[str], positive: str, prevalence: float, *, trained: bool
) -> str:
    """What probabilities are for, and how often a verdict is right there."""
    ppv, npv = verdict_values(points, prevalence)
    negative = labels[1 - labels.index(positive)]
    return _(
        "Probabilities are for films of which {share} are {positive} ({whose}). There, of 100 films with the verdict {positive}, "
        "{ppv} are {positive} (PPV), and of 100 with the verdict {negative}, {npv} are {negative} (NPV).",
        share=percent(prevalence),
        whose=_("as in the training films") if trained else _("by prior-shift correction; verdicts stay as they are"),
        positive=positive,
        negative=negative,
        ppv=_of_100(ppv),
        npv=_of_100(npv),
    )


def _of_100(share: float) -> str:
    return _("none can be told") if math.isnan(share) else number(100 * share, 1)


def distance_fact(prediction: Prediction, gate: GateThresholds | None) -> list[tuple[str, str]]:
    """How far outside the training films a film lies; none for a bundle without a gate."""
    if gate is None or prediction.distance is None:
        return []
    return [
        (
            _("Distance from the training films"),
            _(
                "{distance} times the usual; a verdict up to {limit}",
                distance=number(prediction.distance, 1),
                limit=number(gate.unlike, 1),
            ),
        )
    ]


def film_facts(film: Film) -> list[tuple[str, str]]:
    """Name and value of all that the file said."""
    width, height = film.size
    said = [(_(name), str(film.facts[key])) for key, name in _FACTS.items() if key in film.facts]
    size = _("{width} × {height} pixels", width=width, height=height)
    return [(_("Format"), film.format), (_("Size"), size), *said]


def gate_sentence(gate: GateThresholds | None) -> str:
    """What a bundle does with an image that is unlike its training films."""
    if gate is None:
        return _(
            "This bundle cannot tell whether a picture is a chest radiograph of the kind it knows: a photograph gets a "
            "probability, too."
        )
    share, low, high = (percent(value) for value in gate.false_alarms)
    return _(
        "A film more than {unlike} times as far from the training films as they lie from each other gets no verdict; one more "
        "than {refused} times as far is refused. Of films of new patients of the same hospital, {share} (95 % interval {low} to "
        "{high}) get no verdict. What passes may still be strange.",
        unlike=number(gate.unlike, 1),
        refused=number(gate.not_a_radiograph, 1),
        share=share,
        low=low,
        high=high,
    )


def population_sentence(labels: Sequence[str], positive: str | None, data: Mapping[str, object]) -> str:
    """What a bundle gives, on whom it was trained, and what that means for others: one line, in Markdown."""
    population = data.get("population", "not stated")
    values = {"positive": positive, "count": len(labels), "population": _(str(population))}
    if population == "not stated" and positive:
        text = N_("Whom it was trained on is not stated: do not trust its probability of **{positive}** on any film.")
    elif population == "not stated":
        text = N_(
            "Whom it was trained on is not stated: do not trust its probabilities of {count} classes on any film."
        )
    elif positive:
        text = N_("Trained on {population}; on other films its probability of **{positive}** means little.")
    else:
        text = N_("Trained on {population}; on other films its probabilities of {count} classes mean little.")
    return _(text, **values)


def field_sentence(field: str) -> str:
    """What of a film a bundle judges, in Markdown."""
    if field == "lungs":
        return _(
            "Of a film it judges **the lungs, cut out by the lung finder** with a margin of a twentieth, in their own contrast. "
            "What lies round them it is not shown."
        )
    return _(
        "Of a film it judges **the whole film, borders and all**: what of the label can be read outside the lungs was not taken "
        "away."
    )
