"""What a visitor sees of the lungs in a real browser: the box, films with a finding, and cards that fit a screen."""

from pathlib import Path

import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.steps import (
    TELEPHONE,
    WIDE,
    assert_cards_fit,
    cards,
    contrast,
    in_each_scheme,
    lay_out,
    luminance,
    place,
    resize,
    sample,
    settle,
    sideways,
    tab_to,
)
from tests.conftest import Server


@pytest.fixture(scope="module")
def upright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("films") / "upright.jpeg"
    file.write_bytes(sample("normal", ".jpeg").read_bytes())
    return file


@pytest.fixture(scope="module")
def visited(open_shared_page: OpenPage, lungs_server: Server) -> Page:
    return open_shared_page(lungs_server.url)


@pytest.fixture
def shown(visited: Page, upright: Path) -> Page:
    """The upright film, judged by its lungs, in a wide window, whatever the tests before did there."""
    resize(visited, WIDE)
    lay_out(visited, upright)
    return visited


@pytest.fixture
def turned(tmp_path: Path, upright: Path) -> Path:
    file = tmp_path / "turned.png"
    Image.open(upright).transpose(Image.Transpose.ROTATE_180).save(file, compress_level=1)
    return file


@pytest.fixture
def inverted(tmp_path: Path, upright: Path) -> Path:
    file = tmp_path / "inverted.png"
    ImageOps.invert(Image.open(upright).convert("L")).save(file, compress_level=1)
    return file


def card(page: Page) -> Locator:
    return cards(page).first


def test_the_switch_shows_and_hides_what_was_judged(shown: Page) -> None:
    page = shown
    expect(page.get_by_text("What the model was shown")).to_be_visible()
    expect(page.locator(".pl-attention")).to_contain_text("% of the attention lies within the lungs")
    outlined = page.get_by_role("img", name="and the box of what was judged")
    before, height = outlined.get_attribute("src"), place(card(page))["height"]
    reading = page.locator(".pl-probability").inner_text()
    tab_to(page, page.get_by_label("Show what was judged"))
    page.keyboard.press("Space")
    expect(outlined).to_have_count(0)
    settle(page)
    picture = page.get_by_role("img", name="Chest radiograph")
    assert picture.get_attribute("src") != before
    assert page.locator(".pl-probability").inner_text() == reading
    assert place(card(page))["height"] == height, "the card has jumped"


def test_films_with_a_finding_are_mended_and_judged_with_one_click_each(
    visited: Page, turned: Path, inverted: Path
) -> None:
    page = visited
    lay_out(page, turned, inverted)
    for window in (WIDE, TELEPHONE):
        resize(page, window)
        for number, code in enumerate(("turned", "inverted")):
            expect(page.locator(".pl-refusal code").nth(number)).to_have_text(code)
            expect(page.get_by_role("img", name="The picture as it came, not judged").nth(number)).to_be_visible()
            expect(page.get_by_role("img", name="Preview of the film").nth(number)).to_be_visible()
        assert page.locator(".pl-verdict").count() == 0
        assert sideways(page) == 0
    mend(page, "Exchange black and white and judge it", "Black and white exchanged before it was judged", left=1)
    resize(page, WIDE)
    mend(page, "Turn it back and judge it", "Turned back by 180° before it was judged", left=0)
    for file in (turned, inverted):
        expect(page.get_by_role("heading", name=file.name, exact=True)).to_be_visible()


def mend(page: Page, offer: str, told: str, *, left: int) -> None:
    """Take an offer; one more film is judged, and so many findings are left."""
    judged = page.locator(".pl-verdict").count()
    page.get_by_role("button", name=offer).click()
    expect(page.locator(".pl-verdict")).to_have_count(judged + 1)
    expect(page.get_by_text(told)).to_be_visible()
    expect(page.locator(".pl-refusal")).to_have_count(left)
    settle(page)
    assert sideways(page) == 0


def test_a_card_fits_one_screen(visited: Page, tmp_path: Path, upright: Path) -> None:
    assert_cards_fit(visited, upright, tmp_path)


def test_a_film_fills_the_screen_when_it_is_asked_to(shown: Page) -> None:
    page = shown
    picture = page.get_by_role("img", name="Chest radiograph")
    small = place(picture)["height"]
    picture.hover()
    card(page).get_by_role("button", name="Fullscreen").first.click()
    expect(page.get_by_role("button", name="Close fullscreen")).to_be_visible()
    assert small + 200 < place(picture)["height"] <= WIDE["height"]
    page.get_by_role("button", name="Close fullscreen").click()
    expect(page.get_by_role("button", name="Close fullscreen")).to_have_count(0)


def test_what_is_said_of_the_lungs_can_be_read_in_light_and_dark(visited: Page, turned: Path) -> None:
    page = visited
    resize(page, WIDE)
    lay_out(page, turned)
    button = '[class*="st-key-mend_"] button'
    for background in in_each_scheme(page):
        assert contrast(luminance(page, ".pl-refusal p", "color"), background) >= 7
        assert contrast(luminance(page, button, "color"), luminance(page, button, "backgroundColor")) >= 7
    page.locator(button).click()
    expect(page.locator(".pl-attention")).to_be_visible()
    for background in in_each_scheme(page):
        assert contrast(luminance(page, ".pl-attention", "color"), background) >= 7
