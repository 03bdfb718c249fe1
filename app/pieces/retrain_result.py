"""On the Retrain page: the new bundle beside the one that serves, promoted or rolled back."""

import time
from collections.abc import Callable
from typing import Any, Final

import streamlit as st

from app.jobs.retraining import found, picture, trained_bundle
from app.measurements import surroundings_rows, surroundings_warning
from app.serving.promotion import promote_by_name, roll_back
from app.serving.served_bundle import read_served_bundle
from app.session import serving
from app.words.language import N_, _, number
from app.words.wording import error_sentence
from models.backbones.weights import WeightsError
from models.bundle import BundleError
from models.jobs.store import Job
from models.registry.history import Change, RegistryError
from models.registry.served import read_history
from models.registry.tables import short_digest

_METRICS: Final = {
    ("films", "auroc"): N_("AUROC"),
    ("films", "sensitivity"): N_("Sensitivity"),
    ("films", "specificity"): N_("Specificity"),
    ("films", "brier"): N_("Brier score (0 is best)"),
    ("exchanged", "auroc"): N_("AUROC, lungs on exchanged surroundings"),
    ("alone", "auroc"): N_("AUROC, surroundings alone (0.5: nothing is read there)"),
}
REASONS: Final = (N_("They have no positive class in common."), N_("No patient was locked away."))
"""Why two bundles cannot be compared, as training says it."""

_DONE: Final = "registry_said"
_FEW_PATIENTS: Final = 60
_PLOT_WIDTH: Final = 720
_PATIENCE, _POLL_SECONDS = 60.0, 0.1


def show_result(job: Job, *, by: str) -> None:
    """The comparison of what a job has trained, and the form that lets it serve."""
    bundle, report = trained_bundle(job), found(job, "comparison.json")
    if bundle is None or report is None:
        st.warning(_("The bundle of the last training is not there any more, or another one has taken its place."))
        return
    st.header(_("{name}, just trained", name=bundle.spec.name), anchor=False)
    surroundings = read_served_bundle(bundle).surroundings
    if warning := surroundings_warning(surroundings):
        st.error(warning, icon=":material/warning:")
    if surroundings:
        st.markdown(_("How much of the label can be read outside the lungs, on patients that it had not seen:"))
        st.table(surroundings_rows(surroundings), hide_index=True)
    _show_comparison(job, report)
    if bundle.sha256 == serving().now.bundle.bundle.sha256:
        st.success(_("{name} serves now.", name=bundle.spec.name), icon=":material/check:")
    else:
        _ask_promotion(bundle.spec.name, worse=bool(report["worse"]), by=by)


def _show_comparison(job: Job, report: Any) -> None:
    later, earlier = report["later"], report["earlier"]
    st.subheader(
        _("{later} and {earlier} on the same patients", later=later["name"], earlier=earlier["name"]), anchor=False
    )
    if report["reason"]:
        st.info(_("They cannot be compared by numbers. {reason}", reason=_(report["reason"])))
    else:
        st.caption(
            _(
                "{images} films of {patients} locked patients, whom {later} has never learnt from. Differences have paired 95 % "
                "intervals over patients.",
                images=number(report["images"]),
                patients=number(report["patients"]),
                later=later["name"],
            )
        )
        _show_overlap(earlier)
        st.table([_row(report, *key) for key in _METRICS if key[0] in report["rows"]], hide_index=True)
        if report["patients"] < _FEW_PATIENTS:
            st.caption(_("Of so few patients, a difference says little."))
        if plot := picture(job, "comparison.png"):
            st.image(plot, alt=_("Both bundles' numbers with their intervals"), width=_PLOT_WIDTH)


def _show_overlap(earlier: Any) -> None:
    """Whether the bundle that serves has learnt from the patients on which the two are compared."""
    known = earlier["overlap"]
    if known is None:
        st.warning(
            _(
                "{name} does not state which films it was trained on. Where these are among them, its numbers here flatter it.",
                name=earlier["name"],
            )
        )
    elif known["films"] or known["patients"]:
        st.warning(
            _(
                "{name} was trained on {films} of these films, and on {patients} of these patients: its numbers here flatter it.",
                name=earlier["name"],
                films=number(known["films"]),
                patients=number(known["patients"]),
            )
        )


