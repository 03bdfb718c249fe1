"""Many who ask at once: programs at the API, browsers at the page.

    python -m benchmarks.clients --json benchmarks/results/clients.json

First one program sends 500 different films, one after the other, and then twenty send 25 of them each, at once; then eight
windows of a headless Chromium upload six films each, at once. An answer is mixed where it is not what the same film got alone:
digest, verdict, or a probability by more than 1e-6; on the page, where a card does not show the name and the probability that
belong together. A lone film keeps all cores busy, so twenty callers cannot be served in less than the processor's time for
twenty films divided among the cores: that, in lone medians, is `floor_ratio`, the clients' own time not counted. Two minutes.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright
from rich.console import Console

from app.api.rate import RATE_VARIABLE
from app.words.wording import percent
from benchmarks.films import mixed_folder
from benchmarks.measuring import run_benchmark
from benchmarks.serving import chromium_path, running_app

CLIENTS: Final = 20
FILMS_OF_A_CLIENT: Final = 25
BROWSERS: Final = 8
FILMS_OF_A_BROWSER: Final = 6  # as many cards as a page shows
TOLERANCE: Final = 1e-6
_SIDE: Final = 512
_PATIENCE: Final = 300  # seconds
_TICK: Final = os.sysconf("SC_CLK_TCK")


class Answer(NamedTuple):
    """What one upload got, and how long it took."""

    status: int
    seconds: float
    film: dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    return run_benchmark("clients", __doc__, measure, arguments)


def measure(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Waiting, failures and mix-ups at the API and on the page of one server."""
    share = FILMS_OF_A_CLIENT // 5 if options.quick else FILMS_OF_A_CLIENT
    films = sorted(mixed_folder(-(-CLIENTS * share // 3), _SIDE).iterdir())[: CLIENTS * share]
    with running_app({RATE_VARIABLE: "1000000"}) as (address, process):
        with console.status("One program, then twenty …"):
            alone, programs = at_the_api(address, process, films)
        with console.status("Eight browsers …"):
            browsers = on_the_page(address, films, alone)
    console.print(found := {**programs, **browsers})
    return found


def at_the_api(address: str, process: int, films: Sequence[Path]) -> tuple[list[Answer], dict[str, Any]]:
    """What each film got alone; and what all of them got and cost, twenty programs at once."""
    ask(address, films[:5])
    alone = ask(address, films)
    before, started = _processor_seconds(process), time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        shares = pool.map(lambda client: ask(address, films[client::CLIENTS]), range(CLIENTS))
        together = _in_order(list(shares))
    seconds = time.perf_counter() - started
    processor_ms = 1000 * (_processor_seconds(process) - before) / len(films)
    lone, p95 = (statistics.median(one.seconds for one in alone), np.quantile([one.seconds for one in together], 0.95))
    return alone, {
        "uploads": len(films),
        "clients": CLIENTS,
        "films_per_second": len(films) / seconds,
        "lone_median_ms": 1000 * lone,
        "clients_p95_ms": 1000 * p95,
        "p95_ratio": p95 / lone,
        "processor_ms_a_film": processor_ms,
        "floor_ratio": CLIENTS * processor_ms / (os.cpu_count() or 1) / (1000 * lone),
        "server_errors": sum(one.status >= 500 for one in together),
        "not_answered": sum(one.status != 200 for one in together),
        "mixed_answers": sum(not _alike(*pair) for pair in zip(alone, together, strict=True)),
    }


def ask(address: str, films: Sequence[Path]) -> list[Answer]:
    """Send films one by one."""
    answers = []
    with requests.Session() as session:
        session.trust_env = False  # 127.0.0.1 is reached through no proxy
        for film in films:
            form = [("files", (film.name, film.read_bytes()))]
            started = time.perf_counter()
            response = session.post(f"{address}/api/v1/predict", files=form, timeout=_PATIENCE)
            seconds = time.perf_counter() - started
            answers.append(Answer(response.status_code, seconds, response.json().get("files", [{}])[0]))
    return answers


def _in_order(shares: Sequence[Sequence[Answer]]) -> list[Answer]:
    """The clients' answers in the order of the films, which they had taken in turn."""
    return [share[place] for place in range(len(shares[0])) for share in shares]


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _alike(alone: Answer, found: Answer) -> bool:
    """Whether a film got what it had got alone."""
    one, other = alone.film, found.film
    if (one["file"], one["sha256"], one["refusal"]) != (other.get("file"), other.get("sha256"), other.get("refusal")):
        return False
    if one["refusal"]:
        return True
    one, other = one["prediction"], other["prediction"]
    apart = [abs(one["probabilities"][label] - other["probabilities"][label]) for label in one["probabilities"]]
    return one["verdict"] == other["verdict"] and max(apart) <= TOLERANCE


def on_the_page(address: str, films: Sequence[Path], alone: Sequence[Answer]) -> dict[str, Any]:
    """Cards that windows show which all upload at once, and those among them that are not as they should be."""
    judged = [
        (film, answer.film["prediction"])
        for film, answer in zip(films, alone, strict=True)
        if answer.film["prediction"]
    ]
    errors: list[int] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox", "--disable-gpu"])
        pages = [_open(browser, address, errors) for _ in range(BROWSERS)]
        shares = [judged[start::BROWSERS][:FILMS_OF_A_BROWSER] for start in range(BROWSERS)]
        started = time.perf_counter()
        for page, share in zip(pages, shares, strict=True):
            page.locator("input[type=file]").set_input_files([film for film, _ in share])
        cards = [_cards(page, len(share)) for page, share in zip(pages, shares, strict=True)]
        seconds = time.perf_counter() - started
        browser.close()
    expected = [
        {film.name: percent(said["probabilities"][said["positive"]]) for film, said in share} for share in shares
    ]
    return {
        "browsers": BROWSERS,
        "cards": sum(map(len, expected)),
        "cards_seconds": seconds,
        "cards_mixed": sum(found != wanted for found, wanted in zip(cards, expected, strict=True)),
        "page_server_errors": len(errors),
    }


def _open(browser: Browser, address: str, errors: list[int]) -> Page:
    """A visitor's window, with the page drawn and the model there; the server's errors are noted."""
    page = browser.new_context(locale="en-GB").new_page()
    page.set_default_timeout(1000 * _PATIENCE)
    page.on("response", lambda response: errors.append(response.status) if response.status >= 500 else None)
    page.goto(address)
    page.get_by_text("Model ready").wait_for()
    return page


def _cards(page: Page, count: int) -> dict[str, str]:
    """The name of each card's film, and the probability that stands under it."""
    expect(page.locator(".pl-probability strong")).to_have_count(count, timeout=1000 * _PATIENCE)
    names, shown = (page.locator(kind).all_inner_texts() for kind in (".pl-file", ".pl-probability strong"))
    return dict(zip(names, shown, strict=True))


if __name__ == "__main__":
    sys.exit(main())
