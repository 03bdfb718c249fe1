"""Pieces of a page: escaped unless they are markup already, and whole without any other file."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.metrics.bootstrap import Estimate
from training.reports.html import Markup, document, figure, heading, interval_bar, paragraph, table, tiles

EVIL = "<script>alert('a & \"b\"')</script>"
ESCAPED = "&lt;script&gt;alert(&#x27;a &amp; &quot;b&quot;&#x27;)&lt;/script&gt;"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def test_text_is_escaped_wherever_it_is_put(picture: Path) -> None:
    pieces = (
        heading(EVIL),
        paragraph(EVIL, "note"),
        table(EVIL, [EVIL], [[EVIL], EVIL]),
        tiles([(EVIL, EVIL, EVIL)]),
        figure(picture, EVIL, EVIL),
    )
    for piece in pieces:
        assert "<script" not in piece
        assert ESCAPED in piece
    assert f"<title>{ESCAPED}</title>" in document(EVIL, pieces)


def test_markup_is_not_escaped_twice() -> None:
    assert paragraph(heading("a < b", 3)) == "<p><h3>a &lt; b</h3></p>"
    assert table("", ["x"], [[Markup("<i>y</i>")]]).count("<i>y</i>") == 1


def test_rows_have_a_head_and_numbers_stand_to_the_right() -> None:
    found = table("t", ["name", "n"], ["all", ["a", "1"]], numbers=[1])
    assert '<tr><th>a</th><td class="number">1</td></tr>' in found
    assert '<tr class="group"><th colspan="2">all</th></tr>' in found


def test_an_interval_is_drawn_in_its_place() -> None:
    bar = interval_bar(Estimate(0.75, 0.5, 1.0, n=10, patients=5), start=0.5, end=1)
    assert '<line x1="1.0" y1="6" x2="99.0" y2="6"/><circle cx="50.0"' in bar
    assert 'aria-label="0.750 (0.500–1.000)"' in bar
    assert interval_bar(None, start=0, end=1) == ""
    assert 'x1="1.0"' in interval_bar(Estimate(0.2, 0.1, 0.3, n=10, patients=5), start=0.5, end=1), "it stays inside"
