"""The language of the page: texts, numbers and dates in it. English wherever nobody asked for another.

    from app.words.language import _, ngettext
    _("Judging film {number} of {total} …", number=3, total=8)
    ngettext("{count} film", "{count} films", count)

A text is written in English, whole and with named places; what other languages say lies in `app/catalogues/`, and
`make catalogues` takes up there what is new in the code. Each visitor has a language of their own, so that nothing may be
translated when a module is imported: tables there hold `N_("…")`, and whoever draws translates. Programs are answered in
English: the command line, the HTTP API and CSV files know no language.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from babel.dates import format_date, format_time, get_datetime_format
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations

from models.system.sentence import Sentence

LANGUAGES: Final = {"en": "English", "ko": "한국어"}
"""What the page speaks, each in its own words."""

CATALOGUES: Final = Path(__file__).parents[1] / "catalogues"
STATE: Final = "language"
"""Where Streamlit's session keeps the language of its visitor; `app.visitor.settle_language` puts it there."""

_SOURCE: Final = "en"
_LOCALES: Final = {"en": "en_GB", "ko": "ko_KR"}
_SPOKEN: Final[ContextVar[str | None]] = ContextVar("spoken", default=None)


def current_language() -> str:
    """The language of whoever is answered: what `speaking` says, else the visitor's; English where there is none."""
    return _SPOKEN.get() or _visitors_language()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Within the block texts are in this language, whoever asks: for reports that are written outside a visitor's session."""
    if language not in LANGUAGES:
        raise ValueError(f"A language must be one of {', '.join(LANGUAGES)}. Received: {language!r}")
    before = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(before)


def N_(text: str) -> str:  # noqa: N802, the name that gettext has for it
    """The text as it is: marks it for the catalogues, where it cannot be translated yet."""
    return text


def _(text: str, /, **values: object) -> str:
    """The text in the current language, its named places filled.

    A `Sentence` of models/ brings its own values; what in them is a sentence is translated, too.
    """
    if isinstance(text, Sentence):
        text, values = text.template, {name: _value(value) for name, value in text.values.items()}
    return _filled(_catalogue(current_language()).gettext(text) if text else "", values)


def ngettext(one: str, many: str, count: int, /, **values: object) -> str:
    """The form that the current language has for so many, its named places filled; `{count}` is the number."""
    said = _catalogue(current_language()).ngettext(one, many, count)
    return _filled(said, {"count": number(count), **values})


def number(value: float, digits: int = 0) -> str:
    """A number with so many digits after the point: 1,234.5."""
    return format_decimal(value, "#,##0." + "0" * digits if digits else "#,##0", locale=_locale())


def percentage(share: float, digits: int = 1) -> str:
    """A share in [0, 1] in percent: 12.3 %."""
    return _("{number} %", number=number(100 * share, digits))


def day_and_time(moment: datetime, *, seconds: bool = False) -> str:
    """A date with the time of day in the time zone that it has: 28 Nov 2026, 14:05."""
    locale = _locale()
    time = format_time(moment, "medium" if seconds else "short", locale=locale)
    return get_datetime_format("medium", locale=locale).format(time, format_date(moment, "medium", locale=locale))


def listed(words: Sequence[str]) -> str:
    """Several words as one list: a, b and c."""
    return format_list(list(words), locale=_locale())


def _filled(text: str, values: dict[str, object]) -> str:
    return text.format(**values) if values else text


def _value(value: object) -> object:
    if isinstance(value, list):
        return ", ".join(_(one) for one in value)
    return _(value) if isinstance(value, Sentence) else value


def _locale() -> str:
    return _LOCALES[current_language()]


def _visitors_language() -> str:
    # Imported when a page is drawn, and so there already: programs that never draw one do not wait for it.
    import streamlit as st
    from streamlit.runtime.scriptrunner import get_script_run_ctx

    if get_script_run_ctx(suppress_warning=True) is None:
        return _SOURCE
    return str(st.session_state.get(STATE, _SOURCE))


@cache
def _catalogue(language: str) -> Translations:
    """The texts of a language, compiled when they are first asked for: there is no step of a build to be forgotten."""
    compiled = io.BytesIO()
    with (CATALOGUES / f"{language}.po").open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return Translations(compiled)
