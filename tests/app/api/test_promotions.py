"""Programs that ask while bundles are promoted."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

from app.api.routes import Settings
from app.serving.serving import Serving
from models.bundle import HEAD_FILE, load_bundle
from tests.app.api.conftest import StartApi
from tests.app.conftest import MakeFilm
from tests.app.steps import serves, take, wait_until
from tests.bundles import CLASSES, TWO

PROMOTIONS = 3  # many more: python -m benchmarks.promotions


def test_promotions_under_load_fail_and_mix_no_answer(live: Serving, start_api: StartApi, make_film: MakeFilm) -> None:
    film, labels, over = make_film(), {"two": TWO, "three": CLASSES}, Event()
    sha256 = {name: load_bundle(name).sha256 for name in labels}

    with start_api(lambda: live.now, Settings(rate=100_000)) as client, ThreadPoolExecutor(2) as clients:

        def ask() -> list[Any]:
            answers = []
            while not over.is_set():
                answers.append(client.predict([("a.png", film), ("b.png", film)]))
            return answers

        asking = [clients.submit(ask) for _ in range(2)]
        try:
            for number in range(PROMOTIONS):
                name = ("three", "two")[number % 2]
                take(name)
                wait_until(serves(live, name))
        finally:
            over.set()
        answers = [answer for one in asking for answer in one.result()]
    assert {answer.status_code for answer in answers} == {200}
    said: dict[str, set[str]] = {name: set() for name in labels}
    for answer in (answer.json() for answer in answers):
        bundle = answer["bundle"]
        assert bundle["sha256"] == sha256[bundle["name"]]
        for one in answer["files"]:
            assert tuple(one["prediction"]["probabilities"]) == labels[bundle["name"]]
            said[bundle["name"]].add(str(one["prediction"]["probabilities"]))
    assert [len(numbers) for numbers in said.values()] == [1, 1]


def test_a_bundle_that_is_damaged_while_it_is_served_goes_on_and_is_told(
    live: Serving, root: Path, start_api: StartApi
) -> None:
    shutil.copytree(root / "two", root / "aside")
    (root / "two" / HEAD_FILE).write_bytes(b"")
    wait_until(lambda: live.now.warning)
    with start_api(lambda: live.now, Settings()) as client:
        health = client.get("/api/v1/health").json()
        assert health["status"] == "ok"
        assert "from memory" in health["warning"]
        shutil.copy(root / "aside" / HEAD_FILE, root / "two" / HEAD_FILE)
        os.utime(root / "two" / HEAD_FILE, (0, 0))  # as where the clock was set back
        wait_until(lambda: not live.now.warning)
        assert client.get("/api/v1/health").json()["warning"] is None
