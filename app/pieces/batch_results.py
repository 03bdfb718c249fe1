"""What came of a batch on the Batch page: counts, table, and the report of a study."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

import streamlit as st

from app import drawing
from app.batch.job import Job, Status
from app.batch.report import study_report
from app.batch.report_html import html_report
from app.batch.report_pdf import pdf_report
from app.batch.table import (
    REFUSED,
    WITHHELD,
    Order,
    Row,
    batch_csv,
    count_kinds,
    count_rows,
    read_rows,
    read_study,
)
from app.wording import HEATMAP_CAPTION, percent
from models.prediction import INDETERMINATE, Prediction

ROWS: Final = 50
_ORDERS: Final[dict[Order, str]] = {
    "place": "As they came",
    "uncertain": "Most uncertain first",
    "probable": "Most probable first",
}


def show_results(job: Job, status: Status) -> None:
    """The films that were judged so far."""
    st.header("Results", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="overview"):
        st.html(drawing.counts(count_kinds(job, status).items()), width="content")
        st.download_button(
            "Download CSV",
            partial(batch_csv, job, status),
            file_name="pneumolens.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    rows = _chosen_rows(job, status)
    if rows:
        _show_table(rows, status.labels)
        _offer_study(job, status, rows)


def _chosen_rows(job: Job, status: Status) -> list[Row]:
    """One page of lines, filtered and in the order that were asked for."""
    kinds = {None: "All files", **{label: label for label in status.labels}}
    if len(status.labels) == 2:
        kinds[INDETERMINATE] = "Indeterminate"
    kinds |= {f":{WITHHELD}": "Without verdict", f":{REFUSED}": "Refused"}
    with st.container(horizontal=True, vertical_alignment="bottom", key="batch_filter"):
        show = st.selectbox("Show", list(kinds), format_func=kinds.__getitem__, key="batch_show")
        order = st.selectbox("Order", list(_ORDERS), format_func=_ORDERS.__getitem__, key="batch_order")
        pages = max(1, -(-count_rows(job, show) // ROWS))
        page = st.number_input(f"Page, of {pages}", min_value=1, max_value=pages, key=f"batch_page_{job.name}_{show}")
    rows = list(read_rows(job, status, show=show, order=order, first=(page - 1) * ROWS, most=ROWS))
    if not rows:
        st.caption("No file is of this kind.")
    return rows


def _show_table(rows: Sequence[Row], labels: Sequence[str]) -> None:
    st.dataframe(
        [_cells(row, labels) for row in rows],
        hide_index=True,
        row_height=64,
        height=64 * min(len(rows), 7) + 40,
        column_config={
            "Film": st.column_config.ImageColumn(width="small"),
            "File": st.column_config.TextColumn(width="medium"),
            "Uncertainty": st.column_config.ProgressColumn(
                min_value=0, max_value=1, format="%.2f", help="The entropy of the probabilities: 1 where all are equal."
            ),
        },
        alt="Film, verdict, probabilities and uncertainty of each file; the CSV file holds all of them",
    )


def _cells(row: Row, labels: Sequence[str]) -> dict[str, object]:
    """A line of the table."""
    outcome = row.outcome
    judged = isinstance(outcome, Prediction)
    reason = outcome.finding if judged else outcome
    return {
        "Film": drawing.data_address(row.thumbnail, "image/jpeg") if row.thumbnail else None,
        "File": row.name,
        "Verdict": (outcome.verdict or "None") if judged else "Refused",
        **{f"p({label})": percent(outcome.probability(label)) if judged else "" for label in labels},
        "Uncertainty": row.uncertainty,
        "Code": reason.code if reason else "",
    }


def _offer_study(job: Job, status: Status, rows: Sequence[Row]) -> None:
    """The films of a study, and their report."""
    names = {row.place: row.name for row in rows}
    chosen = st.selectbox(
        "Look at a film of this page, with the others of its study",
        list(names),
        index=None,
        format_func=names.__getitem__,
        placeholder="Choose a file",
        key=f"batch_film_{job.name}",
    )
    if chosen is None:
        return
    films = read_study(job, status, chosen)
    with st.container(horizontal=True, key="batch_reports"):
        for kind, mime, make in (("PDF", "application/pdf", _pdf), ("HTML", "text/html", _html)):
            st.download_button(
                f"Report of this study as {kind}",
                partial(make, job, status, chosen),
                file_name=f"pneumolens.{kind.lower()}",
                mime=mime,
                icon=":material/description:",
                on_click="ignore",
            )
    for row, picture in films:
        _show_film(row, picture)


def _show_film(row: Row, picture: bytes | None) -> None:
    """A film, and what is said of it."""
    with st.container(border=True, key=f"batch_card_{row.place}"):
        shown, said = st.columns([9, 11], gap="medium")
        with said:
            if isinstance(row.outcome, Prediction):
                st.html(drawing.file_name(row.name) + drawing.reading(row.outcome))
            else:
                st.html(drawing.refusal(row.name, row.outcome))
        if picture:
            caption = HEATMAP_CAPTION if isinstance(row.outcome, Prediction) else "The film as it came, not judged"
            address = drawing.data_address(picture, "image/jpeg")
            shown.image(address, caption=caption, alt="Chest radiograph with its heatmap", width="stretch")


def _pdf(job: Job, status: Status, place: int) -> bytes:
    now = datetime.now()
    return pdf_report(study_report(status, read_study(job, status, place), now), now)


def _html(job: Job, status: Status, place: int) -> bytes:
    return html_report(study_report(status, read_study(job, status, place), datetime.now()))
