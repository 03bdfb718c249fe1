"""What a visitor sees of the lungs in a real browser: the box, films with a finding, and cards that fit a screen."""

from pathlib import Path

import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Locator, Page, expect

from app.samples import sample_names
from tests.browser.conftest import OpenPage
from tests.browser.steps import (
    contrast,
    in_each_scheme,
    luminance,
    resize,
    sample,
    settle,
    sideways,
    tab_to,
    thumbnail,
    upload,
)
from tests.conftest import Server

WIDE = {"width": 1280, "height": 900}
TELEPHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def upright(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("films") / "upright.jpeg"
    file.write_bytes(sample("normal", ".jpeg").read_bytes())
    return file


@pytest.fixture(scope="module")
def shown(open_shared_page: OpenPage, lungs_server: Server, upright: Path) -> Page:
    """The upright film, judged by its lungs."""
    page = open_shared_page(url=lungs_server.url, **WIDE)
    upload(page, upright)
    settle(page)
    return page


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


def place(element: Locator) -> dict[str, float]:
    box = element.bounding_box()
    assert box is not None
    return dict(box)


def cards(page: Page) -> Locator:
    return page.locator('[class*="st-key-card_"]')


def card(page: Page) -> Locator:
    return cards(page).first


def test_the_drop_zone_comes_first_and_samples_are_pictures_that_are_judged_on_a_click(open_page: OpenPage) -> None:
    page = open_page()
    zone, first = page.get_by_test_id("stFileUploaderDropzone"), thumbnail(page, sample_names()[0])
    for window in (WIDE, TELEPHONE):
        resize(page, window)
        expect(zone).to_be_in_viewport(ratio=1)
        expect(first).to_be_visible()
        assert place(zone)["y"] + place(zone)["height"] < place(first)["y"]
        assert place(zone)["y"] + place(zone)["height"] < window["height"] / 2
        above = page.locator("[data-testid=stCaptionContainer]").filter(visible=True).all()
        lines = [one for one in above if place(one)["y"] < place(zone)["y"]]
        assert len(lines) == 1
        if window is WIDE:
            assert place(lines[0].locator("p"))["height"] < 30, "the line above the drop zone is one line"

    resize(page, WIDE)
    name = sample("pneumonia", ".jpeg").name
    button = thumbnail(page, name)
    picture = button.locator("img")
    assert picture.evaluate("image => image.complete && image.naturalWidth") > 100
    assert place(picture)["width"] > 60
    assert name not in page.locator(".st-key-samples").inner_text()
    button.click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.locator(".pl-verdict")).to_be_visible()


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
    open_page: OpenPage, lungs_server: Server, turned: Path, inverted: Path
) -> None:
    page = open_page(url=lungs_server.url, **WIDE)
    upload(page, turned, inverted)
    settle(page)
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


@pytest.mark.parametrize("bundle", ["shipped", "lungs"])
def test_a_card_fits_one_screen(
    open_page: OpenPage, server: Server, lungs_server: Server, tmp_path: Path, upright: Path, bundle: str
) -> None:
    shapes = ((1400, 1000), (1000, 1000), (900, 1300))
    files = [tmp_path / f"{width}.png" for width, _ in shapes]
    for file, shape in zip(files, shapes, strict=True):
        Image.open(upright).convert("L").resize(shape).save(file, compress_level=1)
    page = open_page(url=lungs_server.url if bundle == "lungs" else server.url, **WIDE)
    upload(page, *files)
    settle(page)
    taken = place(page.locator(".st-key-navigation"))["height"] + place(page.locator(".pl-notice"))["height"]
    expect(cards(page)).to_have_count(len(files))
    for number, (width, height) in enumerate(shapes):
        one = cards(page).nth(number)
        assert place(one)["height"] <= WIDE["height"] - taken
        picture = one.get_by_role("img", name="Chest radiograph")
        assert place(picture)["width"] / place(picture)["height"] == pytest.approx(width / height, rel=0.02)
        assert place(picture)["height"] > 300


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


def test_what_is_said_of_the_lungs_can_be_read_in_light_and_dark(
    open_page: OpenPage, lungs_server: Server, turned: Path
) -> None:
    page = open_page(url=lungs_server.url)
    upload(page, turned)
    button = '[class*="st-key-mend_"] button'
    for background in in_each_scheme(page):
        assert contrast(luminance(page, ".pl-refusal p", "color"), background) >= 7
        assert contrast(luminance(page, button, "color"), luminance(page, button, "backgroundColor")) >= 7
    page.locator(button).click()
    expect(page.locator(".pl-attention")).to_be_visible()
    for background in in_each_scheme(page):
        assert contrast(luminance(page, ".pl-attention", "color"), background) >= 7
