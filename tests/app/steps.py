"""What a visitor does on the pages without a browser, and what is to be seen there."""

import time
from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from app.serving.serving import Serving
from models.bundle import load_bundle
from models.registry.promotion import promote

PATIENCE = 60  # seconds


def html(app: AppTest) -> str:
    """All that the page draws as HTML."""
    return "\n".join(element.value for element in app.get("html"))


def pictures(app: AppTest) -> list[str]:
    """The addresses of the films; an address changes with the picture."""
    return [url for element in app.get("image") for url in element.value]


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value([(name, content, "") for name, content in files])
    return app.run()


def take(name: str) -> None:
    """Promote a bundle."""
    promote(load_bundle(name), reason="a test", by="a tester")


def wait_until(met: Callable[[], object]) -> None:
    """Wait for what happens in another thread."""
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def serves(live: Serving, name: str) -> Callable[[], bool]:
    """Whether a bundle of this name is served now."""
    return lambda: live.now.bundle.bundle.spec.name == name
