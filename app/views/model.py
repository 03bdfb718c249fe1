"""The page on the model: what was measured, and on whom."""

import re
from collections.abc import Sequence

import streamlit as st

from app import drawing
from app.measurements import batch_rows, interval, metric_rows, surroundings_rows, surroundings_warning
from app.record import described, history_row, moment, plot_title
from app.serving.serving import served_device
from app.session import serving
from app.words.language import N_, _, number
from app.words.wording import field_sentence, gate_sentence, point_name, points_sentence
from models.backbones.table import get_backbone
from models.prediction import OperatingPoint
from models.registry.served import read_history

PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
METRICS = {
    "out_of_fold": N_("On patients it had not seen"),
    "test_split": N_("On the test split of its data"),
}

now = serving().now
served = now.bundle
spec = served.bundle.spec


def main() -> None:
    """Draw the page."""
    st.title(_("Model"), anchor=False)
    if now.warning:
        st.warning(_(now.warning), icon=":material/warning:")
    st.html(drawing.definitions(identity()))
    if trouble := served_device().trouble:
        said = _("The GPU of this machine is not used; its processor computes. {trouble}", trouble=trouble)
        st.error(said, icon=":material/memory:")
    for finding in served.shortcuts:
        st.error(_("**Shortcut likely**, {finding}", finding=finding), icon=":material/warning:")
    show_field()
    if spec.operating_points:
        st.header(_("Operating points"), anchor=False)
        st.table([point_row(point) for point in spec.operating_points], hide_index=True)
        st.caption(
            _("Chosen and measured on out-of-fold predictions, with 95 % patient-clustered bootstrap intervals.")
        )
        st.markdown(points_sentence(spec.operating_points))
    st.header(_("Films unlike the training films"), anchor=False)
    st.markdown(gate_sentence(spec.gate))
    show_metrics()
    show_plots()
    show_definitions(_("Training data"), described(spec.data))
    show_definitions(_("How it was trained"), described(spec.training))
    show_definitions(_("Versions"), list(spec.versions.items()))
    show_history()
    show_card()


def show_field() -> None:
    """What of a film is judged, and how much of the label lies outside the lungs."""
    st.header(_("What it looks at"), anchor=False)
    st.markdown(field_sentence(spec.field))
    if warning := surroundings_warning(served.surroundings):
        st.error(warning, icon=":material/warning:")
    if served.surroundings:
        st.table(surroundings_rows(served.surroundings), hide_index=True)
        st.caption(_("Exchanged: should be near the AUROC of plain films. Alone: near 0.5, which is chance."))


def identity() -> list[tuple[str, str]]:
    """The bundle's name and make."""
    summary, source = _(get_backbone(spec.backbone.id).summary), _(spec.backbone.source)
    head = _("one hidden layer of {count} units", count=spec.head.width) if spec.head.width else ""
    return [
        (_("Bundle"), spec.name),
        (_("Classes"), ", ".join(spec.labels)),
        (_("Backbone"), _("{summary}; {source} weights", summary=summary, source=source)),
        (_("Head"), head or _("logistic regression on the embedding")),
        (_("Calibration"), _(spec.calibration.method)),
        (_("Computes on"), served_device().summary),
        (_("Made"), moment(spec.created)),
        (_("SHA-256 of bundle.json"), served.bundle.sha256),
    ]


def point_row(point: OperatingPoint) -> dict[str, str]:
    """An operating point as a row."""
    name = point_name(point.name)
    return {
        _("Operating point"): _("{point} (metrics)", point=name)
        if point.name == spec.default_operating_point
        else name,
        _("Threshold"): number(point.threshold, 3),
        _("Sensitivity (95 % interval)"): interval(*point.sensitivity),
        _("Specificity (95 % interval)"): interval(*point.specificity),
    }


def show_metrics() -> None:
    """What was measured, a table for each kind of image that the model had not seen."""
    for key, title in METRICS.items():
        if spec.metrics.get(key):
            st.header(_(title), anchor=False)
            st.table(metric_rows(spec.metrics[key]), hide_index=True)
    if batches := spec.metrics.get("leave_batch_out"):
        st.header(_("On acquisition batches it had not seen"), anchor=False)
        st.table(batch_rows(batches["scores"]), hide_index=True)
        mean = number(batches["mean_auroc"], 4)
        st.caption(_("Mean AUROC: {mean}. A part of the shift that another hospital brings.", mean=mean))


def show_plots() -> None:
    """The plots of the run."""
    if not served.plots:
        return
    st.header(_("Plots"), anchor=False)
    columns = st.columns(2)
    for place, (name, content) in enumerate(served.plots.items()):
        title = plot_title(name)
        alt = _("Plot of the training run: {title}", title=title)
        columns[place % 2].image(content, caption=title, alt=alt, width="stretch")


def show_definitions(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """A part of the bundle's own record, as it stands there."""
    if rows:
        st.header(title, anchor=False)
        st.html(drawing.definitions(rows))


def show_history() -> None:
    """What has been the current bundle from when to when; what people wrote there is not taken for Markdown."""
    st.header(_("What has served when"), anchor=False)
    try:
        history = read_history()
    except OSError as error:
        st.warning(_("The history cannot be read: {reason}.", reason=error.strerror), icon=":material/warning:")
        return
    if serving().fixed:
        st.info(
            _(
                "This app was started with the name {bundle} and keeps to it, whatever is promoted or rolled back. Started "
                "without a name, it serves the current bundle.",
                bundle=spec.name,
            ),
            icon=":material/push_pin:",
        )
    st.dataframe([history_row(period) for period in reversed(history.periods)], hide_index=True)
    for note in history.notes:
        st.text(_(note))
    st.caption(_("The current bundle is the one that an app serves which was started without naming another."))


def show_card() -> None:
    """The card as the run wrote it; its plots stand above."""
    if not served.card:
        return
    st.header(_("Model card"), anchor=False)
    with st.expander(_("The card as the training run wrote it, in English")):
        st.markdown(PICTURE.sub("", served.card), anchors=False)
        st.download_button(_("Download MODEL_CARD.md"), served.card, file_name="MODEL_CARD.md", on_click="ignore")


main()
