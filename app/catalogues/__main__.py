"""Bring the catalogues up to date with the code: what is new goes in, what nothing says any more goes out.

    python -m app.catalogues

It names what is left to translate, and ends with 1 where there is something; a text in the catalogue of English is what the
code says. Takes a few seconds.
"""

import ast
import io
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from app.words.language import CATALOGUES, LANGUAGES

ROOT: Final = Path(__file__).parents[2]
SOURCE: Final = "en"

# What is called with a text for people, and which of its arguments that is; the two of `ngettext` are forms of one text.
CALLED: Final = {
    "_": (0,), "N_": (0,), "ngettext": (0, 1), "Sentence": (0,), "Refusal": (1,), "RefusedError": (1,), "Finding": (1,),
    "JobError": (0,), "RegistryError": (0,),
}  # fmt: skip

# Tables of what is said under a code; a `Sentence` is made of it with the values at hand.
TABLES: Final = ("ARCHIVE_CODES", "STOPPED_CODES", "FOLDER_CODES", "AUDIT_CODES")

Text = str | tuple[str, str]


@cache
def texts_in_code() -> frozenset[Text]:
    """Every text that the page says; one with a plural form is a pair."""
    files = (path for room in ("app", "models") for path in (ROOT / room).rglob("*.py"))
    return frozenset(text for path in files for text in texts_in(path.read_text(encoding="utf-8"), path.name))


def texts_in(source: str, name: str) -> Iterator[Text]:
    """The texts of one module; a ValueError for an f-string, which nobody could look up."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in TABLES and isinstance(node.value, ast.Dict):
            yield from (said.value for value in node.value.values for said in _literals(value))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLED:
            places = [node.args[place] for place in CALLED[node.func.id] if place < len(node.args)]
            if any(isinstance(part, ast.JoinedStr) for place in places for part in ast.walk(place)):
                raise ValueError(
                    f"{name}, line {node.lineno}: a text is one literal with named places, and no f-string."
                )
            found = [part.value for place in places for part in _literals(place)]
            yield from [(found[0], found[1])] if node.func.id == "ngettext" else found


def _literals(place: ast.expr) -> Iterator[ast.Constant]:
    """The text itself, or both where one of two is chosen; nothing where a variable stands, whose text is marked elsewhere."""
    if isinstance(place, ast.IfExp):
        yield from (*_literals(place.body), *_literals(place.orelse))
    elif isinstance(place, ast.Constant) and place.value:
        yield place


def read_catalogue(language: str) -> Catalog:
    """The catalogue of a language as it lies in this folder."""
    with (CATALOGUES / f"{language}.po").open("rb") as source:
        return read_po(source, locale=language)


def brought_up_to_date(catalogue: Catalog) -> Catalog:
    """The same header and, for every text in the code, what is said; empty where that is not known yet."""
    fresh = Catalog(locale=catalogue.locale, header_comment=catalogue.header_comment, fuzzy=False)
    for text in sorted(texts_in_code(), key=str):
        known = catalogue.get(text if isinstance(text, str) else text[0])
        fresh.add(text, known.string if known and known.id == text else _not_yet(text, catalogue))
    return fresh


def _not_yet(text: Text, catalogue: Catalog) -> str | tuple[str, ...]:
    if str(catalogue.locale) == SOURCE:
        return text
    return "" if isinstance(text, str) else ("",) * catalogue.num_plurals


def is_open(message: Message) -> bool:
    """Whether nothing is said for a text, or for one of its forms."""
    said = message.string
    return not (all(said) if isinstance(said, tuple) else said)


def as_file(catalogue: Catalog) -> bytes:
    """The catalogue as a .po file; a text stands on one line, and nothing in it is a time, a place or a person."""
    stream = io.BytesIO()
    write_po(stream, catalogue, width=0, no_location=True, omit_header=True)
    header = (
        f'{catalogue.header_comment}\nmsgid ""\nmsgstr ""\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Language: {catalogue.locale}\\n"\n"Plural-Forms: {catalogue.plural_forms}\\n"\n\n'
    )
    return header.encode() + stream.getvalue()


def main() -> int:
    """Write both catalogues anew and name what is open."""
    left = 0
    for language in LANGUAGES:
        catalogue = brought_up_to_date(read_catalogue(language))
        (CATALOGUES / f"{language}.po").write_bytes(as_file(catalogue))
        for message in catalogue:
            if message.id and is_open(message):
                left += 1
                print(f"{language}.po says nothing for: {message.id}")
    print("Nothing is left to translate." if not left else f"Left to translate: {left}.")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
