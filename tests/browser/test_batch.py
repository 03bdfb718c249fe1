"""A batch outlives its tab and its server, in a real browser."""

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from app.audit.log import AUDIT_VARIABLE
from app.audit.verify import verify_log
from app.batch.job import find_jobs
from app.batch.places import SPOOL_VARIABLE
from app.server_folders import FOLDERS_VARIABLE
from tests.browser.conftest import OpenPage
from tests.browser.steps import choose_first, contrast, luminance, sample, settle, sideways
from tests.conftest import StartServer

FILMS = 40


def write_films(folder: Path) -> None:
    """Films that differ by a grey value."""
    pixels = np.asarray(Image.open(sample("normal", ".jpeg")).convert("L").resize((300, 260)))
    for number in range(FILMS):
        Image.fromarray(np.maximum(pixels, number)).save(folder / f"{number:02}.png")


def batch_page(page: Page) -> Page:
    page.get_by_role("link", name="Batch").click()
    expect(page.get_by_role("heading", name="Judge many films")).to_be_visible()
    return page


def test_a_batch_goes_on_when_the_tab_was_closed_and_the_server_killed(
    open_page: OpenPage, start_server: StartServer, tmp_path: Path
) -> None:
    films, spool, log = (tmp_path / name for name in ("films", "batches", "audit.jsonl"))
    films.mkdir()
    write_films(films)
    environment = {FOLDERS_VARIABLE: str(films), SPOOL_VARIABLE: str(spool), AUDIT_VARIABLE: str(log)}
    with start_server(environment=environment) as server:
        page = batch_page(open_page(server.url))
        page.get_by_role("tab", name="A folder on the server").click()
        page.get_by_role("button", name="Judge this folder").click()
        expect(page.get_by_role("button", name="Cancel")).to_be_visible()
        page.close()
        [job] = find_jobs(spool)
        server.process.kill()
        server.process.wait(10)
    done, _ = job.counts()
    assert done < FILMS, "it was done before the server was killed"

    with start_server(environment=environment) as server:
        page = batch_page(open_page(server.url, width=390, height=844, scheme="dark"))
        expect(
            page.get_by_text(f"The server ended while this batch was judged. {done} of {FILMS} files are")
        ).to_be_visible()
        assert contrast(luminance(page, ".stAlert p", "color"), luminance(page, ".stApp", "backgroundColor")) >= 4.5
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_text(f"All {FILMS} files are judged.")).to_be_visible()
        settle(page)
        assert sideways(page) == 0
        with page.expect_download() as download:
            page.get_by_role("button", name="Download CSV").click()
        rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
        settle(page)
        choose_first(page, "Look at a film of this page")
        with page.expect_download() as download:
            page.get_by_role("button", name="Report of this study as PDF").click()
        assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
        page.close()
        assert "Traceback" not in server.log.read_text()
    assert [row["file"] for row in rows] == [f"{number:02}.png" for number in range(FILMS)]
    assert verify_log(log).faults == ()
    assert verify_log(log).lines >= FILMS
