"""Pieces of a page that stands alone: no script, no link to another file, every picture inside, every text escaped.

Tables and figures are numbered by the style sheet, in the order in which they stand.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Final

from training.metrics.bootstrap import Estimate, interval_text

_STYLE: Final = Path(__file__).with_name("page.css")
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Markup(str):
    """Text that is HTML already; every other string is escaped where it is put into a page."""

    __slots__ = ()


def markup(text: str) -> Markup:
    """The text as HTML."""
    return text if isinstance(text, Markup) else Markup(escape(text))


def document(title: str, parts: Iterable[Markup]) -> str:
    """A whole page. Its own policy forbids a browser to fetch anything."""
    style = _STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def heading(text: str, level: int = 2) -> Markup:
    return Markup(f"<h{level}>{markup(text)}</h{level}>")


def paragraph(text: str, css: str = "") -> Markup:
    return Markup(f'<p class="{css}">{markup(text)}</p>' if css else f"<p>{markup(text)}</p>")


def table(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str] | str], *, numbers: Iterable[int] = ()
) -> Markup:
    """A table with its title above; a row that is one string heads a group; `numbers` are columns set to the right."""
    right = set(numbers)

    def cell(tag: str, place: int, text: str) -> str:
        aligned = ' class="number"' if place in right else ""
        return f"<{tag}{aligned}>{markup(text)}</{tag}>"

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(cell(tag if place else "th", place, text) for place, text in enumerate(row))

    body = "\n".join(
        f'<tr class="group"><th colspan="{len(header)}">{markup(row)}</th></tr>'
        if isinstance(row, str)
        else f"<tr>{cells(row, 'td')}</tr>"
        for row in rows
    )
    # The title is no <caption>: that would scroll sideways with a wide table.
    return Markup(
        f'<p class="title">{markup(title)}</p>\n<div class="scroll" tabindex="0"><table>\n'
        f"<thead><tr>{cells(header, 'th')}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def figure(picture: Path, alternative: str, caption: str) -> Markup:
    """A picture, inside the page, with its caption below."""
    data = base64.b64encode(picture.read_bytes()).decode("ascii")
    return Markup(
        f'<figure><img alt="{escape(alternative)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{markup(caption)}</figcaption></figure>"
    )


def figures(pieces: Iterable[Markup]) -> Markup:
    """Figures side by side where there is room."""
    return Markup('<div class="figures">\n' + "\n".join(pieces) + "\n</div>")


def tiles(items: Iterable[tuple[str, str, str]]) -> Markup:
    """The numbers to see first: name, value, and what it rests on."""
    inside = "\n".join(
        f"<div><dt>{markup(name)}</dt><dd>{markup(value)}<small>{markup(below)}</small></dd></div>"
        for name, value, below in items
    )
    return Markup(f'<dl class="tiles">\n{inside}\n</dl>')


def interval_bar(estimate: Estimate | None, *, start: float, end: float) -> Markup:
    """An estimate and its interval, drawn between two ends; nothing for None."""
    if estimate is None:
        return Markup("")
    low, value, high = (
        1 + 98 * (min(max(number, start), end) - start) / (end - start)
        for number in (estimate.low, estimate.value, estimate.high)
    )
    return Markup(
        f'<svg class="interval" viewBox="0 0 100 12" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(interval_text(estimate))}">'
        f'<line class="frame" x1="0" y1="6" x2="100" y2="6"/><line x1="{low:.1f}" y1="6" x2="{high:.1f}" y2="6"/>'
        f'<circle cx="{value:.1f}" cy="6" r="3"/></svg>'
    )
