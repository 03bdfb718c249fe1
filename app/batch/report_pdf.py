"""A report as PDF, for printing and for files; set in a font that has Korean, too."""

import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from fpdf import FPDF
from PIL import Image

from app.batch.report import Report, ReportedFilm
from app.words.language import _, current_language
from app.words.wording import (
    HEATMAP_CAPTION,
    NOTICE,
    interval_sentence,
    percent,
    verdict_sentence,
    zone_sentence,
)
from models.films.refusal import Refusal
from models.prediction import Prediction

FONT: Final = Path(__file__).with_name("font") / "NotoSansKR.ttf"
_PLAIN, _SMALL, _LARGE, _TITLE = 10, 8.5, 16, 20  # points
_PICTURE, _GAP = 72, 6  # millimetres
_HIGHEST: Final = 95  # millimetres, of a film with its picture
_QUIET, _FILLED, _TRACK, _ZONE = (90, 100, 105), (61, 143, 161), (222, 228, 230), (200, 186, 220)


def pdf_report(report: Report, now: datetime) -> bytes:
    """The pages, A4."""
    page = _Page(now)
    page.say(_("Report of a study"), size=_TITLE)
    page.say(_(NOTICE), colour=_QUIET)
    page.ln(3)
    for name, value in report.facts:
        page.fact(name, value)
    page.ln(3)
    for sentence in (*report.together, report.promise):
        if sentence:
            page.say(sentence)
    for film in report.films:
        _add_film(page, film)
    return bytes(page.output())


class _Page(FPDF):
    """A4 with the notice and the number at the foot of each page."""

    def __init__(self, now: datetime) -> None:
        super().__init__(format="A4")
        self.add_font("Noto", fname=FONT)
        self.set_font("Noto", size=_PLAIN)
        self.set_title(f"PneumoLens: {_('Report of a study')}")
        self.set_lang(current_language())
        self.set_creation_date(now.astimezone())
        self.set_auto_page_break(True, margin=20)
        self.c_margin = 0.0  # pictures and lines of text begin at the same place
        self.add_page()

    def footer(self) -> None:
        """Called at the end of each page."""
        self.set_y(-14)
        self.set_font("Noto", size=_SMALL)
        self.set_text_color(*_QUIET)
        self.cell(0, 5, _(NOTICE))
        self.set_y(-14)
        self.cell(0, 5, str(self.page_no()), align="R")

    def say(
        self, text: str, *, size: float = _PLAIN, colour: tuple[int, int, int] = (0, 0, 0), width: float = 0
    ) -> None:
        """Text from here down, broken into lines; what follows begins below it, at the same left end."""
        self.set_font("Noto", size=size)
        self.set_text_color(*colour)
        self.multi_cell(width, size * 0.5, self._written(text), align="L", new_x="LEFT", new_y="NEXT")

    def fact(self, name: str, value: str) -> None:
        """A name and its value, side by side."""
        left, top = self.l_margin, self.get_y()
        self.say(name, size=_SMALL, colour=_QUIET, width=45)
        self.set_xy(left + 45, top)
        self.say(value, size=_SMALL)
        self.set_x(left)

    def bar(self, prediction: Prediction, probability: float, width: float) -> None:
        """The probability as the filled part of a bar; where the verdict is indeterminate, the bar is of another colour."""
        left, top, high = self.get_x(), self.get_y() + 1, 4
        low, end = (point.threshold for point in (prediction.deciding_points[0], prediction.deciding_points[-1]))
        for start, share, colour in ((0, 1, _TRACK), (low, end - low, _ZONE), (0, probability, _FILLED)):
            self.set_fill_color(*colour)
            place = top + 1 if colour is _FILLED else top
            self.rect(left + start * width, place, share * width, high - 2 if colour is _FILLED else high, style="F")
        self.set_xy(left, top + high + 1)

    def _written(self, text: str) -> str:
        """The text with a mark for each character that the font has not."""
        known = self.current_font.cmap
        return "".join(one if ord(one) in known or one == "\n" else "?" for one in text)


def _add_film(page: _Page, film: ReportedFilm) -> None:
    """A film: its picture on the left, what is said of it on the right; never divided between two pages."""
    if page.will_page_break(_HIGHEST if film.picture else _HIGHEST / 3):
        page.add_page()
    page.ln(4)
    page.set_draw_color(*_TRACK)
    page.line(page.l_margin, page.get_y(), page.w - page.r_margin, page.get_y())
    page.ln(2)
    page.say(film.name, size=_PLAIN + 1)
    page.ln(1)
    top, left, bottom = page.get_y(), page.l_margin, page.get_y()
    if film.picture:
        columns, rows = Image.open(io.BytesIO(film.picture)).size
        width = min(_PICTURE, _PICTURE * columns / rows)
        page.image(io.BytesIO(film.picture), left, top, width)
        bottom = top + width * rows / columns
        left += _PICTURE + _GAP
    page.set_xy(left, top)
    _add_reading(page, film.outcome, page.w - page.r_margin - left)
    page.set_xy(page.l_margin, max(bottom, page.get_y()) + 1)


def _add_reading(page: _Page, outcome: Prediction | Refusal, width: float) -> None:
    """What is said of a film, as the page says it."""
    if isinstance(outcome, Refusal):
        page.say(_("Not judged."), width=width)
        page.say(_(outcome.sentence), width=width)
        page.say(f"{_('Code:')} {outcome.code}", size=_SMALL, colour=_QUIET, width=width)
        return
    if outcome.positive:
        probability = outcome.probability(outcome.positive)
        page.say(percent(probability), size=_LARGE, width=width)
        page.say(_("probability of {label}", label=outcome.positive), size=_SMALL, colour=_QUIET, width=width)
        page.bar(outcome, probability, width)
    page.say(verdict_sentence(outcome), size=_PLAIN + 1, width=width)
    for sentence in _small_print(outcome):
        page.say(sentence, size=_SMALL, colour=_QUIET, width=width)


def _small_print(prediction: Prediction) -> Iterator[str]:
    if prediction.positive:
        if interval := interval_sentence(prediction):
            yield _("95 % interval of the calibration: {interval}", interval=interval)
        yield zone_sentence(prediction.deciding_points)
    else:
        yield from (f"{label}: {percent(prediction.probability(label))}" for label in prediction.labels)
    for said in (prediction.finding, *prediction.notes):
        if said:
            yield f"{_(said.sentence)} {_('Code:')} {said.code}"
    yield _(HEATMAP_CAPTION)
