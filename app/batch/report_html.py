"""A report as one HTML page that stands alone: pictures and styles are in it, and it asks for nothing."""

from html import escape
from pathlib import Path
from typing import Final

from app import drawing
from app.batch.report import Report, ReportedFilm
from app.words.language import _, current_language
from app.words.wording import NOTICE, picture_caption
from models.prediction import Prediction

_STYLE: Final = """
:root { color-scheme: light dark; }
body { max-width: 60rem; margin: 0 auto; padding: 1.5rem; font: 1rem/1.5 "Noto Sans KR", system-ui, sans-serif; }
header p { margin: 0.75rem 0; } header h1 + p { font-weight: 600; }
article { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 4fr); gap: 0.5rem 1.5rem; margin: 1.5rem 0;
  padding-top: 1rem; border-top: 1px solid color-mix(in srgb, currentColor 25%, transparent); break-inside: avoid; }
article > h3 { grid-column: 1 / -1; }
figure { margin: 0; } figure img { width: 100%; height: auto; } figcaption { font-size: 0.875rem; }
dl.pl-facts { font-size: 0.9375rem; } dd, dt { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { article { grid-template-columns: 1fr; } }
"""


def html_report(report: Report) -> bytes:
    """The page, UTF-8."""
    styles = Path(__file__).parents[1].joinpath("style.css").read_text(encoding="utf-8")
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in (*report.together, report.promise) if sentence)
    films = "".join(_film(film) for film in report.films)
    title = escape(_("Report of a study"))
    page = (
        f'<!doctype html><html lang="{current_language()}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>PneumoLens: {title}</title>'
        f"<style>{styles}{_STYLE}</style></head><body><header><h1>{title}</h1><p>{escape(_(NOTICE))}</p>"
        f"{drawing.definitions(report.facts)}{said}</header><main>{films}</main></body></html>"
    )
    return page.encode("utf-8", "replace")


def _film(film: ReportedFilm) -> str:
    picture = ""
    if film.picture:
        address = drawing.data_address(film.picture, "image/jpeg")
        alt, caption = escape(_("Chest radiograph")), escape(picture_caption(film.outcome))
        picture = f'<figure><img src="{address}" alt="{alt}"><figcaption>{caption}</figcaption></figure>'
    if isinstance(film.outcome, Prediction):
        said = f"<section>{drawing.reading(film.outcome)}</section>"
        return f"<article>{drawing.file_name(film.name)}{picture}{said}</article>"
    return f"<article>{drawing.refusal(film.name, film.outcome)}{picture}</article>"
