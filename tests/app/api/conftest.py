"""The API alone on a real server, and a client that any program could be."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import requests
import uvicorn
from starlette.applications import Starlette

from app.api.routes import Settings, api_routes
from app.serving.served_bundle import read_served_bundle
from app.serving.serving import Served
from models.predictor import Predictor

Load = Callable[[], Served]
ELSEWHERE = {"X-Forwarded-For": "203.0.113.5"}
"""What a proxy on this machine says of a client on another."""


class Client:
    """A program that asks one server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # 127.0.0.1 is reached through no proxy

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, f"{self.url}{path}", timeout=60, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.ask("GET", path, **options)

    def predict(self, files: Mapping[str, bytes] | Sequence[tuple[str, bytes]], **options: Any) -> requests.Response:
        pairs = files.items() if isinstance(files, Mapping) else files
        form = [("files", (name, content)) for name, content in pairs]
        return self.ask("POST", "/api/v1/predict", files=form, **options)

    def close(self) -> None:
        self._session.close()


StartApi = Callable[..., AbstractContextManager[Client]]


@pytest.fixture(scope="session")
def start_api() -> StartApi:
    """Serve the API, with a model and settings, on a port of this machine."""

    @contextmanager
    def start(load: Load, settings: Settings) -> Iterator[Client]:
        application = Starlette(routes=api_routes(load, settings))
        config = uvicorn.Config(application, port=0, ws="none", lifespan="off", log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        client = Client(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
        try:
            yield client
        finally:
            client.close()
            server.should_exit = True
            thread.join(30)

    return start


@pytest.fixture(scope="session")
def load(predictor: Predictor) -> Load:
    """The shipped bundle, loaded."""
    loaded: Future[Predictor] = Future()
    loaded.set_result(predictor)
    served = Served(read_served_bundle(predictor.bundle), loaded)
    return lambda: served


@pytest.fixture(scope="session")
def api(start_api: StartApi, load: Load) -> Iterator[Client]:
    """An API without tokens."""
    with start_api(load, Settings()) as client:
        yield client
