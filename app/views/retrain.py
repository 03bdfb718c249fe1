"""The page that trains a bundle on films of one's own, compares it with the one that serves, and lets it serve."""

import streamlit as st

from app.jobs.access import may_retrain, who
from app.jobs.retraining import INSPECTION, TRAINING, found, job_store
from app.pieces.retrain_folder import ask_folder, ask_plan, show_inspection
from app.pieces.retrain_job import show_ended, watch
from app.pieces.retrain_result import offer_roll_back, show_result
from app.words.language import _
from app.words.wording import error_sentence
from models.jobs.lock import JobError
from models.jobs.store import DONE, JobStore


def main() -> None:
    """Draw the page."""
    st.title(_("Retrain"), anchor=False)
    st.caption(
        _(
            "Train a bundle on films of your own, compare it with the one that serves on patients whom neither should know, and "
            "let it serve, or go back. A training goes on when this page is closed; whoever opens it again finds it here."
        )
    )
    if not may_retrain():
        st.info(
            _(
                "Who trains and promotes must have signed in, or the app must listen on this machine alone. The manual says how "
                "to set up a sign-in."
            ),
            icon=":material/lock:",
        )
        return
    try:
        _show(job_store())
    except JobError as error:
        st.error(error_sentence(error))


def _show(store: JobStore) -> None:
    job = store.latest()
    if job is not None and job.is_open:
        watch(store)
        return
    if job is not None and job.state != DONE:
        show_ended(store, job)
    trained = store.latest(TRAINING)
    if trained is not None and trained.state == DONE:
        show_result(trained, by=who())
    offer_roll_back(by=who())
    _offer_training(store)


def _offer_training(store: JobStore) -> None:
    """A folder to look at; and where one was looked at, what is in it and how to train on it."""
    st.header(_("Films to train on"), anchor=False)
    ask_folder(store, by=who())
    seen = store.latest(INSPECTION)
    inspection = found(seen, "inspection.json") if seen is not None and seen.state == DONE else None
    if seen is not None and inspection is not None:
        show_inspection(seen, inspection)
        ask_plan(store, seen, inspection, by=who())


main()
