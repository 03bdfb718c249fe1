"""Who may train and promote from the page."""

from typing import Final

import streamlit as st

from app.serving.serving import LOOPBACK
from app.visitor import current_user

LOCAL: Final = "local"
"""Whoever uses an app that listens on its own machine alone, in the history."""


def may_retrain() -> bool:
    """Whether this visitor has signed in, or no other machine can reach the app."""
    return current_user() is not None or st.get_option("server.address") in LOOPBACK


def who() -> str:
    """The visitor's name for the record."""
    return current_user() or LOCAL
