"""On the Retrain page: the job that runs, or how the last one ended."""

import math
from typing import Final

import streamlit as st

from app.jobs.retraining import INSPECTION, Progress, go_on, log_tail, progress
from app.record import moment
from app.words.language import N_, _, number
from models.jobs.store import FAILED, STOPPED, Job, JobStore

POLL_SECONDS: Final = 1.0
_STOPPING: Final = "stopping_job"

# What the steps of a training call themselves, for the catalogues; another name is shown as it is.
STAGES: Final = (
    N_("Reading images"),
    N_("Looking for leaks …"),
    N_("Finding the lungs"),
    N_("Embedding views"),
    N_("Embedding probes"),
    N_("Fitting the heads"),
    N_("Trying heads"),
    N_("Judging the test split"),
    N_("Intervals, plots and card …"),
    N_("A sheet of films …"),
    N_("Comparing …"),
)

# What a job leaves behind as the reason for its end, where it is the same each time; others stand as training wrote them.
ENDINGS: Final = (
    N_("Its process was ended from outside: killed, out of memory, or the machine went down."),
    N_("Something failed that nobody foresaw; the log says what. Try it again, and report what stands there."),
)


def watch(store: JobStore) -> None:
    """The job that runs, kept up to date until it has ended."""

    @st.fragment(run_every=POLL_SECONDS)
    def running() -> None:
        job = store.latest()
        if job is None or not job.is_open:
            st.rerun()
        else:
            _show_running(store, job)

    running()


def _show_running(store: JobStore, job: Job) -> None:
    name = job.settings.get("name", "")
    st.subheader(_("Looking at the films") if job.kind == INSPECTION else _("Training {name}", name=name), anchor=False)
    st.caption(_("Begun by {who}, {time} UTC. This page can be closed.", who=_(job.by), time=moment(job.created)))
    told = progress(job)
    st.progress((told.share or 0.0) if told else 0.0, text=_progress_text(told))
    if st.session_state.get(_STOPPING) == job.id:
        st.caption(_("It is stopping …"))
        st.button(_("End it at once"), key="kill_job", on_click=store.stop, args=(job,), kwargs={"at_once": True})
    else:
        st.button(_("Stop"), key="stop_job", on_click=_stop, args=(store, job))
    show_log(job)


def _stop(store: JobStore, job: Job) -> None:
    st.session_state[_STOPPING] = job.id
    store.stop(job)


def _progress_text(told: Progress | None) -> str:
    if told is None:
        return _("Starting …")
    stage = _(told.stage) if told.stage in STAGES else told.stage
    if told.seconds_left is None:
        return stage
    if told.seconds_left < 90:
        return _("{stage}, {seconds} s left of this step", stage=stage, seconds=number(math.ceil(told.seconds_left)))
    return _("{stage}, {minutes} min left of this step", stage=stage, minutes=number(math.ceil(told.seconds_left / 60)))


def show_ended(store: JobStore, job: Job) -> None:
    """Why the last job is not done, and the button that lets it go on."""
    if job.state == STOPPED:
        st.info(_("The last job was stopped by hand. What was embedded so far is kept."), icon=":material/stop_circle:")
    elif job.state == FAILED:
        st.error(_("The last job failed: {why}", why=_(job.message)), icon=":material/error:")
    else:
        st.warning(
            _(
                "The last job broke off: {why} The bundle that serves is as it was, and no half one is left. What was embedded "
                "is kept: going on takes up there.",
                why=_(job.message),
            ),
            icon=":material/warning:",
        )
    if job.steps and st.button(_("Go on with it"), key="go_on"):
        go_on(store, job)
        st.rerun()
    show_log(job)


def show_log(job: Job) -> None:
    """The end of what it printed."""
    with st.expander(_("Log")):
        st.code(log_tail(job) or _("Nothing yet."), language=None, height=240)
