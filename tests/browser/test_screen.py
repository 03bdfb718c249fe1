"""The Screen page in a real browser."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.samples import sample_names
from app.words.wording import NOTICE
from models.command_line.csv_table import csv_header
from tests.browser.conftest import OpenPage
from tests.browser.steps import (
    TELEPHONE,
    WIDE,
    apart,
    assert_cards_fit,
    contrast,
    in_each_scheme,
    lay_out,
    luminance,
    place,
    resize,
    sample,
    settle,
    shows,
    sideways,
    tab_to,
    thumbnail,
    upload,
)
from tests.conftest import ROOT, Server

SCREENSHOT_VARIABLE = "PNEUMOLENS_SCREENSHOT"  # set, this run takes the screenshot of the README anew
HOSTILE = "=1+1 <img src=x onerror=document.title=1>.jpeg"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A JPEG, a DICOM without a suffix, a text file, and a film whose name is markup and a formula."""
    folder = tmp_path_factory.mktemp("films")
    jpeg, dicom, text = folder / "film.jpeg", folder / "IM000001", folder / "notes.txt"
    jpeg.write_bytes(sample("pneumonia", ".jpeg").read_bytes())
    dicom.write_bytes(sample("", ".dcm").read_bytes())
    text.write_text("These are notes.\n", encoding="utf-8")
    hostile = folder / HOSTILE
    hostile.write_bytes(sample("normal", ".jpeg").read_bytes())
    return [jpeg, dicom, text, hostile]


@pytest.fixture(scope="module")
def visited(open_shared_page: OpenPage, server: Server) -> Page:
    return open_shared_page(server.url)


@pytest.fixture
def shown(visited: Page, films: list[Path]) -> Page:
    """The films, judged, in a wide window, whatever the tests before did there."""
    resize(visited, WIDE)
    if not shows(visited, *films):
        lay_out(visited, *films)
    expect(visited.locator(".pl-verdict")).to_have_count(3)
    return visited


@pytest.fixture
def bare(visited: Page) -> Page:
    """No film on the page yet, in a wide window."""
    resize(visited, WIDE)
    lay_out(visited)
    return visited


