"""The page that judges radiographs."""

from collections.abc import Sequence
from concurrent.futures import Future

import streamlit as st

from app import drawing
from app.references import Reference, similar
from app.samples import read_sample, sample_names
from app.screening import MAX_FILES, Screened, as_csv, at_prevalence, count_outcomes, draw, screen
from app.session import desk, loading_model, reference_films, served_bundle
from app.wording import (
    SHORTCUT_CAPTION,
    distance_fact,
    film_facts,
    heatmap_caption,
    percent,
    points_sentence,
    population_sentence,
    prevalence_sentence,
)
from models.backbones.weights import WeightsError
from models.bundle import BundleError
from models.films.refusal import Refusal
from models.prediction import Prediction, deciding_points
from models.predictor import Predictor

CARDS = 6
POLL_SECONDS = 0.5
DEFAULT_OPACITY = 40

spec = served_bundle().bundle.spec


def main() -> None:
    """Draw the page."""
    loading = loading_model(served_bundle().bundle)
    st.title("Screen chest radiographs", anchor=False)
    st.markdown(introduction())
    st.caption(population_sentence(spec.name, spec.data))
    if served_bundle().shortcuts:
        st.caption(SHORTCUT_CAPTION)
    with st.container(key="intake"):
        waiting = offer_uploader() + offer_samples()
    with st.container(key="status"):
        take_in(waiting, loading)
        show_model_status(loading)
    if desk().results:
        prevalence = ask_prevalence() if spec.positive else None
        show_overview([at_prevalence(result, prevalence) for result in desk().results.values()])
        show_cards(prevalence, reference_films(wait_for(loading)))


def introduction() -> str:
    """One sentence on what comes out."""
    what = (
        f"the probability of **{spec.positive}**"
        if spec.positive
        else f"the probability of each of {len(spec.labels)} classes"
    )
    return (
        f"Drop one radiograph or many. For each you see {what}, and where the model looked. Nothing leaves this server."
    )


def offer_uploader() -> list[tuple[str, str, bytes]]:
    """The drop zone; returns key, name and content of what was not judged yet."""
    mounted = desk().uploader in st.session_state
    files = st.file_uploader(
        "Radiographs: JPEG, PNG, TIFF, BMP, WebP or DICOM, with or without a suffix",
        accept_multiple_files=True,
        key=desk().uploader,
    )
    desk().follow_uploader((file.file_id for file in files), mounted=mounted)
    return [(file.file_id, file.name, file.getvalue()) for file in files if file.file_id not in desk().results]


def offer_samples() -> list[tuple[str, str, bytes]]:
    """A button for each synthetic sample; returns the one that was asked for."""
    names = sample_names()
    if not names:
        return []
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="samples"):
        st.markdown("No film at hand? Try a synthetic sample:", width="content")
        asked = [name for name in names if st.button(name, key=f"sample_{name}", type="tertiary")]
    return [(f"sample:{name}", name, read_sample(name)) for name in asked if f"sample:{name}" not in desk().results]


def take_in(waiting: Sequence[tuple[str, str, bytes]], loading: "Future[Predictor]") -> None:
    """Judge what waits; each result is kept at once, so that a file that comes meanwhile undoes nothing."""
    accepted = waiting[: max(0, desk().room())]
    if accepted:
        bar = st.progress(0.0, text="Loading the model …" if not loading.done() else "Judging …")
        predictor = wait_for(loading)
        for done, (key, name, content) in enumerate(accepted):
            bar.progress(done / len(accepted), text=f"Judging film {done + 1} of {len(accepted)} …")
            known = desk().readings.find(name, content)
            result = known or screen(predictor, name, content)
            desk().readings.keep(result)
            desk().results[key] = result
        bar.empty()
    if left_out := len(waiting) - len(accepted):
        st.warning(
            f"{left_out} more files were not judged: this page holds {MAX_FILES} at a time. Clear some, or judge whole "
            "folders with `python -m models predict`."
        )


def wait_for(loading: "Future[Predictor]") -> Predictor:
    """The model, once it is there; the page ends with a sentence where it cannot be loaded."""
    try:
        return loading.result()
    except (BundleError, WeightsError) as error:
        st.error(f"The model cannot be loaded. {error}")
        st.stop()


def show_model_status(loading: "Future[Predictor]") -> None:
    """A line on the model, kept up to date until it is loaded."""

    @st.fragment(run_every=None if loading.done() else POLL_SECONDS)
    def status() -> None:
        if not loading.done():
            st.html(drawing.model_status("The model is loading. Films can be added already.", ready=False))
            st.session_state.model_was_loading = True
        elif st.session_state.pop("model_was_loading", False):
            st.rerun()
        elif predictor := wait_for(loading):
            engine = f"{predictor.engine.name}, {predictor.engine.precision}"
            st.html(drawing.model_status(f"Model ready: bundle {spec.name} on {engine}", ready=True))

    status()


