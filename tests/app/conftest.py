"""Bundles and films for the pages."""

import io
import sys
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner import script_runner
from streamlit.testing.v1 import AppTest

from app.samples import read_sample, sample_names
from app.serving import serving as app_serving
from app.serving.serving import Serving
from app.session import serving
from models.bundle import BUNDLES_VARIABLE, Bundle, BundleSpec, load_bundle
from models.films.radiograph import read_radiograph
from models.gate import GateThresholds
from models.predictor import Predictor
from models.registry.proof import prove_bundle
from tests.bundles import CLASSES, TWO, write_bundle

MakeFilm = Callable[..., bytes]
OpenApp = Callable[..., AppTest]

MAIN = Path(__file__).parents[2] / "app/main.py"


@pytest.fixture(scope="session", autouse=True)
def _packages_are_searched_once() -> Iterator[None]:
    """Each AppTest looks through all installed packages for components of Streamlit's; they stay what they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session", autouse=True)
def _keras_is_left_alone() -> Iterator[None]:
    """After each run of a page, Streamlit clears Keras' state where Keras is loaded, as it is here and in no server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script_runner, "_clean_problem_modules", lambda: None)
        yield


@pytest.fixture(autouse=True)
def _promotions_are_seen_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server looks for them once a second; a test need not wait for that."""
    monkeypatch.setattr(app_serving, "LOOK_SECONDS", 0.05)


@pytest.fixture(autouse=True)
def _main_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest puts the script in the place of `__main__`, and a process that a later test starts would run it, too."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(scope="session")
def prove_once() -> Callable[..., Predictor]:
    """Load and prove a bundle as a server does, and take the same networks for one of the same content elsewhere."""
    known: dict[tuple[str, str], Predictor] = {}

    def prove(bundle: Bundle, *, engine: str = "auto") -> Predictor:
        key = bundle.sha256, engine
        if key not in known:
            known[key] = prove_bundle(bundle, engine=engine)
        predictor = copy(known[key])
        predictor.bundle = bundle
        return predictor

    return prove


@pytest.fixture(scope="session")
def predictor(prove_once: Callable[..., Predictor]) -> Predictor:
    """The shipped bundle, loaded."""
    return prove_once(load_bundle())


@pytest.fixture
def open_app(prove_once: Callable[..., Predictor], monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenApp]:
    """Open the app as a visitor would, with a browser of a language; what the server keeps of a bundle starts anew each time,
    but for the networks: each page asks them, and how they are loaded is no page's matter.
    """
    monkeypatch.setattr(app_serving, "prove_bundle", prove_once)

    def start(*, language: str = "en-GB") -> AppTest:
        serving.clear()
        app = AppTest.from_file(MAIN, default_timeout=120)
        app.context = {"locale": language}
        return app.run()

    yield start
    serving.clear()


@pytest.fixture
def make_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BundleSpec]:
    """Make a bundle of three classes and no positive one, of a field, with or without a gate, the current one."""

    def make(
        gate: GateThresholds | None = None, *, field: str = "film", report: Mapping[str, object] | None = None
    ) -> BundleSpec:
        monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path))
        return write_bundle(tmp_path, gate=gate, field=field, report=report)

    return make


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`two`, the current one, and `three`."""
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path))
    for labels in (CLASSES, TWO):
        write_bundle(tmp_path, labels=labels)
    return tmp_path


@pytest.fixture
def live(root: Path) -> Iterator[Serving]:
    """A server's model, loaded, that follows the registry."""
    served = Serving()
    served.now.loading.result()
    yield served
    served.close()


@pytest.fixture(scope="session")
def make_film() -> MakeFilm:
    """Take the synthetic films in turn, as PNG and at any width; the same number is the same film."""

    @cache
    def decoded(name: str) -> NDArray[np.uint8]:
        return read_radiograph(read_sample(name)).pixels

    def make(number: int = 0, *, width: int = 300) -> bytes:
        pixels = decoded(sample_names()[number])
        film = Image.fromarray(pixels).resize((width, round(width * pixels.shape[0] / pixels.shape[1])))
        stream = io.BytesIO()
        film.save(stream, "PNG")
        return stream.getvalue()

    return make
