"""What Streamlit keeps for us: for all visitors the bundle and the model, for each visitor the films on the page."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import streamlit as st

from app.audit.entry import LOCAL_USER, audit_entry
from app.audit.log import AuditError, configured_log
from app.batch.runner import BatchRunner
from app.patients import patient_groups
from app.references import Reference, read_references
from app.screening import MAX_FILES, Readings, Screened
from app.serving.serving import BUNDLE_VARIABLE, ENGINE_VARIABLE, Serving
from app.visitor import current_user
from app.words.language import _
from app.words.wording import coded
from models.backbones.weights import WeightsError
from models.bundle import BundleError
from models.devices.device import DeviceError
from models.group import GroupComparison
from models.prediction import Prediction
from models.predictor import Predictor


@dataclass
class Desk:
    """The films that a visitor has on the page, in the order in which they came.

    Attributes:
        results: by the key of the upload or sample.
        readings: by content, so that a film that comes again is not judged again.
        offered: keys of the files that the uploader held last time.
        batch: number of the uploader; a new one is empty.
        page: which page of cards is shown, from 0.
        compared: the bundle and the keys of the films that were compared as a group, and what came of it.
    """

    results: dict[str, Screened] = field(default_factory=dict)
    readings: Readings = field(default_factory=Readings)
    offered: set[str] = field(default_factory=set)
    batch: int = 0
    page: int = 0
    compared: tuple[tuple[str, ...], GroupComparison | None] = ((), None)

    def compare(self, predictor: Predictor) -> GroupComparison | None:
        """Whether the films as a group differ from the training films; compared anew only when films come or go."""
        films = predictor.bundle.sha256, *self.results
        if self.compared[0] != films:
            judged = [result.outcome for result in self.results.values() if result.judged_by(predictor.bundle)]
            judged = [outcome for outcome in judged if isinstance(outcome, Prediction)]
            self.compared = films, predictor.compare_group(judged)
        return self.compared[1]

    @property
    def uploader(self) -> str:
        """The key of the uploader."""
        return f"uploader_{self.batch}"

    def follow_uploader(self, offered: Iterable[str], *, mounted: bool) -> None:
        """Take away what the visitor took out of the uploader; `mounted` is false where it starts anew and empty."""
        now = set(offered)
        for key in (self.offered - now) if mounted else ():
            self.results.pop(key, None)
        self.offered = now

    def room(self) -> int:
        """How many more files the desk takes."""
        return MAX_FILES - len(self.results)

    def clear(self) -> None:
        """Take all films away; the readings stay, so that coming again they are there at once."""
        self.results.clear()
        self.offered.clear()
        self.batch += 1
        self.page = 0

    def shown(self, size: int) -> Sequence[tuple[str, Screened]]:
        """The results of the current page of `size` cards, films of one patient after each other; the page moves back where it
        has none left.
        """
        self.page = max(0, min(self.page, (len(self.results) - 1) // size))
        items = list(self.results.items())
        ordered = [items[place] for group in patient_groups(list(self.results.values())) for place in group]
        return ordered[self.page * size : (self.page + 1) * size]


def desk() -> Desk:
    """This visitor's desk."""
    if "desk" not in st.session_state:
        st.session_state.desk = Desk()
    found: Desk = st.session_state.desk
    return found


@st.cache_resource(show_spinner=False, on_release=Serving.close)
def serving() -> Serving:
    """What this server serves; whoever asks first starts the loading of the model."""
    return Serving(os.environ.get(BUNDLE_VARIABLE) or None, engine=os.environ.get(ENGINE_VARIABLE, "auto"))


def require_bundle() -> None:
    """End the page with a sentence where no bundle can be served."""
    try:
        serving()
    except (BundleError, OSError) as error:
        st.error(_("No film can be judged. {reason}", reason=error))
        st.stop()


@st.cache_resource(show_spinner=False)
def batch_runner() -> BatchRunner:
    """The one thread that judges batches on this server."""
    return BatchRunner(lambda: serving().now.loading)


def user_name() -> str:
    """What the audit log calls this visitor: as the identity provider does, or `LOCAL_USER` where nobody signed in."""
    return current_user() or LOCAL_USER


def record(predictor: Predictor, result: Screened) -> bool:
    """Put a result into the audit log, where there is one, before it is shown; False, with a sentence, where that fails."""
    if (log := configured_log()) is None:
        return True
    try:
        log.append([audit_entry(predictor, result.sha256, result.outcome, door="page", user=user_name())])
    except AuditError as error:
        st.error(coded(error.sentence, error.code), icon=":material/lock:")
        return False
    return True


def wait_for(loading: "Future[Predictor]") -> Predictor:
    """The model, once it is there; the page ends with a sentence where it cannot be loaded."""
    try:
        return loading.result()
    except (BundleError, WeightsError, DeviceError) as error:
        st.error(_("The model cannot be loaded. {reason}", reason=error))
        st.stop()


@st.cache_resource(show_spinner=False, max_entries=2, hash_funcs={Predictor: lambda predictor: predictor.bundle.sha256})
def reference_films(predictor: Predictor) -> list[Reference]:
    """The synthetic samples as the served bundle sees them."""
    return read_references(predictor)
