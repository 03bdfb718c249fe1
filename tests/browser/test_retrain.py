"""A bundle is retrained in a real browser, whose tab is closed meanwhile; it is promoted, judges, and is rolled back."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.jobs.retraining import JOBS_VARIABLE
from app.server_folders import FOLDERS_VARIABLE
from app.words.language import _, speaking
from benchmarks.films import picture
from data_samples.writing import write_sample
from models.bundle import BUNDLES_VARIABLE
from models.jobs.store import JobStore
from tests.browser.conftest import PATIENCE, OpenPage
from tests.browser.steps import sample, settle, upload
from tests.conftest import Server, StartServer

LANGUAGES = os.environ.get(
    "PNEUMOLENS_BROWSER_LANGUAGES", "en"
).split()  # en ko: once in each, which takes twice the time
PATIENTS = 10  # of each class


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small film of each of some patients."""
    root = tmp_path_factory.mktemp("films")
    for number in range(PATIENTS):
        for label, name, shown in (
            ("NORMAL", f"IM-{number:04}-0001.jpeg", 4 * number),
            ("PNEUMONIA", f"person{number}_virus_1.jpeg", 4 * number + 3),
        ):
            (root / label).mkdir(exist_ok=True)
            write_sample(root / label / name, picture(shown))
    return root


@pytest.fixture
def retraining(start_server: StartServer, films: Path, tmp_path: Path) -> Iterator[Server]:
    """A server that may read these films."""
    environment = {BUNDLES_VARIABLE: str(tmp_path / "bundles"), JOBS_VARIABLE: str(tmp_path / "jobs"),
                   FOLDERS_VARIABLE: str(films)}  # fmt: skip
    with start_server(environment=environment) as running:
        yield running


def enter(open_page: OpenPage, server: Server, language: str) -> Page:
    """A new tab with the app in a language."""
    page = open_page(f"{server.url}/?lang={language}")
    settle(page)
    return page


def go_to(page: Page, title: str) -> None:
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    settle(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_retrain_come_back_promote_predict_and_roll_back(
    retraining: Server, open_page: OpenPage, language: str, tmp_path: Path
) -> None:
    with speaking(language):
        page = enter(open_page, retraining, language)
        start_training(page)
        page.get_by_role("button", name=_("Stop"), exact=True).wait_for()
        page.close()
        await_end(JobStore(tmp_path / "jobs"))

        page = enter(open_page, retraining, language)
        go_to(page, _("Retrain"))
        expect(page.get_by_role("heading", name=_("{name}, just trained", name="mine"))).to_be_visible()
        expect(page.get_by_role("heading", name=_("What is in {folder}", folder=""))).to_have_count(1)
        promote(page)

        go_to(page, _("Screen"))
        upload(page, sample("pneumonia", ".jpeg"))
        expect(page.get_by_role("status")).to_contain_text("mine")

        go_to(page, _("Retrain"))
        page.get_by_label(_("Reason, for the history")).last.fill("a test")
        page.get_by_role("button", name=_("Roll back to {name}", name="default")).click()
        expect_current(page, "default")
        go_to(page, _("Model"))
        expect(page.locator(".pl-facts dd", has_text="default").first).to_be_visible()


def start_training(page: Page) -> None:
    """Look at the folder, and train on it as quickly as can be."""
    go_to(page, _("Retrain"))
    page.get_by_role("button", name=_("Look at this folder")).click()
    expect(page.get_by_role("cell", name="PNEUMONIA")).to_be_visible()
    page.get_by_text(_("More options")).click()
    page.get_by_label(_("Augmented views of each film")).fill("0")
    page.get_by_text(_("Try some ten heads and take the best, in place of the usual one")).click()
    page.get_by_role("button", name=_("Start training")).click()


def await_end(store: JobStore) -> None:
    """Nobody looks on meanwhile: what has ended is there for whoever comes back."""
    deadline = time.monotonic() + PATIENCE / 1000
    while (job := store.latest()) is None or job.is_open:
        assert time.monotonic() < deadline, "the training does not end"
        time.sleep(0.2)


def promote(page: Page) -> None:
    """Whether it is better or worse."""
    page.get_by_label(_("Reason, for the history")).first.fill("a test")
    worse = page.get_by_label(_("It is worse. To promote it all the same, type its name: {name}", name="mine"))
    if worse.count():
        worse.fill("mine")
    page.get_by_role("button", name=_("Promote {name}", name="mine")).click()
    expect_current(page, "mine")


def expect_current(page: Page, name: str) -> None:
    said = _("{name} is the current bundle now. Servers take it within seconds.", name=name)
    expect(page.get_by_text(said)).to_be_visible()
