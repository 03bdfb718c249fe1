"""The overview of the Screen page: the prevalence, how many films came to which verdict, and the table of all."""

from collections.abc import Sequence

import streamlit as st

from app import drawing
from app.screening import Screened, as_csv, count_outcomes
from app.session import desk
from app.wording import percent, points_sentence, prevalence_sentence
from models.bundle import BundleSpec
from models.group import GroupComparison
from models.prediction import Prediction, deciding_points


def ask_prevalence(spec: BundleSpec) -> float | None:
    """The share of positive films where the films come from; None: as in the training films. It says what follows."""
    st.header("Results", anchor=False)
    trained = _trained_prevalence(spec)
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


def _trained_prevalence(spec: BundleSpec) -> float:
    """The share of positive films that the bundle's probabilities are for."""
    return spec.calibration.prevalence_of(spec.labels.index(str(spec.positive))) or 0.5


def show_overview(spec: BundleSpec, results: Sequence[Screened]) -> None:
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
            [_table_row(result, spec.labels) for result in results],
            hide_index=True,
            height=_table_height(len(results)),
            column_config={"File": st.column_config.TextColumn(width="medium")},
            alt="Verdict and probabilities of each file; the CSV file holds the same",
        )


def _table_height(rows: int) -> int:
    """Pixels for up to eight rows and the header; more are scrolled."""
    return 35 * (min(rows, 8) + 1) + 3


def _table_row(result: Screened, labels: Sequence[str]) -> dict[str, str]:
    """A result as a row of the table."""
    outcome = result.outcome
    judged = isinstance(outcome, Prediction)
    reason = outcome.finding if judged else outcome
    return {
        "File": result.name,
        "Verdict": outcome.verdict or "None" if judged else "Refused",
        **{f"p({label})": percent(outcome.probability(label)) if judged else "" for label in labels},
        "Code": reason.code if reason else "",
    }


def show_group(compared: GroupComparison | None) -> None:
    """Say whether the films differ as a group from the training films; nothing for a few films."""
    if compared is not None:
        (st.warning if compared.differs else st.caption)(compared.sentence())
