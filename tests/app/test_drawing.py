"""What results look like in words and HTML."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from app import drawing
from app.screening import Film
from app.wording import (
    described,
    film_facts,
    heatmap_caption,
    percent,
    point_sentence,
    population_sentence,
    verdict_sentence,
)
from models.prediction import OperatingPoint, Prediction
from models.refusal import Refusal

BALANCED = OperatingPoint("balanced", 0.61, (0.97, 0.96, 0.98), (0.95, 0.93, 0.97))
SENSITIVE = OperatingPoint("sensitive", 0.3, (0.99, 0.98, 1.0), (0.9, 0.88, 0.92))
HOSTILE = '"><img src=x onerror=alert(1)><b>'


def two_classes(probability: float, *, positive: str = "PNEUMONIA") -> Prediction:
    verdict = positive if probability >= BALANCED.threshold else "NORMAL"
    return Prediction(
        labels=("NORMAL", positive),
        probabilities=(1 - probability, probability),
        verdict=verdict,
        bundle="default",
        positive=positive,
        operating_point=BALANCED,
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
    assert verdict_sentence(two_classes(0.61)) == "Reaches the operating point “balanced”: PNEUMONIA"
    assert verdict_sentence(two_classes(0.60)) == "Stays below the operating point “balanced”: NORMAL"


def test_a_withheld_verdict_is_neither_label() -> None:
    finding = Refusal("unlike_training_data", "This film is unlike those.")
    prediction = replace(two_classes(0.9), verdict=None, finding=finding)
    html = drawing.reading(prediction, (BALANCED,))
    assert verdict_sentence(prediction).startswith("No verdict")
    assert "operating point “" not in html
    assert "pl-reached" not in html
    assert finding.sentence in html
    assert finding.code in html


def test_more_than_two_classes_have_a_likeliest_one_and_a_bar_each() -> None:
    prediction = Prediction(labels=("A", "B", "C"), probabilities=(0.2, 0.5, 0.3), verdict="B", bundle="three")
    assert verdict_sentence(prediction) == "Likeliest of 3 classes: B"
    html = drawing.reading(prediction, ())
    assert html.count("pl-track") == 3
    assert [f"width:{100 * p:.2f}%" in html for p in prediction.probabilities] == [True] * 3


def test_the_bar_marks_the_operating_point_and_shows_the_other_one() -> None:
    html = drawing.reading(two_classes(0.8), (BALANCED, SENSITIVE))
    assert "width:80.00%" in html
    assert 'class="pl-mark" style="left:61.00%"' in html
    assert 'class="pl-tick" style="left:30.00%"' in html
    assert "balanced 61.0 %" in html


def test_the_operating_point_is_explained_with_what_it_gave() -> None:
    text = point_sentence(BALANCED)
    assert "61.0 %" in text
    assert "sensitivity of 97.0 %" in text
    assert "specificity of 95.0 %" in text


@pytest.mark.parametrize(
    "html",
    [
        drawing.file_name(HOSTILE),
        drawing.refusal(HOSTILE, Refusal("damaged", HOSTILE)),
        drawing.definitions([(HOSTILE, HOSTILE)]),
        drawing.counts([(HOSTILE, 1)]),
        drawing.reading(two_classes(0.8, positive=HOSTILE), (BALANCED,)),
        drawing.model_status(HOSTILE, ready=True),
    ],
)
def test_names_of_files_and_classes_stay_text(html: str) -> None:
    assert "img" not in tags(html)
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


def test_the_population_is_named_or_missed() -> None:
    assert "children of 1 to 5 years" in population_sentence("default", {"population": "children of 1 to 5 years"})
    assert "not stated" in population_sentence("mine", {"population": "not stated"})
    assert "not stated" in population_sentence("mine", {})


def test_a_record_is_told_in_plain_words() -> None:
    record = {"weights_sha256": "ab", "head": {"width": 128, "flip": False}, "prevalence": 0.74290644, "regex": None}
    assert described(record) == [
        ("Weights sha256", "ab"),
        ("Head, Width", "128"),
        ("Head, Flip", "no"),
        ("Prevalence", "0.7429"),
        ("Regex", "none"),
    ]
