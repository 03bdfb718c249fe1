"""The report of a study: as HTML that stands alone, and as PDF, in Korean, too."""

import io
import re
from datetime import datetime

import pytest
from fontTools.ttLib import TTFont
from PIL import Image
from pypdf import PdfReader

from app.batch.job import Status
from app.batch.outcomes import outcome_text, points_text, read_outcome, read_points, uncertainty
from app.batch.report import Report, study_report
from app.batch.report_html import html_report
from app.batch.report_pdf import FONT, pdf_report
from app.batch.table import Row
from app.catalogues.__main__ import as_file, read_catalogue
from app.words.language import speaking
from app.words.wording import NOTICE
from models.films.refusal import Refusal
from models.lungs.box import Box
from models.prediction import Prediction
from models.system.sentence import Sentence
from tests.bundles import POINTS, TWO

NOW = datetime(2026, 11, 28, 8, 30)
KOREAN = "환자 가슴 뷁.png"


def prediction(probability: float = 0.9, **changes: object) -> Prediction:
    return Prediction(
        **{
            "labels": TWO,
            "probabilities": (1 - probability, probability),
            "verdict": "PNEUMONIA",
            "bundle": "two",
            "positive": "PNEUMONIA",
            "operating_points": POINTS,
            "prevalence": 0.25,
            "interval": (0.8, 0.95),
            "distance": 1.25,
            "notes": (Refusal("mirrored", "The heart is on the other side."),),
            "field": Box(0.1, 0.2, 0.8, 0.9),
            "attention": 0.75,
            **changes,
        }
    )


WITHHELD = prediction(
    0.3,
    verdict=None,
    finding=Refusal("unlike_training_data", Sentence("It is unlike {which}.", which=Sentence("the others"))),
)
REFUSED = Refusal("not_an_image", "This is <no> picture.")


def picture(grey: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (64, 48), grey).save(stream, "JPEG")
    return stream.getvalue()


@pytest.fixture
def report() -> Report:
    return made_report()


def made_report() -> Report:
    outcomes = {KOREAN: prediction(), "<b>.png": WITHHELD, "😀.txt": REFUSED}
    status = Status("local", 0.0, bundle="two", sha256="ab" * 32, labels=TWO, points=points_text(POINTS))
    films = [
        (Row(n, name, None, None, None, one, None), picture(n) if isinstance(one, Prediction) else None)
        for n, (name, one) in enumerate(outcomes.items())
    ]
    return study_report(status, films, NOW)


@pytest.mark.parametrize(
    "outcome", [prediction(0.123456789012345678), WITHHELD, REFUSED, prediction(interval=None, field=None)]
)
def test_what_is_kept_of_an_outcome_comes_back_as_it_was(outcome: Prediction | Refusal) -> None:
    again = read_outcome(outcome_text(outcome), read_points(points_text(POINTS)))
    assert vars(again) == vars(outcome)
    if outcome is WITHHELD:
        assert again.finding.sentence.template == "It is unlike {which}."


def test_uncertainty_is_none_at_certainty_and_one_where_classes_are_as_likely() -> None:
    assert uncertainty(prediction(1.0)) == 0
    assert uncertainty(prediction(0.5)) == pytest.approx(1)
    assert uncertainty(prediction(0.2)) == pytest.approx(uncertainty(prediction(0.8)))
    assert uncertainty(REFUSED) is None


def test_the_page_stands_alone_and_says_what_came_of_each_film(report: Report) -> None:
    page = html_report(report).decode()
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|@import|<script", page)
    assert NOTICE in page
    assert KOREAN in page
    assert "&lt;b&gt;.png" in page
    assert "<b>.png" not in page
    assert "90.0 %" in page
    assert "unlike_training_data" in page
    assert "This is &lt;no&gt; picture." in page
    assert "Films judged: 1 of 3" in page


def test_the_pdf_says_the_same_in_a_font_of_its_own(report: Report) -> None:
    pages = PdfReader(io.BytesIO(pdf_report(report, NOW))).pages
    text = "\n".join(page.extract_text() for page in pages)
    assert KOREAN in text
    assert "?.txt" in text  # a character that the font has not
    for said in (NOTICE, "90.0 %", "unlike_training_data", "This is <no> picture.", "28 Nov 2026, 08:30", "ab" * 32):
        assert said in text
    assert sum(len(page.images) for page in pages) == 2


def test_a_report_is_in_the_language_of_who_asks_for_it() -> None:
    with speaking("ko"):
        report = made_report()
        page = html_report(report).decode()
        text = "\n".join(one.extract_text() for one in PdfReader(io.BytesIO(pdf_report(report, NOW))).pages)
    assert '<html lang="ko">' in page
    for said in (
        "검사 보고서",
        "연구 및 교육 전용이며 의료기기가 아닙니다",
        "2026. 11. 28. 오전 8:30",
        "PNEUMONIA 확률",
    ):
        assert said in page
        assert said in text
    assert "판정된 사진: 3장 중 1장(1 unlike_training_data, 1 not_an_image)." in page


def test_the_font_of_the_pdf_has_every_letter_of_the_catalogues() -> None:
    letters = {
        one for language in ("en", "ko") for one in as_file(read_catalogue(language)).decode() if one.isprintable()
    }
    assert not letters - {chr(code) for code in TTFont(FONT).getBestCmap()}
