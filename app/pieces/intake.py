"""The intake of the Screen page: drop zone, samples, judging what waits, and the model's status."""

from collections.abc import Sequence
from concurrent.futures import Future

import streamlit as st

from app import drawing
from app.samples import read_sample, sample_label, sample_names, sample_thumbnail
from app.screening import MAX_FILES, screen
from app.session import desk, record, serving, wait_for
from app.words.language import _, ngettext
from models.films.radiograph import MAX_BYTES
from models.predictor import Predictor

POLL_SECONDS = 0.5

Waiting = Sequence[tuple[str, str, bytes]]
"""Key, name and content of files that were not judged yet."""


def offer_uploader() -> Waiting:
    """The drop zone; returns what was not judged yet."""
    mounted = desk().uploader in st.session_state
    files = st.file_uploader(
        _("Radiographs: JPEG, PNG, TIFF, BMP, WebP or DICOM, with or without a suffix. Nothing leaves this server."),
        accept_multiple_files=True,
        key=desk().uploader,
        max_upload_size=MAX_BYTES // 2**20,
    )
    desk().follow_uploader((file.file_id for file in files), mounted=mounted)
    return [(file.file_id, file.name, file.getvalue()) for file in files if file.file_id not in desk().results]


def offer_samples() -> Waiting:
    """A thumbnail to click for each synthetic sample; returns the one that was asked for."""
    names = sample_names()
    if not names:
        return []
    with st.container(key="samples", gap="small"):
        st.markdown(_("No film at hand? Try a synthetic one:"))
        with st.container(horizontal=True, gap="small", key="thumbnails"):
            asked = [name for number, name in enumerate(names, start=1) if _thumbnail_button(number, name)]
    return [(f"sample:{name}", name, read_sample(name)) for name in asked if f"sample:{name}" not in desk().results]


def _thumbnail_button(number: int, name: str) -> bool:
    """A button that is a picture; for who does not see it, it has a name."""
    picture = drawing.data_address(sample_thumbnail(name), "image/jpeg")
    alt = _("Synthetic sample {number},", number=number)
    return st.button(f"![{alt}]({picture}) {sample_label(name)}", key=f"sample_{name}", type="tertiary")


def take_in(waiting: Waiting, loading: "Future[Predictor]") -> None:
    """Judge what waits; each result is kept at once, so that a file that comes meanwhile undoes nothing."""
    accepted = waiting[: max(0, desk().room())]
    if accepted:
        bar = st.progress(0.0, text=_("Judging …") if loading.done() else _("Loading the model …"))
        predictor = wait_for(loading)
        for done, (key, name, content) in enumerate(accepted):
            text = _("Judging film {number} of {total} …", number=done + 1, total=len(accepted))
            bar.progress(done / len(accepted), text=text)
            known = desk().readings.find(name, content, predictor.bundle)
            result = known or screen(predictor, name, content)
            if not record(predictor, result):
                break
            desk().readings.keep(result)
            desk().results[key] = result
        bar.empty()
    if left_out := len(waiting) - len(accepted):
        st.warning(
            ngettext(
                "{count} more file was not judged: this page holds {most} at a time. Clear some, or judge whole folders with "
                "`python -m models predict`.",
                "{count} more files were not judged: this page holds {most} at a time. Clear some, or judge whole folders with "
                "`python -m models predict`.",
                left_out,
                most=MAX_FILES,
            )
        )


def show_model_status() -> None:
    """A line on the model, kept up to date until it is loaded, and what is wrong with the current bundle."""

    @st.fragment(run_every=None if serving().now.loading.done() else POLL_SECONDS)
    def status() -> None:  # Streamlit keeps it for as long as the page is open: it must not keep a model
        served, loading, warning = serving().now
        if not loading.done():
            st.html(drawing.model_status(_("The model is loading. Films can be added already."), ready=False))
            st.session_state.model_was_loading = True
        elif st.session_state.pop("model_was_loading", False):
            st.rerun()
        elif predictor := wait_for(loading):
            engine = f"{predictor.engine.name}, {predictor.engine.precision}"
            ready = _("Model ready: bundle {bundle} on {engine}", bundle=served.bundle.spec.name, engine=engine)
            st.html(drawing.model_status(ready, ready=True))
        if warning:
            st.warning(_(warning), icon=":material/warning:")

    status()
