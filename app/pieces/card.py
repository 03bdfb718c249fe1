"""The cards of the Screen page: one for each film, judged or refused."""

from collections.abc import Sequence

import streamlit as st

from app import drawing
from app.pictures import draw, draw_mended
from app.references import Reference, similar
from app.screening import Screened, at_prevalence, mend
from app.session import desk, record, serving, wait_for
from app.words.language import _, percentage
from app.words.wording import (
    attention_sentence,
    distance_fact,
    film_facts,
    heatmap_caption,
    judged_after,
    mended_sentence,
    mending_offer,
)
from models.bundle import Bundle
from models.films.refusal import Refusal
from models.lungs.findings import Finding
from models.prediction import Prediction

CARDS = 6
DEFAULT_OPACITY = 40
SHOWN_WIDTH, LAYERS_WIDTH = 272, 256  # pixels: side by side under a film, one below the other on a telephone


def show_cards(served: Bundle, prevalence: float | None, references: Sequence[Reference]) -> None:
    """A card for each film, some at a time; prevalence and references are for those that the served bundle judged."""
    for key, judged in desk().shown(CARDS):
        now = judged.judged_by(served)
        result = at_prevalence(judged, prevalence) if now else judged
        with st.container(border=True, key=f"card_{_widget_key(key)}"):
            if isinstance(result.outcome, Prediction):
                alike = similar(result.outcome, result.sha256, references) if now else []
                _show_judged(key, result, result.outcome, alike)
            else:
                _show_refused(key, result, result.outcome)
    total = len(desk().results)
    if total > CARDS:
        _show_pager(total)


def _show_pager(total: int) -> None:
    """Back and forth through the cards."""

    def turn(step: int) -> None:
        desk().page += step

    first = desk().page * CARDS
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center", key="pager"):
        st.button(_("Previous"), key="previous", on_click=turn, args=(-1,), disabled=first == 0)
        shown = _("{first} to {last} of {total}", first=first + 1, last=min(first + CARDS, total), total=total)
        st.markdown(shown, width="content")
        st.button(_("Next"), key="next", on_click=turn, args=(1,), disabled=first + CARDS >= total)


def _show_judged(key: str, result: Screened, prediction: Prediction, references: Sequence[Reference]) -> None:
    """One judged film: the picture, and the reading beside it."""
    st.html(drawing.file_name(result.name, judged_after(result.mended)))
    picture, reading = st.columns([11, 9], gap="medium")
    with reading:
        st.html(drawing.reading(prediction))
        if result.film:
            gate = result.bundle.spec.gate
            st.html(drawing.definitions(distance_fact(prediction, gate) + film_facts(result.film)))
        if references:
            st.html(drawing.similar_films((one.name, one.label, one.jpeg) for one in references))
    with picture:
        _show_film(f"film_{_widget_key(key)}", result, prediction)


@st.fragment
def _show_film(key: str, result: Screened, prediction: Prediction) -> None:
    """The film under its heatmap. A fragment: switch and slider draw again and judge nothing."""
    if result.film is None:
        return
    with st.container(key=key, gap=None):
        st.html(drawing.film_frame(key, *result.film.shown))
        place = st.container()
        st.caption(heatmap_caption(prediction))
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        if result.film.field:
            st.html(drawing.shown_field(result.film.field, attention_sentence(prediction)), width=SHOWN_WIDTH)
        opacity, outlined = _ask_layers(key, prediction)
    alt = _(
        "Chest radiograph with the heatmap for {label} at {opacity} opacity",
        label=prediction.heatmap_label,
        opacity=percentage(opacity / 100, 0),
    )
    picture = drawing.data_address(draw(result, opacity=opacity / 100, outlined=outlined), "image/jpeg")
    place.image(
        picture, width="stretch", alt=_("{what}, and the box of what was judged", what=alt) if outlined else alt
    )


def _ask_layers(key: str, prediction: Prediction) -> tuple[int, bool]:
    """What is to lie over the film: the heatmap's opacity in percent, and whether the box that was judged is drawn."""
    with st.container(width=LAYERS_WIDTH if prediction.field else "stretch", gap="small"):
        opacity = st.slider(
            _("Opacity of the heatmap for {label}", label=prediction.heatmap_label),
            *(0, 100, DEFAULT_OPACITY, 5),
            format=_("%d %%"),
            key=f"{key}_opacity",
        )
        judged_in_part = prediction.field is not None
        outlined = judged_in_part and st.toggle(_("Show what was judged"), value=True, key=f"{key}_outlined")
    return opacity, outlined


def _show_refused(key: str, result: Screened, refused: Refusal) -> None:
    """One file that was not judged; a film with a finding is shown, and offered as it would be mended."""
    if result.film is None:
        st.html(drawing.refusal(result.name, refused))
        return
    picture, words = st.columns([2, 3], gap="medium")
    with picture, st.container(key=f"film_{_widget_key(key)}"):
        st.html(drawing.film_frame(f"film_{_widget_key(key)}", *result.film.shown))
        film = drawing.data_address(draw(result, opacity=0), "image/jpeg")
        st.image(film, width="stretch", alt=_("The picture as it came, not judged"))
    with words:
        st.html(drawing.refusal(result.name, refused))
        if isinstance(refused, Finding) and refused.mendable:
            _offer_mending(key, result, refused)


def _offer_mending(key: str, result: Screened, finding: Finding) -> None:
    """The mended film, small, and a button that judges it."""
    st.html(drawing.preview(draw_mended(result), mended_sentence(finding)))
    st.button(mending_offer(finding), key=f"mend_{_widget_key(key)}", type="primary", on_click=_mend, args=(key,))


def _mend(key: str) -> None:
    """Put the mended film's reading in the place of the refusal."""
    predictor = wait_for(serving().now.loading)
    mended = mend(predictor, desk().results[key])
    if record(predictor, mended):
        desk().results[key] = mended


def _widget_key(key: str) -> str:
    """The key of an upload or sample with nothing in it that a style sheet would read otherwise."""
    return "".join(character if character.isalnum() else "-" for character in key)
