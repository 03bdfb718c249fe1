"""The page that judges radiographs."""

import streamlit as st

from app.measurements import surroundings_warning
from app.pieces.card import show_cards
from app.pieces.intake import offer_samples, offer_uploader, show_model_status, take_in
from app.pieces.overview import show_group, show_overviews
from app.session import desk, reference_films, serving, wait_for
from app.words.language import _
from app.words.wording import SHORTCUT_CAPTION, population_sentence


def main() -> None:
    """Draw the page."""
    now = serving().now
    served, loading = now.bundle, now.loading
    spec = served.bundle.spec
    st.title(_("Screen chest radiographs"), anchor=False)
    st.caption(population_sentence(spec.labels, spec.positive, spec.data))
    with st.container(key="intake"):
        waiting = [*offer_uploader(), *offer_samples()]
    with st.container(key="status"):
        take_in(waiting, loading)
        show_model_status()
    if served.shortcuts or surroundings_warning(served.surroundings):
        st.caption(_(SHORTCUT_CAPTION))
    if desk().results:
        prevalence = show_overviews(served.bundle)
        show_group(desk().compare(wait_for(loading)))
        show_cards(served.bundle, prevalence, reference_films(wait_for(loading)))


main()
