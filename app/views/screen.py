"""The page that judges radiographs."""

import streamlit as st

from app.measurements import surroundings_warning
from app.pieces.card import show_cards
from app.pieces.intake import offer_samples, offer_uploader, show_model_status, take_in
from app.pieces.overview import ask_prevalence, show_group, show_overview
from app.session import desk, loading_model, reference_films, served_bundle, wait_for
from app.wording import SHORTCUT_CAPTION, population_sentence

served = served_bundle()
spec = served.bundle.spec


def main() -> None:
    """Draw the page."""
    loading = loading_model(served.bundle)
    st.title("Screen chest radiographs", anchor=False)
    st.caption(population_sentence(spec.labels, spec.positive, spec.data))
    with st.container(key="intake"):
        waiting = [*offer_uploader(), *offer_samples()]
    with st.container(key="status"):
        take_in(waiting, loading)
        show_model_status(loading)
    if served.shortcuts or surroundings_warning(served.surroundings):
        st.caption(SHORTCUT_CAPTION)
    if desk().results:
        prevalence = ask_prevalence(spec) if spec.positive else None
        show_overview(spec, list(desk().results.values()), prevalence)
        show_group(desk().compare(wait_for(loading)))
        show_cards(prevalence, reference_films(wait_for(loading)))


main()
