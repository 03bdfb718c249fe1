"""What a visitor does in the browser, and how what is seen is measured."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error, Locator, Page, ViewportSize, expect

from app.samples import FOLDER, sample_label, sample_names


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


def settle(page: Page) -> None:
    """Wait until the server has answered all that was asked."""
    expect(page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]')).to_be_visible()


def choose_first(page: Page, name: str) -> None:
    """Choose the first option of a list with the keyboard; asked again where the page was drawn anew meanwhile."""
    box, option = page.get_by_role("combobox", name=name), page.get_by_role("option").first
    for _ in range(10):
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
    for _ in range(most):
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
    top, bottom = above.bounding_box(), below.bounding_box()
    assert top is not None
    assert bottom is not None
    return bottom["y"] - top["y"]


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