def _row(report: Any, shown: str, metric: str) -> dict[str, str]:
    row = report["rows"][shown]
    return {
        _("On the locked patients"): _(_METRICS[shown, metric]),
        report["later"]["name"]: _estimate(row["later"][metric]),
        report["earlier"]["name"]: _estimate(row["earlier"][metric]),
        _("Difference (95 % interval)"): _estimate(row["difference"][metric]),
    }


def _estimate(found: Any) -> str:
    if found is None:
        return _("not assessable")
    value, low, high = (number(round(found[end], 3) + 0.0, 3) for end in ("value", "low", "high"))
    return _("{value} ({low} to {high})", value=value, low=low, high=high)


def _ask_promotion(name: str, *, worse: bool, by: str) -> None:
    st.subheader(_("Let it serve"), anchor=False)
    st.caption(
        _(
            "A bundle is taken for worse where its AUROC on the locked patients is lower or not known, or, with surroundings "
            "exchanged, lower by more than chance. Such a one is promoted only where its name is typed."
        )
    )
    with st.form("promotion"):
        reason = st.text_input(_("Reason, for the history"))
        typed = (
            st.text_input(_("It is worse. To promote it all the same, type its name: {name}", name=name))
            if worse
            else name
        )
        if not st.form_submit_button(_("Promote {name}", name=name), type="primary"):
            return
    if typed.strip() != name:
        st.error(_("Type the name of the bundle to promote a worse one."))
    else:
        _change(reason, lambda: promote_by_name(name, reason=reason, by=by))


def offer_roll_back(*, by: str) -> None:
    """What serves, what served before, and the form that goes back to it."""
    st.header(_("What serves"), anchor=False)
    if said := st.session_state.pop(_DONE, None):
        st.success(said, icon=":material/check:")
    now = serving().now
    bundle = now.bundle.bundle
    st.markdown(
        _(
            "{name}, bundle {digest}, answers on this server.",
            name=f"**{bundle.spec.name}**",
            digest=short_digest(bundle.sha256),
        )
    )
    if now.warning:
        st.warning(_(now.warning), icon=":material/warning:")
    if serving().fixed:
        st.info(
            _("This app was started with the name of a bundle and keeps to it, whatever is promoted or rolled back.")
        )
    try:
        before = read_history().before
    except OSError as error:
        st.warning(_("The history cannot be read: {reason}.", reason=error.strerror), icon=":material/warning:")
        return
    if before is None:
        st.caption(_("No bundle is on record that served before it."))
        return
    with st.form("roll_back"):
        reason = st.text_input(_("Reason, for the history"), key="roll_back_reason")
        if st.form_submit_button(_("Roll back to {name}", name=before.name)):
            _change(reason, lambda: roll_back(reason=reason, by=by))


def _wait_until_served(change: Change | None) -> None:
    """Let the server take what was changed, so that the page shows it at once; a slow one takes it later."""
    deadline = time.monotonic() + _PATIENCE
    while change and not serving().fixed and time.monotonic() < deadline:
        now = serving().now
        if now.warning or now.bundle.bundle.sha256 == change.bundle.sha256:
            return
        time.sleep(_POLL_SECONDS)


def _change(reason: str, step: Callable[[], Change | None]) -> None:
    """Do it, and say what came of it."""
    if not reason.strip():
        st.error(_("State a reason: it stays in the history."))
        return
    try:
        with st.spinner(_("Loading and trying the bundle …")):
            change = step()
            _wait_until_served(change)
    except (BundleError, WeightsError, RegistryError, ValueError, OSError) as error:
        st.error(error_sentence(error))
        return
    st.session_state[_DONE] = (
        _("{name} is the current bundle now. Servers take it within seconds.", name=change.bundle.name)
        if change
        else _("It is the current bundle already.")
    )
    st.rerun()
