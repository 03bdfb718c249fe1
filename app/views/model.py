"""The page on the model: what was measured, and on whom."""

import re
from collections.abc import Sequence

import streamlit as st

from app import drawing
from app.measurements import batch_rows, interval, metric_rows, surroundings_rows, surroundings_warning
from app.serving import served_device
from app.session import serving
from app.wording import described, field_sentence, gate_sentence, point_name, points_sentence
from models.backbones.table import get_backbone
from models.prediction import OperatingPoint
from models.registry.served import read_history
from models.registry.tables import period_row

PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
METRICS = {
    "out_of_fold": "On patients it had not seen",
    "test_split": "On the test split of its data",
}

now = serving().now
served = now.bundle
spec = served.bundle.spec


def main() -> None:
    """Draw the page."""
    st.title("Model", anchor=False)
    if now.warning:
        st.warning(now.warning, icon=":material/warning:")
    st.html(drawing.definitions(identity()))
    if trouble := served_device().trouble:
        said = "The GPU of this machine is not used; its processor computes. {trouble}"
        st.error(said.format(trouble=trouble), icon=":material/memory:")
    for finding in served.shortcuts:
        st.error(f"**Shortcut likely**, {finding}", icon=":material/warning:")
    show_field()
    if spec.operating_points:
        st.header("Operating points", anchor=False)
        st.table([point_row(point) for point in spec.operating_points], hide_index=True)
        st.caption("Chosen and measured on out-of-fold predictions, with 95 % patient-clustered bootstrap intervals.")
        st.markdown(points_sentence(spec.operating_points))
    st.header("Films unlike the training films", anchor=False)
    st.markdown(gate_sentence(spec.gate))
    show_metrics()
    show_plots()
    show_definitions("Training data", described(spec.data))
    show_definitions("How it was trained", described(spec.training))
    show_definitions("Versions", list(spec.versions.items()))
    show_history()
    show_card()


def show_field() -> None:
    """What of a film is judged, and how much of the label lies outside the lungs."""
    st.header("What it looks at", anchor=False)
    st.markdown(field_sentence(spec.field))
    if warning := surroundings_warning(served.surroundings):
        st.error(warning, icon=":material/warning:")
    if served.surroundings:
        st.table(surroundings_rows(served.surroundings), hide_index=True)
        st.caption("Exchanged: should be near the AUROC of plain films. Alone: near 0.5, which is chance.")


def identity() -> list[tuple[str, str]]:
    """The bundle's name and make."""
    backbone = spec.backbone
    return [
        ("Bundle", spec.name),
        ("Classes", ", ".join(spec.labels)),
        ("Backbone", f"{get_backbone(backbone.id).summary}; {backbone.source} weights"),
        (
            "Head",
            f"one hidden layer of {spec.head.width} units"
            if spec.head.width
            else "logistic regression on the embedding",
        ),
        ("Calibration", spec.calibration.method),
        ("Computes on", served_device().summary),
        ("Made", spec.created),
        ("SHA-256 of bundle.json", served.bundle.sha256),
    ]


def point_row(point: OperatingPoint) -> dict[str, str]:
    """An operating point as a row."""
    default = " (metrics)" if point.name == spec.default_operating_point else ""
    return {
        "Operating point": point_name(point.name) + default,
        "Threshold": f"{point.threshold:.3f}",
        "Sensitivity (95 % interval)": interval(*point.sensitivity),
        "Specificity (95 % interval)": interval(*point.specificity),
    }


def show_metrics() -> None:
    """What was measured, a table for each kind of image that the model had not seen."""
    for key, title in METRICS.items():
        if spec.metrics.get(key):
            st.header(title, anchor=False)
            st.table(metric_rows(spec.metrics[key]), hide_index=True)
    if batches := spec.metrics.get("leave_batch_out"):
        st.header("On acquisition batches it had not seen", anchor=False)
        st.table(batch_rows(batches["scores"]), hide_index=True)
        st.caption(f"Mean AUROC: {batches['mean_auroc']:.4f}. A part of the shift that another hospital brings.")


def show_plots() -> None:
    """The plots of the run."""
    if not served.plots:
        return
    st.header("Plots", anchor=False)
    columns = st.columns(2)
    for number, (name, content) in enumerate(served.plots.items()):
        title = name.removesuffix(".png").replace("_", " ")
        columns[number % 2].image(content, caption=title, alt=f"Plot of the training run: {title}", width="stretch")


def show_definitions(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """A part of the bundle's own record, as it stands there."""
    if rows:
        st.header(title, anchor=False)
        st.html(drawing.definitions(rows))


def show_history() -> None:
    """What has been the current bundle from when to when; what people wrote there is not taken for Markdown."""
    st.header("What has served when", anchor=False)
    try:
        history = read_history()
    except OSError as error:
        st.warning(f"The history cannot be read: {error.strerror}.", icon=":material/warning:")
        return
    if serving().fixed:
        st.info(
            f"This app was started with the name {spec.name} and keeps to it, whatever is promoted or rolled back. Started "
            "without a name, it serves the current bundle.",
            icon=":material/push_pin:",
        )
    st.dataframe([period_row(period) for period in reversed(history.periods)], hide_index=True)
    for note in history.notes:
        st.text(note)
    st.caption("The current bundle is the one that an app serves which was started without naming another.")


def show_card() -> None:
    """The card as the run wrote it; its plots stand above."""
    if not served.card:
        return
    st.header("Model card", anchor=False)
    with st.expander("The card as the training run wrote it"):
        st.markdown(PICTURE.sub("", served.card), anchors=False)
        st.download_button("Download MODEL_CARD.md", served.card, file_name="MODEL_CARD.md", on_click="ignore")


main()
