"""The page in Korean, as a browser that asks for Korean gets it: Streamlit's own words, too."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.words.language import speaking
from tests.browser.conftest import OpenPage
from tests.browser.steps import WIDE, lay_out, resize, sample, settle, sideways, upload
from tests.conftest import Server

# What is to be read or heard anywhere, but for names: of files, classes, formats and codes.
LATIN = r"""() => {
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!parent.closest("style, script, noscript, code, [data-testid=stIconMaterial], [data-testid=data-grid-canvas]"))
      texts.push(walker.currentNode.nodeValue);
  }
  for (const name of ["aria-label", "title", "placeholder", "alt"])
    for (const element of document.querySelectorAll(`[${name}]`)) texts.push(element.getAttribute(name));
  const names = /\b(PneumoLens|English|NORMAL|PNEUMONIA|JPEG|PNG|TIFF|BMP|WebP|DICOM|CSV|[PN]PV|Enter|rule-in|rule-out|[KM]B)\b/g;
  const files = /\S+\.(jpeg|png|dcm|bin)\b|default|openvino|bf16|f32/g;
  return texts.filter(text => /[A-Za-z]{2}/.test(text.replace(files, "").replaceAll(/(\d)([KM]B)/g, "$1 $2").replace(names, "")));
}"""


@pytest.fixture
def too_large(tmp_path: Path) -> Path:
    path = tmp_path / "large.bin"
    with path.open("wb") as stream:
        stream.truncate(65 * 2**20)
    return path


@pytest.fixture(scope="module")
def visited(open_shared_page: OpenPage, server: Server) -> Page:
    """Nobody chose the language: the browser asks for it."""
    page = open_shared_page(server.url, locale="ko-KR", scheme="dark")
    expect(page.get_by_role("heading", name="흉부 X선 사진 선별")).to_be_visible()
    return page


@pytest.fixture
def korean(visited: Page) -> Page:
    """The page in Korean with no film on it, whatever the tests before chose."""
    settle(visited)
    visited.get_by_role("radio", name="한국어").click()
    with speaking("ko"):
        lay_out(visited)
    return visited


def test_a_visit_in_korean_from_the_uploader_to_the_reading(korean: Page, too_large: Path) -> None:
    page = korean
    resize(page, WIDE)
    expect(page.get_by_role("heading", name="흉부 X선 사진 선별")).to_be_visible()
    expect(page.get_by_role("button", name="파일 선택", exact=True)).to_be_visible()
    expect(page.get_by_text("파일당 64MB까지")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "ko"
    upload(page, sample("normal", ".jpeg"))
    page.locator("input[type=file]").set_input_files(too_large)
    expect(page.get_by_text("파일은 64.0MB 이하여야 합니다.")).to_be_visible()
    entry = page.locator("input[type=number]")
    entry.fill("500")
    expect(page.get_by_text("Enter 키를 누르면 적용됩니다")).to_be_visible()
    entry.press("Enter")
    expect(page.get_by_text("허용 범위를 벗어난 값입니다.")).to_be_visible()
    settle(page)
    assert page.evaluate(LATIN) == []


def test_the_switch_brings_english_back_streamlits_own_words_too(korean: Page) -> None:
    page = korean
    resize(page, {"width": 375, "height": 812})
    expect(page.get_by_role("button", name="파일 선택", exact=True)).to_be_visible()
    assert sideways(page) <= 0
    page.get_by_role("radio", name="English").click()
    expect(page.get_by_role("heading", name="Screen chest radiographs")).to_be_visible()
    expect(page.get_by_role("button", name="Upload", exact=True)).to_be_visible()
    expect(page.get_by_text("64MB per file")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"
    assert "lang=en" in page.url
    page.get_by_role("link", name="About").click()
    expect(page.get_by_role("heading", name="About PneumoLens")).to_be_visible()
    page.get_by_role("link", name="Screen", exact=True).click()
    expect(page.get_by_role("heading", name="Screen chest radiographs")).to_be_visible()
    expect(page).to_have_url(re.compile("lang=en"))
    page.reload()
    settle(page)
    expect(page.get_by_role("heading", name="Screen chest radiographs")).to_be_visible()
