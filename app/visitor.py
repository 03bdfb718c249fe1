"""Who looks at the page: the language that they read, and their name where they signed in."""

from typing import Final

import streamlit as st

from app.language import LANGUAGES, STATE, _, current_language

QUERY: Final = "lang"
"""In the address of the page: which language to begin with, for links and bookmarks."""

_CLAIMS: Final = ("preferred_username", "name", "sub")


def settle_language() -> None:
    """Choose the visitor's language, once: what the address asks for, else the browser; the switch changes it afterwards."""
    if STATE not in st.session_state:
        asked = (st.query_params.get(QUERY), (st.context.locale or "").partition("-")[0].lower())
        st.session_state[STATE] = next((one for one in asked if one in LANGUAGES), "en")
    elif st.session_state.get("language_chosen"):
        st.query_params[QUERY] = current_language()  # so that it is still chosen when the page is loaded anew


def offer_languages() -> None:
    """The switch between the languages, each named in itself."""

    def choose() -> None:
        st.session_state[STATE] = st.session_state.language_switch
        st.session_state.language_chosen = True

    st.segmented_control(
        _("Language"),
        list(LANGUAGES),
        default=current_language(),
        required=True,
        format_func=LANGUAGES.__getitem__,
        key="language_switch",
        on_change=choose,
        label_visibility="collapsed",
    )


def current_user() -> str | None:
    """Who signed in, by an e-mail address that the provider vouches for, else by the name that it gives; None without sign-in."""
    claims = st.user.to_dict()
    if not claims.get("is_logged_in"):
        return None
    if claims.get("email") and claims.get("email_verified", True):
        return str(claims["email"])
    return next(str(claims[claim]) for claim in _CLAIMS if claims.get(claim))
