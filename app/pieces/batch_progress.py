"""A batch on the Batch page: which one, how it stands, and what can be done with it."""

import sqlite3
import time
from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from app.batch.job import Job, Status
from app.batch.progress import seconds_left, standing_sentence, time_left_sentence
from app.pieces.batch_intake import CHOSEN
from app.session import batch_runner
from app.words.language import _, day_and_time
from app.words.wording import coded

POLL_SECONDS = 1.0


def choose_job(jobs: Sequence[Job]) -> Job:
    """The batch that is looked at: the newest, until another one is chosen."""
    by_name = {job.name: job for job in jobs}
    if st.session_state.get(CHOSEN) not in by_name:
        st.session_state[CHOSEN] = jobs[0].name
    labels = {job.name: day_and_time(datetime.fromtimestamp(job.status().created), seconds=True) for job in jobs}
    return by_name[st.selectbox(_("Batch"), list(by_name), format_func=labels.__getitem__, key=CHOSEN)]


def show_progress(job: Job) -> None:
    """How it stands, kept up to date while it is judged, and the buttons that go with that."""
    was_active = _active(job)

    @st.fragment(run_every=POLL_SECONDS if was_active else None)
    def progress() -> None:
        try:
            ended = was_active and not _active(job)
            status, (done, total) = job.status(), job.counts()
        except (OSError, sqlite3.Error):  # deleted in another tab
            st.rerun()
        if ended:
            st.rerun()
        if was_active and status.state == "running":
            said = _(
                "{done} of {total} files are judged. {left}",
                done=done,
                total=total,
                left=time_left_sentence(seconds_left(status, done, total, time.time())),
            )
            st.progress(done / max(total, 1), text=said)
        else:
            _show_standing(status, done, total, active=was_active)
        _offer_what_can_be_done(job, status, left=total - done, active=was_active)

    progress()
    for code, sentence in job.status().remarks:
        st.warning(coded(sentence, code), icon=":material/warning:")


def _active(job: Job) -> bool:
    return batch_runner().pending(job) or job.held()


def _show_standing(status: Status, done: int, total: int, *, active: bool) -> None:
    said = standing_sentence(status, done, total, active=active)
    if status.state == "stopped" and not active:
        st.error(f"{said} {coded(status.sentence, status.code)}", icon=":material/error:")
    elif active or (status.state == "done" and done == total):
        st.markdown(said)
    else:
        st.info(said, icon=":material/pause_circle:")


def _offer_what_can_be_done(job: Job, status: Status, *, left: int, active: bool) -> None:
    with st.container(horizontal=True, key="batch_actions"):
        if active:
            st.button(_("Cancel"), key="batch_cancel", on_click=job.ask_to_cancel, disabled=job.cancel_wanted())
            if st.button(
                _("Show what has come"),
                key="batch_refresh",
                help=_("The table below shows the files that were judged when it was drawn."),
            ):
                st.rerun()
            return
        if left and st.button(_("Go on"), key="batch_go_on", type="primary"):
            batch_runner().submit(job)
            st.rerun()
        with st.popover(_("Delete")):
            st.markdown(_("The batch goes with all results and pictures. The films of a folder stay where they are."))
            st.button(_("Delete this batch"), key="batch_delete", on_click=job.delete)
