"""What results look like in words and HTML."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from app import drawing
from app.record import described
from app.screening import Film
from app.words.wording import (
    attention_sentence,
    distance_fact,
    film_facts,
    heatmap_caption,
    judged_after,
    percent,
    points_sentence,
    population_sentence,
    prevalence_sentence,
    verdict_sentence,
)
from models.films.refusal import Refusal
from models.gate import GateThresholds
from models.lungs.findings import Finding
from models.prediction import INDETERMINATE, OperatingPoint, Prediction

POINTS = (
    OperatingPoint("rule_out", 0.3, (0.99, 0.98, 1.0), (0.9, 0.88, 0.92), promise=0.98765),
    OperatingPoint("balanced", 0.61, (0.97, 0.96, 0.98), (0.95, 0.93, 0.97)),
    OperatingPoint("rule_in", 0.9, (0.91, 0.90, 0.92), (0.99, 0.98, 1.0), promise=0.97),
)
HOSTILE = '"><img src=x onerror=alert(1)><b>'


def two_classes(probability: float, *, positive: str = "PNEUMONIA") -> Prediction:
    decided = positive if probability >= 0.9 else "NORMAL"
    verdict = INDETERMINATE if 0.3 <= probability < 0.9 else decided
    return Prediction(
        labels=("NORMAL", positive),
        probabilities=(1 - probability, probability),
        verdict=verdict,
        bundle="default",
        positive=positive,
        operating_points=POINTS,
        prevalence=0.74,
        interval=(0.9 * probability, probability + 0.1 * (1 - probability)),
    )


def tags(html: str) -> list[str]:
    """The tags that a browser would see."""
    found: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: found.append(tag)  # type: ignore[method-assign]
    parser.feed(html)
    return found


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "< 0.1 %"),
        (0.0004, "< 0.1 %"),
        (0.5, "50.0 %"),
        (0.8768, "87.7 %"),
        (0.9996, "> 99.9 %"),
        (1.0, "> 99.9 %"),
    ],
)
def test_no_probability_is_shown_as_a_certainty(probability: float, text: str) -> None:
    assert percent(probability) == text


def test_the_verdict_names_its_operating_point() -> None:
    assert verdict_sentence(two_classes(0.9)) == "Reaches rule-in: PNEUMONIA"
    assert verdict_sentence(two_classes(0.29)) == "Stays below rule-out: NORMAL"
    assert verdict_sentence(two_classes(0.5)) == "Indeterminate: refer to a reader"
    assert verdict_sentence(two_classes(0.5).at_operating_point("balanced")) == "Stays below balanced: NORMAL"


def test_a_withheld_verdict_is_neither_label() -> None:
    finding = Refusal("unlike_training_data", "This film is unlike those.")
    prediction = replace(two_classes(0.9), verdict=None, finding=finding)
    html = drawing.reading(prediction)
    assert verdict_sentence(prediction).startswith("No verdict")
    assert "Reaches" not in html
    assert "pl-reached" not in html
    assert finding.sentence in html
    assert finding.code in html


def test_lungs_that_are_cut_off_are_no_strangeness_of_the_film() -> None:
    finding = Refusal("lungs_cut_off", "The lungs reach beyond the film's top edge.")
    prediction = replace(two_classes(0.9), verdict=None, finding=finding)
    assert verdict_sentence(prediction) == "No verdict: the lungs are not wholly on this film"


def test_a_note_hinders_no_verdict() -> None:
    html = drawing.reading(replace(two_classes(0.9), notes=(Refusal("mirrored", HOSTILE),)))
    assert "Reaches rule-in: PNEUMONIA" in html
    assert "<code>mirrored</code>" in html
    assert "img" not in tags(html)


@pytest.mark.parametrize(("attention", "peak", "told"), [(0.874, 1.0, "87 %"), (None, 1.0, ""), (0.0, 0.0, "")])
def test_the_attention_within_the_lungs_is_told_where_there_is_some(
    attention: float | None, peak: float, told: str
) -> None:
    heatmap = np.full((7, 7), peak, np.float32)
    prediction = replace(two_classes(0.9), attention=attention, heatmap=heatmap)
    assert attention_sentence(prediction) == (f"{told} of the attention lies within the lungs" if told else "")


def test_what_was_mended_is_told_in_its_order() -> None:
    turned, inverted = Finding("turned", "It is turned.", turned=270), Finding("inverted", "It is inverted.")
    assert judged_after(()) == ""
    assert judged_after((turned, inverted)) == (
        "Turned back by 90° clockwise, then black and white exchanged before it was judged"
    )


def test_more_than_two_classes_have_a_likeliest_one_and_a_bar_each() -> None:
    prediction = Prediction(labels=("A", "B", "C"), probabilities=(0.2, 0.5, 0.3), verdict="B", bundle="three")
    assert verdict_sentence(prediction) == "Likeliest of 3 classes: B"
    html = drawing.reading(prediction)
    assert html.count("pl-track") == 3
    assert [f"width:{100 * p:.2f}%" in html for p in prediction.probabilities] == [True] * 3


def test_the_bar_shows_the_zone_and_the_interval() -> None:
    html = drawing.reading(two_classes(0.8))
    assert '<b style="width:80.00%">' in html
    assert 'class="pl-zone" style="left:30.00%;width:60.00%"' in html
    assert 'class="pl-interval" style="left:min(72.00%, 100% - 4px);width:10.00%"' in html
    assert "Indeterminate from 30.0 % (rule-out) to 90.0 % (rule-in)" in html
    assert "95 % interval of the calibration: 72.0 % to 82.0 %" in html
    assert "pl-doubtful" in html


def test_the_zone_moves_with_the_prevalence() -> None:
    html = drawing.reading(two_classes(0.8).at_prevalence(0.1))
    assert "Indeterminate from 1.6 % (rule-out) to 26.0 % (rule-in)" in html
    assert "Indeterminate: refer to a reader" in html


def test_a_plain_verdict_has_no_zone() -> None:
    html = drawing.reading(two_classes(0.8).at_operating_point("balanced"))
    assert "width:0.00%" in html
    assert "Operating point balanced at 61.0 %" in html


def test_the_points_are_explained_with_what_they_promise() -> None:
    text = points_sentence(POINTS)
    assert "sensitivity of 98.7 % or more" in text  # rounded down
    assert "specificity of 97.0 % or more" in text


def test_predictive_values_are_told_for_the_prevalence() -> None:
    ends = (POINTS[0], POINTS[-1])
    text = prevalence_sentence(ends, ("NORMAL", "PNEUMONIA"), "PNEUMONIA", 0.1, trained=False)
    assert "films of which 10.0 % are PNEUMONIA (by prior-shift correction" in text
    assert "verdict PNEUMONIA, 91.0 are PNEUMONIA (PPV)" in text  # 91 of 91 + 9
    assert "verdict NORMAL, 99.9 are NORMAL (NPV)" in text  # 810 of 810 + 1


@pytest.mark.parametrize(
    ("distance", "limits", "told"), [(0.7, True, "0.7 times the usual; a verdict up to 2.0"), (0.7, False, "")]
)
def test_the_distance_is_told_where_there_is_a_gate(distance: float, limits: bool, told: str) -> None:
    gate = GateThresholds(2.0, 8.0, (0.02, 0.01, 0.03)) if limits else None
    facts = distance_fact(replace(two_classes(0.1), distance=distance), gate)
    assert [value for _, value in facts] == ([told] if told else [])


@pytest.mark.parametrize(
    "html",
    [
        drawing.file_name(HOSTILE),
        drawing.refusal(HOSTILE, Refusal("damaged", HOSTILE)),
        drawing.definitions([(HOSTILE, HOSTILE)]),
        drawing.counts([(HOSTILE, 1)]),
        drawing.reading(two_classes(0.95, positive=HOSTILE)),
        drawing.model_status(HOSTILE, ready=True),
        drawing.file_name("film", HOSTILE),
    ],
)
def test_names_of_files_and_classes_stay_text(html: str) -> None:
    assert "img" not in tags(html)
    assert "&lt;img" in html


def test_similar_films_are_pictures_with_their_class() -> None:
    html = drawing.similar_films([("normal_1.jpeg", HOSTILE, b"jpeg")])
    assert tags(html).count("img") == 1
    assert 'alt="Synthetic film normal_1.jpeg"' in html
    assert "&lt;img" in html


@pytest.mark.parametrize(("peak", "said"), [(0.0, True), (1.0, False)])
def test_a_heatmap_that_is_dark_all_over_is_explained(peak: float, said: bool) -> None:
    heatmap = np.zeros((7, 7), np.float32)
    heatmap[3, 3] = peak
    caption = heatmap_caption(replace(two_classes(0.1), heatmap=heatmap, heatmap_label="PNEUMONIA"))
    assert caption.startswith("Model attention, not lesion location")
    assert ("no place speaks for PNEUMONIA" in caption) == said


def test_only_what_the_file_said_is_listed() -> None:
    film = Film(png=b"", shown=(10, 20), size=(1841, 1955), format="DICOM", facts={"modality": "CR", "view": "PA"})
    assert film_facts(film) == [
        ("Format", "DICOM"),
        ("Size", "1841 × 1955 pixels"),
        ("Modality", "CR"),
        ("View", "PA"),
    ]


@pytest.mark.parametrize(
    ("population", "positive", "told"),
    [
        ("children of 1 to 5 years", "PNEUMONIA", "Trained on children of 1 to 5 years; on other films"),
        ("not stated", "PNEUMONIA", "do not trust its probability of **PNEUMONIA** on any film"),
        (None, None, "do not trust its probabilities of 2 classes on any film"),
    ],
)
def test_the_population_is_named_or_missed(population: str | None, positive: str | None, told: str) -> None:
    data = {"population": population} if population else {}
    line = population_sentence(("NORMAL", "PNEUMONIA"), positive, data)
    assert told in line
    assert "\n" not in line


def test_a_record_is_told_in_plain_words() -> None:
    record = {"weights_sha256": "ab", "head": {"width": 128, "flip": False}, "prevalence": 0.74290644, "regex": None}
    assert described(record) == [
        ("Weights sha256", "ab"),
        ("Head, Width", "128"),
        ("Head, Flip", "no"),
        ("Prevalence", "0.7429"),
        ("Regex", "none"),
    ]
