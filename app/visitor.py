"""Who looks at the page: the language that they read, and their name where they signed in."""

from collections.abc import Mapping
from typing import Final

import streamlit as st

from app.words.language import LANGUAGES, STATE, _, current_language

QUERY: Final = "lang"
"""In the address of the page: which language to begin with, for links and bookmarks."""

_CLAIMS: Final = ("preferred_username", "name", "sub")


def settle_language() -> None:
    """Choose the visitor's language, once: what the address asks for, else the browser; the switch changes it afterwards."""
    if STATE not in st.session_state:
        st.session_state[STATE] = first_spoken(st.query_params.get(QUERY), st.context.locale)
    elif st.session_state.get("language_chosen"):
        st.query_params[QUERY] = current_language()  # so that it is still chosen when the page is loaded anew


def first_spoken(*asked: str | None) -> str:
    """The first language that the page speaks, of tags such as ko or ko-KR; English where it speaks none of them."""
    languages = ((tag or "").partition("-")[0].lower() for tag in asked)
    return next((language for language in languages if language in LANGUAGES), "en")


def needs_words() -> bool:
    """Whether Streamlit's own words are not those of the page: in another language, or put back after one."""
    return current_language() != "en" or bool(st.session_state.get("language_chosen"))


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


def ask_to_sign_in() -> None:
    """Where a sign-in is configured ([auth] in Streamlit's secrets.toml): nothing else is drawn for who has not signed in."""
    if st.user.to_dict().get("is_logged_in", True):
        return
    st.title(_("Sign in"), anchor=False)
    st.markdown(_("Whoever serves this page lets only those in who sign in."))
    st.button(_("Sign in"), key="sign_in", type="primary", on_click=st.login)
    st.stop()


def offer_sign_out() -> None:
    """A button for who signed in."""
    if user := current_user():
        st.button(_("Sign out"), key="sign_out", help=_("Signed in as {user}", user=user), on_click=st.logout)


def current_user() -> str | None:
    """Who signed in; None without sign-in."""
    return name_in(st.user.to_dict())


def name_in(claims: Mapping[str, object]) -> str | None:
    """An e-mail address that the provider vouches for, else the name that it gives; None for who has not signed in."""
    if not claims.get("is_logged_in"):
        return None
    if claims.get("email") and claims.get("email_verified", True):
        return str(claims["email"])
    return next(str(claims[claim]) for claim in _CLAIMS if claims.get(claim))
