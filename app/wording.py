"""What is said of a result, in words; plain text, for whoever draws it to escape."""

import math
from collections.abc import Mapping, Sequence
from typing import Final

from app.screening import Film
from models.gate import GateThresholds
from models.lungs.findings import Finding
from models.prediction import INDETERMINATE, OperatingPoint, Prediction, verdict_values

NOTICE: Final = "Research and education only, not a medical device"
SHORTCUT_CAPTION: Final = (
    ":material/warning: In tests it told the classes apart without the lungs, too: on films from elsewhere it may go by "
    "something else than disease. The page Model says what was found."
)
HEATMAP_CAPTION: Final = "Model attention, not lesion location"
WHAT_WAS_SHOWN: Final = "What the model was shown"
LINES: Final = {
    "highest": "Patient, by the film with the highest probability",
    "mean": "Patient, by the mean of the probabilities",
    "film": "Film",
}
"""For what each line of the overview stands, by the rule that judges several films of one patient."""

_WITHHELD: Final = {
    "unlike_training_data": "this film is unlike those that the model was trained on",
    "lungs_cut_off": "the lungs are not wholly on this film",
}
_TURNED_BACK: Final = {90: "by 90° anticlockwise", 180: "by 180°", 270: "by 90° clockwise"}
_FACTS: Final = {
    "modality": "Modality",
    "view": "View",
    "body_part": "Body part",
    "age_years": "Age, years",
    "sex": "Sex",
}


def percent(probability: float) -> str:
    """A probability in percent, never rounded to a certainty."""
    if probability < 0.001:
        return "< 0.1 %"
    if probability > 0.999:
        return "> 99.9 %"
    return f"{100 * probability:.1f} %"


def verdict_sentence(prediction: Prediction) -> str:
    """What the verdict rests on; never a diagnosis."""
    if prediction.verdict is None:
        code = prediction.finding.code if prediction.finding else ""
        return f"No verdict: {_WITHHELD.get(code, 'this film cannot be judged')}"
    points = prediction.deciding_points
    if not points:
        return f"Likeliest of {len(prediction.labels)} classes: {prediction.verdict}"
    if prediction.verdict == INDETERMINATE:
        return "Indeterminate: refer to a reader"
    reached = prediction.verdict == prediction.positive
    point = points[-1] if reached else points[0]
    return f"{'Reaches' if reached else 'Stays below'} {point_name(point.name)}: {prediction.verdict}"


def point_name(name: str) -> str:
    """An operating point's name for people: rule_out → rule-out."""
    return name.replace("_", "-")


def zone_sentence(points: Sequence[OperatingPoint]) -> str:
    """Where the verdict is indeterminate, between rule-out and rule-in; or where a plain verdict turns."""
    low, high = (percent(point.threshold) for point in (points[0], points[-1]))
    if len(points) == 1:
        return f"Operating point {point_name(points[0].name)} at {low}"
    return f"Indeterminate from {low} (rule-out) to {high} (rule-in)"


def interval_sentence(prediction: Prediction) -> str:
    """The interval of the probability; empty where the bundle has none."""
    if prediction.interval is None:
        return ""
    low, high = (percent(end) for end in prediction.interval)
    return low if low == high else f"{low} to {high}"


def heatmap_caption(prediction: Prediction) -> str:
    """What stands under the film; a heatmap that is dark all over is no fault, and is said to be none."""
    if prediction.heatmap is not None and not prediction.heatmap.any():
        return f"{HEATMAP_CAPTION}. In this film no place speaks for {prediction.heatmap_label}."
    return HEATMAP_CAPTION


def attention_sentence(prediction: Prediction) -> str:
    """How much of the heatmap lies within the lungs; empty where lungs were not looked for, or the heatmap is dark."""
    if prediction.attention is None or prediction.heatmap is None or not prediction.heatmap.any():
        return ""
    return f"{100 * prediction.attention:.0f} % of the attention lies within the lungs"


def mending_offer(finding: Finding) -> str:
    """What a click on a film with a finding that can be mended does."""
    return "Exchange black and white and judge it" if finding.code == "inverted" else "Turn it back and judge it"


def mended_sentence(finding: Finding) -> str:
    """What was done to a film before it was judged, or would be."""
    if finding.code == "inverted":
        return "Black and white exchanged"
    return f"Turned back {_TURNED_BACK[finding.turned]}"


