"""The catalogues, and what the page says in which language; without a browser."""

import ast
import copy
import pickle
import re
import string
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from babel.messages.catalog import Message
from streamlit.testing.v1 import AppTest

from app.catalogues.__main__ import (
    CALLED,
    ROOT,
    as_file,
    brought_up_to_date,
    is_open,
    read_catalogue,
    texts_in,
    texts_in_code,
)
from app.visitor import first_spoken
from app.words.language import CATALOGUES, LANGUAGES, _, day_and_time, listed, number, percentage, speaking
from models.films.formats import not_an_image
from models.system.sentence import Sentence

OpenApp = Callable[..., AppTest]


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


def messages(language: str) -> list[Message]:
    return [message for message in read_catalogue(language) if message.id]


def forms(text: str | tuple[str, ...]) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def places(text: str) -> set[str]:
    """The named places of a text, with how their values are written."""
    return {f"{name}:{written}" for _text, name, written, _how in string.Formatter().parse(text) if name is not None}


def test_no_text_is_missing_from_a_catalogue_and_none_is_unused(language: str) -> None:
    known = {message.id for message in messages(language)}
    code = texts_in_code()
    assert not code - known, "run `make catalogues` and translate what it names"
    assert not known - code, "run `make catalogues`: nothing says this any more"
    path = CATALOGUES / f"{language}.po"
    assert path.read_bytes() == as_file(brought_up_to_date(read_catalogue(language))), "run `make catalogues`"


def test_every_text_is_said_with_the_same_named_places(language: str) -> None:
    for message in messages(language):
        assert not is_open(message), message.id
        assert not message.fuzzy, message.id
        for said in forms(message.string):
            assert places(said) == places(forms(message.id)[-1]), message.id


def test_english_is_what_the_code_says() -> None:
    assert all(message.string == message.id for message in messages("en"))


def test_a_text_that_nobody_could_look_up_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2: a text is one literal"):
        list(texts_in("count = 3\n_(f'{count} films')", "page.py"))
    nested = "_('a {b}', b=_('b')) or ngettext('one', 'many', 2) or N_('c' if d else 'e') or RefusedError('code', 'f')"
    assert set(texts_in(nested, "page.py")) == {"a {b}", "b", ("one", "many"), "c", "e", "f"}


# What draws, or words what is drawn; and what in it is no text of ours: styles, HTML, queries, formats.
DRAWS = ("app/main.py", "app/session.py", "app/visitor.py", "app/drawing.py", "app/words/wording.py", "app/measurements.py",
         "app/patients.py", "app/record.py", "app/views/*.py", "app/pieces/*.py", "app/batch/progress.py",
         "app/batch/report*.py")  # fmt: skip
NO_TEXT = re.compile(r"<|-family|\.pl-|:root|aspect-ratio|^\S*=|```|^not stated$")


def bare_texts(node: ast.AST) -> Iterator[str]:
    """What looks like words for people and is not handed to what translates it; docstrings and errors for callers are not."""
    for child in ast.iter_child_nodes(node):
        called = ast.unparse(child.func) if isinstance(child, ast.Call) else ""
        if isinstance(child, ast.Raise) or (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
            continue
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            if re.search(r"[A-Za-z]{2,} [A-Za-z(]{2,}", child.value) and not NO_TEXT.search(child.value):
                yield child.value
        elif called.startswith("st.") and re.match(r"\w+(\.\w+)*\('[A-Z]", ast.unparse(child)):
            yield ast.unparse(child)
        elif called not in CALLED:
            yield from bare_texts(child)


def test_no_page_says_what_no_catalogue_holds() -> None:
    files = [path for pattern in DRAWS for path in ROOT.glob(pattern)]
    assert len(files) > 20
    found = {
        f"{path.name}: {text}" for path in files for text in bare_texts(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not found
    planted = (
        'st.button("Go")\nsaid = f"{count} more files"\nst.text(_("In the catalogue"))\nraise ValueError("for callers")'
    )
    assert list(bare_texts(ast.parse(planted))) == ["st.button('Go')", " more files"]


def test_a_sentence_is_english_for_programs_and_translated_for_people() -> None:
    sentence = not_an_image(b"%PDF-1.7").refusal.sentence
    english = "This is a PDF document; that is not read here. Save the radiograph in it as PNG, JPEG or DICOM."
    assert sentence == english
    assert _(sentence) == english
    with speaking("ko"):
        assert (
            _(sentence)
            == "이 파일은 PDF 문서이며 지원되지 않습니다. 그 안의 X선 사진을 PNG, JPEG 또는 DICOM으로 저장하십시오."
        )
        assert _("") == ""
        assert _("in no catalogue {as it is}") == "in no catalogue {as it is}"


def test_a_sentence_stays_one_in_a_copy_and_in_another_process() -> None:
    sentence = Sentence("{what} and {more}", what=Sentence("top"), more=[Sentence("left"), Sentence("right {n}", n=3)])
    assert sentence == "top and left, right 3"
    for again in (copy.deepcopy(sentence), pickle.loads(pickle.dumps(sentence))):  # noqa: S301, our own bytes
        assert (again, again.template, again.values) == (sentence, sentence.template, sentence.values)


def test_numbers_and_dates_have_the_form_of_the_language() -> None:
    moment = datetime(2026, 11, 28, 14, 5, tzinfo=UTC)
    assert (number(12345.678, 1), percentage(0.1234), day_and_time(moment)) == (
        "12,345.7",
        "12.3 %",
        "28 Nov 2026, 14:05",
    )
    assert listed(["a", "b", "c"]) == "a, b and c"
    with speaking("ko"):
        assert (percentage(0.1234), day_and_time(moment)) == ("12.3%", "2026. 11. 28. 오후 2:05")
        assert listed(["a", "b"]) == "a 및 b"


def test_a_language_that_is_not_spoken_is_named() -> None:
    with pytest.raises(ValueError, match=r"must be one of en, ko\. Received: 'fr'"), speaking("fr"):
        pass


@pytest.mark.parametrize(
    ("address", "browser", "expected"),
    [(None, "ko-KR", "ko"), (None, "de-DE", "en"), ("en", "ko", "en"), ("ko", "en-GB", "ko"), ("xx", None, "en")],
)
def test_the_browser_chooses_the_language_unless_the_address_does(
    address: str | None, browser: str | None, expected: str
) -> None:
    assert first_spoken(address, browser) == expected


def test_the_switch_changes_the_language_and_keeps_the_choice_in_the_address(open_app: OpenApp) -> None:
    app = open_app(language="ko")
    assert not app.exception
    assert app.button_group[0].label == "언어"
    app.button_group[0].set_value("en").run()
    assert not app.exception
    assert app.button_group[0].label == "Language"
    assert app.query_params["lang"] == "en"
