"""What one server process holds for all its visitors: a verified bundle with its model, and what follows the registry."""

import gc
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Thread
from typing import Final, NamedTuple, TypeVar

from app.serving.served_bundle import ServedBundle, read_served_bundle
from models.backbones.weights import WeightsError
from models.bundle import Bundle, BundleError, current_bundle, find_bundle_folder, load_bundle
from models.devices.device import DeviceReport
from models.engines.load import engine_device
from models.predictor import Predictor
from models.registry.proof import prove_bundle
from models.registry.tables import short_digest
from models.system.process import trim_memory
from models.system.sentence import Sentence

BUNDLE_VARIABLE: Final = "PNEUMOLENS_BUNDLE"
"""Environment variable: the name of the bundle that is served, whatever is promoted; unset, the current one."""

ENGINE_VARIABLE: Final = "PNEUMOLENS_ENGINE"
"""Environment variable: what runs the backbone, one of `models.engines.load.ENGINES`; unset, "auto"."""

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
"""Addresses at which a server hears its own machine alone."""

LOOK_SECONDS: Final = 1.0
"""How often a server looks whether another bundle was made the current one."""

T = TypeVar("T")


class Served(NamedTuple):
    """What is served at one moment. Whoever took it goes on with it, whatever is promoted meanwhile.

    Attributes:
        bundle: the bundle with what is shown of it.
        loading: its model, loading or loaded.
        warning: why the current bundle is not the one that is served, or could not be loaded again, in sentences; empty where
            all is well.
    """

    bundle: ServedBundle
    loading: "Future[Predictor]"
    warning: str = ""


class Serving:
    """Serves the current bundle, or one by its name, until it is closed.

    A bundle that is made the current one is loaded and proven beside the one that is served, and takes its place when it can
    judge. What is being judged then ends with the model that it began with, which goes when nobody needs it.
    """

    def __init__(self, name: str | None = None, *, engine: str = "auto") -> None:
        """`name`: keep to the bundle of this name; None: the current one. Raises BundleError where it cannot be used."""
        self._name = name
        self._engine = engine
        self._seen = _state(name)
        bundle = load_bundle(name)
        self._now = Served(read_served_bundle(bundle), _in_a_thread(lambda: prove_bundle(bundle, engine=engine)))
        self._closed = Event()
        Thread(target=self._watch, name="registry", daemon=True).start()

    @property
    def now(self) -> Served:
        """What is served; ask once for each piece of work, and keep the answer only as long as that takes."""
        return self._now

    @property
    def fixed(self) -> bool:
        """Whether it keeps to a bundle by its name."""
        return self._name is not None

    def close(self) -> None:
        """Follow the registry no longer."""
        self._closed.set()

    def look(self) -> None:
        """Serve another bundle where it was made the current one; where it cannot judge, what is served stays."""
        state = _state(self._name)
        if state == self._seen:
            return
        self._seen = state
        served = self._now.bundle.bundle
        try:
            wanted = load_bundle(self._name)
            another = read_served_bundle(wanted)
        except (BundleError, OSError) as error:
            self._warn(Sentence("{bundle} goes on serving from memory. {error}", bundle=served.spec.name, error=error))
            return
        if wanted.sha256 == served.sha256 and not self._has_failed():
            self._now = self._now._replace(warning="")
        elif self.fixed:
            self._warn(
                Sentence(
                    "The files of {bundle} were replaced since the app was started. It goes on with those of then; to take the "
                    "new ones, start the app again.",
                    bundle=served.spec.name,
                )
            )
        else:
            self._take(another)

    def _watch(self) -> None:
        while not self._closed.wait(LOOK_SECONDS):
            self.look()

    def _has_failed(self) -> bool:
        loading = self._now.loading
        return loading.done() and loading.exception() is not None

    def _take(self, another: ServedBundle) -> None:
        """Load and prove a bundle, then serve it."""
        wanted, served = another.bundle, self._now.bundle.bundle
        loading = _in_a_thread(lambda: prove_bundle(wanted, engine=self._engine))
        if error := loading.exception():
            sentence = Sentence(
                "{wanted} is the current bundle, but cannot judge: {error} {served} goes on serving.",
                wanted=_named(wanted),
                error=error,
                served=_named(served),
            )
            self._warn(sentence, None if isinstance(error, BundleError | WeightsError | OSError) else error)
            return
        self._now = Served(another, loading)
        _log().warning("%s serves now, after %s", _named(wanted), _named(served))
        gc.collect()
        trim_memory()

    def _warn(self, sentence: Sentence, unforeseen: BaseException | None = None) -> None:
        _log().error(sentence, exc_info=unforeseen)
        self._now = self._now._replace(warning=sentence)


def _state(name: str | None) -> tuple[object, ...]:
    """What differs when another bundle was made the current one, or a file of it has changed; it reads next to nothing.

    It is held against an earlier one for equality alone, so that a clock that was set back does no harm.
    """
    try:
        folder = find_bundle_folder(name or current_bundle())
        with os.scandir(folder) as files:
            found = sorted((file.name, file.stat(follow_symlinks=False)) for file in files)
    except (BundleError, OSError) as error:
        return (str(error),)
    return folder, *((file, about.st_ino, about.st_size, about.st_mtime_ns) for file, about in found)


def _in_a_thread(work: Callable[[], T]) -> "Future[T]":
    """Do it in a thread of its own, so that pages are served meanwhile; what goes wrong comes with the result."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="model")
    result = thread.submit(work)
    thread.shutdown(wait=False)
    return result


def _named(bundle: Bundle) -> str:
    return f"{bundle.spec.name} ({short_digest(bundle.sha256)})"


def served_device() -> DeviceReport:
    """What the model runs on; examined once, when the server starts."""
    return engine_device(os.environ.get(ENGINE_VARIABLE, "auto"))


def _log() -> logging.Logger:
    return logging.getLogger("pneumolens")
