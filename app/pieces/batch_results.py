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
from app.pieces.overview import named
from app.words.language import N_, _, current_language, speaking
from app.words.wording import percent, picture_caption, verdict_name
from models.prediction import INDETERMINATE, Prediction

ROWS: Final = 50
_ORDERS: Final[dict[Order, str]] = {
    "place": N_("As they came"),
    "uncertain": N_("Most uncertain first"),
    "probable": N_("Most probable first"),
}


def show_results(job: Job, status: Status) -> None:
    """The films that were judged so far."""
    st.header(_("Results"), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="overview"):
        st.html(drawing.counts(named(count_kinds(job, status), status.labels)), width="content")
        st.download_button(
            _("Download CSV"),
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
    kinds = {None: _("All files"), **{label: label for label in status.labels}}
    if len(status.labels) == 2:
        kinds[INDETERMINATE] = _("Indeterminate")
    kinds |= {f":{WITHHELD}": _("Without verdict"), f":{REFUSED}": _("Refused")}
    with st.container(horizontal=True, vertical_alignment="bottom", key="batch_filter"):
        show = st.selectbox(_("Show"), list(kinds), format_func=kinds.__getitem__, key="batch_show")
        order = st.selectbox(_("Order"), list(_ORDERS), format_func=lambda one: _(_ORDERS[one]), key="batch_order")
        pages = max(1, -(-count_rows(job, show) // ROWS))
        key = f"batch_page_{job.name}_{show}"
        page = st.number_input(_("Page, of {pages}", pages=pages), min_value=1, max_value=pages, key=key)
    rows = list(read_rows(job, status, show=show, order=order, first=(page - 1) * ROWS, most=ROWS))
    if not rows:
        st.caption(_("No file is of this kind."))
    return rows


def _show_table(rows: Sequence[Row], labels: Sequence[str]) -> None:
    st.dataframe(
        [_cells(row, labels) for row in rows],
        hide_index=True,
        placeholder="",
        row_height=64,
        height=64 * min(len(rows), 7) + 40,
        column_config={
            _("Film"): st.column_config.ImageColumn(width="small"),
            _("File"): st.column_config.TextColumn(width="medium"),
            _("Uncertainty"): st.column_config.ProgressColumn(
                min_value=0,
                max_value=1,
                format="%.2f",
                help=_("The entropy of the probabilities: 1 where all are equal."),
            ),
        },
        alt=_("Film, verdict, probabilities and uncertainty of each file; the CSV file holds all of them"),
    )


def _cells(row: Row, labels: Sequence[str]) -> dict[str, object]:
    """A line of the table."""
    outcome = row.outcome
    judged = isinstance(outcome, Prediction)
    reason = outcome.finding if judged else outcome
    return {
        _("Film"): drawing.data_address(row.thumbnail, "image/jpeg") if row.thumbnail else None,
        _("File"): row.name,
        _("Verdict"): verdict_name(outcome.verdict) if judged else _("Refused"),
        **{f"p({label})": percent(outcome.probability(label)) if judged else "" for label in labels},
        _("Uncertainty"): row.uncertainty,
        _("Code"): reason.code if reason else "",
    }


def _offer_study(job: Job, status: Status, rows: Sequence[Row]) -> None:
    """The films of a study, and their report."""
    names = {row.place: row.name for row in rows}
    chosen = st.selectbox(
        _("Look at a film of this page, with the others of its study"),
        list(names),
        index=None,
        format_func=names.__getitem__,
        placeholder=_("Choose a file"),
        key=f"batch_film_{job.name}",
    )
    if chosen is None:
        return
    films = read_study(job, status, chosen)
    with st.container(horizontal=True, key="batch_reports"):
        for kind, mime, make in (("PDF", "application/pdf", _pdf), ("HTML", "text/html", _html)):
            st.download_button(
                _("Report of this study as {kind}", kind=kind),
                partial(make, job, status, chosen, current_language()),
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
            caption = picture_caption(row.outcome)
            address = drawing.data_address(picture, "image/jpeg")
            shown.image(address, caption=caption, alt=_("Chest radiograph with its heatmap"), width="stretch")


def _pdf(job: Job, status: Status, place: int, language: str) -> bytes:
    """Made when it is asked for, where the visitor's session is not at hand: their language is."""
    now = datetime.now()
    with speaking(language):
        return pdf_report(study_report(status, read_study(job, status, place), now), now)


def _html(job: Job, status: Status, place: int, language: str) -> bytes:
    with speaking(language):
        return html_report(study_report(status, read_study(job, status, place), datetime.now()))
