"""What a visitor does in the browser, and how what is seen is measured."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Error, Locator, Page, ViewportSize, expect

from app.samples import FOLDER, sample_label, sample_names
from app.words.language import _

WIDE: ViewportSize = {"width": 1280, "height": 900}
TELEPHONE: ViewportSize = {"width": 390, "height": 844}


def sample(start: str, suffix: str) -> Path:
    """The first sample of a class and format."""
    return FOLDER / next(name for name in sample_names() if name.startswith(start) and name.endswith(suffix))


def thumbnail(page: Page, name: str) -> Locator:
    """The button that is the picture of a sample, by what it is called for who does not see it."""
    number = sample_names().index(name) + 1
    return page.get_by_role("button", name=f"Synthetic sample {number}, {sample_label(name)}", exact=True)


def upload(page: Page, *files: Path) -> None:
    """Drop files and wait until each has its card."""
    page.locator("input[type=file]").set_input_files(files)
    for file in files:
        expect(page.get_by_role("heading", name=file.name, exact=True)).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0)


def cards(page: Page) -> Locator:
    """The cards of the Screen page."""
    return page.locator('[class*="st-key-card_"]')


def lay_out(page: Page, *files: Path) -> None:
    """Have these films on the Screen page, in cards that nobody has touched, and no others, whatever was there before."""
    go_to_screen(page)
    clear = page.get_by_role("button", name=_("Clear all"))
    if clear.count():
        clear.click()
    expect(cards(page)).to_have_count(0)
    settle(page)
    if files:
        upload(page, *files)
        settle(page)


def shows(page: Page, *files: Path) -> bool:
    """Whether the Screen page has a card for each of these files, and no other."""
    go_to_screen(page)
    return page.locator("h3.pl-file").all_inner_texts() == [file.name for file in files]


def go_to_screen(page: Page) -> None:
    """The Screen page, wherever the tests before went."""
    settle(page)
    heading = page.get_by_role("heading", name=_("Screen chest radiographs"))
    if not heading.count():
        page.get_by_role("link", name=_("Screen"), exact=True).click()
        expect(heading).to_be_visible()
        settle(page)


def settle(page: Page) -> None:
    """Wait until the server has answered all that was asked."""
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()


def choose_first(page: Page, name: str) -> None:
    """Choose the first option of a list with the keyboard; asked again where the page was drawn anew meanwhile."""
    box, option = page.get_by_role("combobox", name=name), page.get_by_role("option").first
    for _time in range(10):
        box.focus()
        page.keyboard.press("ArrowDown")
        try:
            option.wait_for(timeout=5_000)
        except Error:
            continue
        page.keyboard.press("Enter")
        return
    pytest.fail(f"{name} shows no options")


def tab_to(page: Page, element: Locator, *, most: int = 80) -> None:
    """Press the tabulator until the element has the focus, and see that the focus shows."""
    for _press in range(most):
        page.keyboard.press("Tab")
        if element.evaluate("element => element.contains(document.activeElement)"):
            assert page.evaluate(FOCUS_SHOWS), "the focus cannot be seen"
            return
    pytest.fail(f"{element} is out of the keyboard's reach")


FOCUS_SHOWS = """() => {
  for (let e = document.activeElement, up = 0; e && up < 3; e = e.parentElement, up++) {
    const style = getComputedStyle(e);
    if (style.outlineStyle !== "none" || style.boxShadow !== "none") return true;
  }
  return false;
}"""


def apart(above: Locator, below: Locator) -> float:
    """Pixels from the top of one element down to that of another, however the page is scrolled."""
    return place(below)["y"] - place(above)["y"]


def place(element: Locator) -> dict[str, float]:
    """Where an element is, and how large."""
    box = element.bounding_box()
    assert box is not None
    return dict(box)


def sideways(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return int(page.evaluate(SIDEWAYS))


SIDEWAYS = """() => Math.max(...[document.documentElement, document.querySelector("[data-testid=stMain]")].map(
  element => element.scrollWidth - element.clientWidth
))"""


def resize(page: Page, window: ViewportSize) -> None:
    """Give the window another size, and wait until the page fits into it: tables are drawn again a moment later."""
    page.set_viewport_size(window)
    page.wait_for_function(f"() => ({SIDEWAYS})() <= 0", timeout=10_000)


def assert_cards_fit(page: Page, film: Path, folder: Path) -> None:
    """A card of a film of any shape fits the window beside what always stays in sight, and its picture keeps the shape."""
    shapes = ((1400, 1000), (1000, 1000), (900, 1300))
    files = [folder / f"{width}.png" for width, _ in shapes]
    for file, shape in zip(files, shapes, strict=True):
        Image.open(film).convert("L").resize(shape).save(file, compress_level=1)
    resize(page, WIDE)
    lay_out(page, *files)
    taken = place(page.locator(".st-key-navigation"))["height"] + place(page.locator(".pl-notice"))["height"]
    expect(cards(page)).to_have_count(len(files))
    for number, (width, height) in enumerate(shapes):
        one = cards(page).nth(number)
        assert place(one)["height"] <= WIDE["height"] - taken
        picture = one.get_by_role("img", name="Chest radiograph")
        assert place(picture)["width"] / place(picture)["height"] == pytest.approx(width / height, rel=0.02)
        assert place(picture)["height"] > 300


def luminance(page: Page, selector: str, colour: str) -> float:
    """The relative luminance (WCAG 2.2) of a computed colour."""
    text = page.locator(selector).first.evaluate(f"e => getComputedStyle(e).{colour}")
    channels = [int(part) / 255 for part in text[text.index("(") + 1 : text.index(")")].split(",")[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    """The contrast ratio (WCAG 2.2) of two luminances."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def in_each_scheme(page: Page) -> Iterator[float]:
    """The luminance of the page's background, once light and once dark."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(BACKGROUND_IS, arg=scheme == "light")
        settle(page)
        yield luminance(page, '[data-testid="stApp"]', "backgroundColor")


BACKGROUND_IS = """light => {
  const colour = getComputedStyle(document.querySelector("[data-testid=stApp]")).backgroundColor;
  const [red, green, blue] = colour.match(/[\\d.]+/g).map(Number);
  return light === red + green + blue > 3 * 128;
}"""