def download(page: Page, to: Path) -> list[dict[str, str]]:
    """The CSV file that the page gives."""
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download CSV").click()
    coming.value.save_as(to)
    with to.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_films_of_three_kinds_and_their_csv(shown: Page, films: list[Path], tmp_path: Path) -> None:
    page = shown
    expect(page.get_by_text("Reaches rule-in: PNEUMONIA").first).to_be_visible()
    expect(page.get_by_text("DICOM", exact=True)).to_be_visible()
    expect(page.get_by_text("This is not an image that can be read here.")).to_be_visible()
    expect(page.locator(".pl-refusal code")).to_have_text("not_an_image")

    rows = download(page, tmp_path / "page.csv")
    command = [
        sys.executable,
        "-m",
        "models",
        "predict",
        *(film.name for film in films),
        "--csv",
        str(tmp_path / "command.csv"),
    ]
    told = subprocess.run(
        command, cwd=films[0].parent, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert told.returncode == 3
    with (tmp_path / "command.csv").open(encoding="utf-8", newline="") as stream:
        expected = list(csv.DictReader(stream))
    assert list(rows[0]) == csv_header(("NORMAL", "PNEUMONIA")) == list(expected[0])
    for row, same in zip(rows, expected, strict=True):
        for column in row:
            if column.startswith("p_") and row[column]:
                assert float(row[column]) == pytest.approx(float(same[column]), abs=1e-4)
            else:
                assert row[column] == same[column]


def test_the_slider_changes_the_picture_alone(shown: Page, films: list[Path]) -> None:
    page = shown
    expect(page.get_by_role("img", name="Chest radiograph")).to_have_count(3)
    picture = page.get_by_role("img", name="Chest radiograph").first
    below = page.get_by_role("heading", name=films[1].name, exact=True)
    reading = page.locator(".pl-probability").first.inner_text()
    before, distance = picture.get_attribute("src"), apart(picture, below)
    slider = page.get_by_role("slider").first
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    expect(page.get_by_role("img", name="at 60 % opacity")).to_be_visible()
    settle(page)
    assert picture.get_attribute("src") != before
    assert page.locator(".pl-probability").first.inner_text() == reading
    assert apart(picture, below) == distance, "the card below has jumped"


def test_the_name_of_a_file_is_never_markup(shown: Page, tmp_path: Path) -> None:
    page = shown
    expect(page.get_by_role("heading", name=HOSTILE, exact=True)).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "PneumoLens"
    assert download(page, tmp_path / "page.csv")[-1]["file"] == "'" + HOSTILE


def test_a_telephone_shows_everything_without_scrolling_sideways(shown: Page) -> None:
    page = shown
    resize(page, {"width": 390, "height": 800})
    assert sideways(page) == 0
    page.locator(".pl-facts").last.scroll_into_view_if_needed()
    expect(page.get_by_text(NOTICE)).to_be_in_viewport(ratio=1)
    for element in page.locator(".pl-verdict, .pl-bar, .pl-refusal").all():
        box = element.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    for name, heading in (("Model", "Model"), ("About", "About PneumoLens")):
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        settle(page)
        assert sideways(page) == 0
        expect(page.get_by_text(NOTICE)).to_be_in_viewport(ratio=1)


def test_the_other_pages_keep_the_notice_in_sight(shown: Page) -> None:
    page = shown
    page.get_by_role("link", name="Model").click()
    expect(page.get_by_role("heading", name="Operating points")).to_be_visible()
    expect(page.get_by_role("img", name="Plot of the training run").first).to_be_visible()
    page.get_by_text("The card as the training run wrote it").click()
    expect(page.get_by_role("heading", name="Model card: ")).to_be_visible()
    page.mouse.wheel(0, 5000)
    expect(page.get_by_text(NOTICE)).to_be_in_viewport(ratio=1)
    page.get_by_role("link", name="About").click()
    expect(page.get_by_role("heading", name="What it is for")).to_be_visible()
    expect(page.get_by_text(NOTICE)).to_be_in_viewport(ratio=1)


def test_text_stands_out_in_light_and_dark(shown: Page) -> None:
    page = shown
    backgrounds = []
    for background in in_each_scheme(page):
        for selector in (".pl-verdict", ".pl-probability", "h1", ".pl-facts dd"):
            assert contrast(luminance(page, selector, "color"), background) >= 7
        assert contrast(luminance(page, ".pl-notice", "color"), luminance(page, ".pl-notice", "backgroundColor")) >= 7
        backgrounds.append(background)
    light, dark = backgrounds
    assert light > 0.8 > 0.1 > dark


def test_a_prevalence_is_asked_for_and_moves_no_verdict(bare: Page, films: list[Path]) -> None:
    page = bare
    resize(page, TELEPHONE)
    upload(page, films[0])
    settle(page)
    verdict = page.locator(".pl-verdict").inner_text()
    zone = page.locator(".pl-zone").bounding_box()
    page.get_by_label("Share of PNEUMONIA where the films come from, %").fill("1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("films of which 1.0 % are PNEUMONIA (by prior-shift correction")).to_be_visible()
    settle(page)
    moved = page.locator(".pl-zone").bounding_box()
    assert zone is not None
    assert moved is not None
    assert moved["x"] < zone["x"]
    assert page.locator(".pl-verdict").inner_text() == verdict
    expect(page.get_by_role("img", name="Synthetic film")).to_have_count(3)
    assert sideways(page) == 0


def test_the_drop_zone_comes_first_and_samples_are_pictures_that_are_judged_on_a_click(bare: Page) -> None:
    page = bare
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


def test_the_keyboard_is_enough(bare: Page) -> None:
    page = bare
    name = sample("normal", ".jpeg").name
    tab_to(page, thumbnail(page, name))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("slider")).to_be_visible()
    settle(page)
    tab_to(page, page.get_by_role("button", name="Download CSV"))
    tab_to(page, page.get_by_role("slider"))
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("img", name="at 35 % opacity")).to_be_visible()
    tab_to(page, page.get_by_role("link", name="About"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="About PneumoLens")).to_be_visible()


def test_a_card_fits_one_screen(visited: Page, tmp_path: Path) -> None:
    assert_cards_fit(visited, sample("normal", ".jpeg"), tmp_path)


def test_the_screenshot_of_the_readme(bare: Page, tmp_path: Path) -> None:
    page = bare
    resize(page, {**WIDE, "height": 1160})
    thumbnail(page, sample("pneumonia", ".jpeg").name).click()
    expect(page.get_by_role("img", name="Chest radiograph")).to_be_visible()
    settle(page)
    wanted = os.environ.get(SCREENSHOT_VARIABLE)
    target = ROOT / "docs/screenshot.png" if wanted else tmp_path / "screenshot.png"
    page.screenshot(path=target, animations="disabled")
    assert target.stat().st_size > 50_000