def ask_prevalence() -> float | None:
    """The share of positive films where the films come from; None: as in the training films. It says what follows."""
    st.header("Results", anchor=False)
    trained = trained_prevalence()
    entry, words = st.columns([2, 3], vertical_alignment="bottom", gap="medium")
    with entry:
        asked = st.number_input(
            f"Share of {spec.positive} where the films come from, %",
            min_value=0.1,
            max_value=99.9,
            value=None,
            step=1.0,
            format="%.1f",
            placeholder=f"{100 * trained:.1f}, as in training",
        )
        share = trained if asked is None else asked / 100
        points = deciding_points(spec.operating_points)
        words.caption(prevalence_sentence(points, spec.labels, str(spec.positive), share, trained=asked is None))
    return None if asked is None else share


def trained_prevalence() -> float:
    """The share of positive films that the bundle's probabilities are for."""
    return spec.calibration.prevalence_of(spec.labels.index(str(spec.positive))) or 0.5


def show_overview(results: Sequence[Screened]) -> None:
    """Counts, the table of all films, and the CSV file."""
    if not spec.positive:
        st.header("Results", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="overview"):
        st.html(drawing.counts(count_outcomes(results, spec.labels).items()), width="content")
        with st.container(horizontal=True, width="content"):
            st.download_button(
                "Download CSV",
                as_csv(results, spec.labels, spec.name),
                file_name="pneumolens.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
            )
            st.button("Clear all", on_click=desk().clear)
    if spec.operating_points:
        st.caption(points_sentence(spec.operating_points))
    if len(results) > 1:
        st.dataframe(
            [table_row(result) for result in results],
            hide_index=True,
            height=table_height(len(results)),
            column_config={"File": st.column_config.TextColumn(width="medium")},
            alt="Verdict and probabilities of each file; the CSV file holds the same",
        )


def table_height(rows: int) -> int:
    """Pixels for up to eight rows and the header; more are scrolled."""
    return 35 * (min(rows, 8) + 1) + 3


def table_row(result: Screened) -> dict[str, str]:
    """A result as a row of the table."""
    outcome = result.outcome
    judged = isinstance(outcome, Prediction)
    reason = outcome.finding if judged else outcome
    return {
        "File": result.name,
        "Verdict": outcome.verdict or "None" if judged else "Refused",
        **{f"p({label})": percent(outcome.probability(label)) if judged else "" for label in spec.labels},
        "Code": reason.code if reason else "",
    }


def show_cards(prevalence: float | None, references: Sequence[Reference]) -> None:
    """A card for each film, some at a time."""
    for key, judged in desk().shown(CARDS):
        result = at_prevalence(judged, prevalence)
        with st.container(border=True):
            if isinstance(result.outcome, Refusal):
                st.html(drawing.refusal(result.name, result.outcome))
            else:
                show_card(key, result, result.outcome, similar(result.outcome, result.sha256, references))
    total = len(desk().results)
    if total > CARDS:
        show_pager(total)


def show_pager(total: int) -> None:
    """Back and forth through the cards."""

    def turn(step: int) -> None:
        desk().page += step

    first = desk().page * CARDS
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center", key="pager"):
        st.button("Previous", on_click=turn, args=(-1,), disabled=first == 0)
        st.markdown(f"{first + 1} to {min(first + CARDS, total)} of {total}", width="content")
        st.button("Next", on_click=turn, args=(1,), disabled=first + CARDS >= total)


def show_card(key: str, result: Screened, prediction: Prediction, references: Sequence[Reference]) -> None:
    """One judged film: the picture, and the reading beside it."""
    st.html(drawing.file_name(result.name))
    picture, reading = st.columns([3, 2], gap="medium")
    with reading:
        st.html(drawing.reading(prediction))
        if result.film:
            st.html(drawing.definitions(distance_fact(prediction, spec.gate) + film_facts(result.film)))
        if references:
            st.html(drawing.similar_films((one.name, one.label, one.jpeg) for one in references))
    with picture:
        show_film(f"film_{widget_key(key)}", result, prediction)


def widget_key(key: str) -> str:
    """The key of an upload or sample with nothing in it that a style sheet would read otherwise."""
    return "".join(character if character.isalnum() else "-" for character in key)


@st.fragment
def show_film(key: str, result: Screened, prediction: Prediction) -> None:
    """The film under its heatmap. A fragment: moving the slider draws again and judges nothing."""
    if result.film is None:
        return
    with st.container(key=key, gap=None):
        st.html(drawing.film_frame(key, *result.film.shown))
        place = st.container()
        st.caption(heatmap_caption(prediction))
    opacity = st.slider(
        f"Opacity of the heatmap for {prediction.heatmap_label}",
        *(0, 100, DEFAULT_OPACITY, 5),
        format="%d %%",
        key=f"{key}_opacity",
    )
    alt = f"Chest radiograph with the heatmap for {prediction.heatmap_label} at {opacity} % opacity"
    picture = drawing.data_address(draw(result, opacity=opacity / 100), "image/jpeg")
    place.image(picture, width="stretch", alt=alt)


main()
