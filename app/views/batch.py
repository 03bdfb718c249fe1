"""The page for many films: batches that are judged in the background."""

import sqlite3

import streamlit as st

from app.batch.job import find_jobs
from app.batch.places import kept_days, spool_folder
from app.pieces.batch_intake import offer_batch
from app.pieces.batch_progress import choose_job, show_progress
from app.pieces.batch_results import show_results
from app.session import user_name
from app.words.language import _


def main() -> None:
    """Draw the page."""
    st.title(_("Judge many films"), anchor=False)
    st.caption(
        _(
            "They are judged in the background: close this tab when you like, and find the batch here when you come back. What "
            "came of it is kept on this server for {days} days, or until you delete it.",
            days=f"{kept_days():g}",
        )
    )
    try:
        draw_batches()
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        st.error(
            _(
                "The folder of batches cannot be used ({why}). Whoever runs this server must make room there, make it writable, "
                "or name another one. Code: `spool_unwritable`",
                why=why,
            )
        )


def draw_batches() -> None:
    """The intake, and the batch that is looked at."""
    jobs = find_jobs(spool_folder(), user_name())
    offer_batch()
    if jobs:
        job = choose_job(jobs)
        show_progress(job)
        if job.counts()[0]:
            show_results(job, job.status())


main()