def judged_after(mended: Sequence[Finding]) -> str:
    """What the card of a mended film says; empty where nothing was mended."""
    said = ", then ".join(mended_sentence(finding).lower() for finding in mended)
    return f"{said.capitalize()} before it was judged" if mended else ""


def points_sentence(points: Sequence[OperatingPoint]) -> str:
    """What the two ends of the indeterminate zone promise."""
    return (
        f"Rule-out keeps a sensitivity of {_promised(points[0])} or more, rule-in a specificity of {_promised(points[-1])} or "
        "more, on new patients like those of the training data (95 % confidence, from cross-validation). Between them the "
        "verdict is indeterminate: refer to a reader."
    )


def _promised(point: OperatingPoint) -> str:
    """A promise in percent, rounded down."""
    return f"{math.floor(1000 * (point.promise or 0) + 1e-9) / 10:.1f} %"


def prevalence_sentence(
    points: Sequence[OperatingPoint], labels: Sequence[str], positive: str, prevalence: float, *, trained: bool
) -> str:
    """What probabilities are for, and how often a verdict is right there."""
    ppv, npv = verdict_values(points, prevalence)
    negative = labels[1 - labels.index(positive)]
    whose = "as in the training films" if trained else "by prior-shift correction; verdicts stay as they are"
    return (
        f"Probabilities are for films of which {percent(prevalence)} are {positive} ({whose}). There, of 100 films with the "
        f"verdict {positive}, {_of_100(ppv)} are {positive} (PPV), and of 100 with the verdict {negative}, {_of_100(npv)} are "
        f"{negative} (NPV)."
    )


def _of_100(share: float) -> str:
    return "none can be told" if math.isnan(share) else f"{100 * share:.1f}"


def distance_fact(prediction: Prediction, gate: GateThresholds | None) -> list[tuple[str, str]]:
    """How far outside the training films a film lies; none for a bundle without a gate."""
    if gate is None or prediction.distance is None:
        return []
    return [
        (
            "Distance from the training films",
            f"{prediction.distance:.1f} times the usual; a verdict up to {gate.unlike:.1f}",
        )
    ]


def film_facts(film: Film) -> list[tuple[str, str]]:
    """Name and value of all that the file said."""
    width, height = film.size
    said = [(name, str(film.facts[key])) for key, name in _FACTS.items() if key in film.facts]
    return [("Format", film.format), ("Size", f"{width} × {height} pixels"), *said]


def plain_name(key: str) -> str:
    """A key of a file for people: "weights_sha256" → "Weights sha256"."""
    words = key.replace("_", " ")
    return words[:1].upper() + words[1:]


def gate_sentence(gate: GateThresholds | None) -> str:
    """What a bundle does with an image that is unlike its training films."""
    if gate is None:
        return (
            "This bundle cannot tell whether a picture is a chest radiograph of the kind it knows: a photograph gets a "
            "probability, too."
        )
    share, low, high = (percent(value) for value in gate.false_alarms)
    return (
        f"A film more than {gate.unlike:.1f} times as far from the training films as they lie from each other gets no "
        f"verdict; one more than {gate.not_a_radiograph:.1f} times as far is refused. Of films of new patients of the "
        f"same hospital, {share} (95 % interval {low} to {high}) get no verdict. What passes may still be strange."
    )


def population_sentence(labels: Sequence[str], positive: str | None, data: Mapping[str, object]) -> str:
    """What a bundle gives, on whom it was trained, and what that means for others: one line, in Markdown."""
    what = f"probability of **{positive}**" if positive else f"probabilities of {len(labels)} classes"
    population = data.get("population", "not stated")
    if population == "not stated":
        return f"Whom it was trained on is not stated: do not trust its {what} on any film."
    means = "means" if positive else "mean"
    return f"Trained on {population}; on other films its {what} {means} little."


def field_sentence(field: str) -> str:
    """What of a film a bundle judges, in Markdown."""
    if field == "lungs":
        return (
            "Of a film it judges **the lungs, cut out by the lung finder** with a margin of a twentieth, in their own contrast. "
            "What lies round them it is not shown."
        )
    return (
        "Of a film it judges **the whole film, borders and all**: what of the label can be read outside the lungs was not taken "
        "away."
    )


def described(values: Mapping[str, object], group: str = "") -> list[tuple[str, str]]:
    """Name and value of each entry of a nested mapping, in its order."""
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        name = group + plain_name(str(key))
        rows += described(value, f"{name}, ") if isinstance(value, Mapping) else [(name, _plain_value(value))]
    return rows


def _plain_value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain_value(item) for item in value) or "none"
    return str(value)
