"""The overview of the Screen page: the prevalence, how many films came to which verdict, and the table of all."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app import drawing
from app.patients import patient_groups, patient_row, patients_of
from app.screening import Screened, as_csv, at_prevalence, count_outcomes
from app.session import desk
from app.words.language import _, number
from app.words.wording import LINES, percent, points_sentence, prevalence_sentence, verdict_name
from models.bundle import Bundle, BundleSpec
from models.command_line.by_patient import RULES, Rule, patient_sentence
from models.group import GroupComparison
from models.prediction import Prediction, deciding_points
from models.registry.tables import short_digest


def show_overviews(served: Bundle) -> float | None:
    """The overview of the films that the served bundle judged, and of those that others judged before it; returns the share
    of positive films that was asked for, see `ask_prevalence`.
    """
    by_bundle: dict[str, list[Screened]] = {}
    for result in desk().results.values():
        by_bundle.setdefault(result.bundle.sha256, []).append(result)
    now, prevalence = by_bundle.pop(served.sha256, []), None
    if now:
        st.header(_("Results"), anchor=False)
        prevalence = ask_prevalence(served.spec) if served.spec.positive else None
        show_overview(served, now, prevalence)
    for earlier in by_bundle.values():
        bundle = earlier[0].bundle
        st.header(_("Results of {bundle}, which served before", bundle=bundle.spec.name), anchor=False)
        st.caption(
            _(
                "These films keep the answers of bundle {before}. Clear all and add them again to have them judged by {name}, "
                "bundle {now}, which serves now.",
                before=short_digest(bundle.sha256),
                name=served.spec.name,
                now=short_digest(served.sha256),
            )
        )
        show_overview(bundle, earlier, None)
    return prevalence


def ask_prevalence(spec: BundleSpec) -> float | None:
    """The share of positive films where the films come from; None: as in the training films. It says what follows."""
    trained = _trained_prevalence(spec)
    entry, words = st.columns([2, 3], vertical_alignment="bottom", gap="medium")
    with entry:
        asked = st.number_input(
            _("Share of {label} where the films come from, %", label=spec.positive),
            key="prevalence",
            min_value=0.1,
            max_value=99.9,
            value=None,
            step=1.0,
            format="%.1f",
            placeholder=_("{share}, as in training", share=number(100 * trained, 1)),
        )
        share = trained if asked is None else asked / 100
        points = deciding_points(spec.operating_points)
        words.caption(prevalence_sentence(points, spec.labels, str(spec.positive), share, trained=asked is None))
    return None if asked is None else share


def _trained_prevalence(spec: BundleSpec) -> float:
    """The share of positive films that the bundle's probabilities are for."""
    return spec.calibration.prevalence_of(spec.labels.index(str(spec.positive))) or 0.5


def show_overview(bundle: Bundle, calibrated: Sequence[Screened], prevalence: float | None) -> None:
    """Counts, the table of all films or patients that a bundle judged, at this prevalence, and the CSV file."""
    spec, key = bundle.spec, short_digest(bundle.sha256)
    results = [at_prevalence(result, prevalence) for result in calibrated]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.html(drawing.counts(named(count_outcomes(results, spec.labels), spec.labels)), width="content")
        with st.container(horizontal=True, width="content"):
            st.download_button(
                _("Download CSV"),
                as_csv(results, spec.labels, spec.name),
                file_name="pneumolens.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
                key=f"csv_{key}",
            )
            st.button(_("Clear all"), on_click=desk().clear, key=f"clear_{key}")
    if spec.operating_points:
        st.caption(points_sentence(spec.operating_points))
    if len(results) > 1:
        rule = _ask_rule(spec, key) if len(patient_groups(results)) < len(results) else None
        _show_table(_patient_rows(spec, calibrated, rule, prevalence) if rule else _film_rows(spec, results))


def named(counts: Mapping[str, int], labels: Sequence[str]) -> list[tuple[str, int]]:
    """How many films came to what, in words; a label is the same in every language."""
    return [(name if name in labels else _(name), count) for name, count in counts.items()]


def _ask_rule(spec: BundleSpec, key: str) -> Rule | None:
    """By which rule several films of one patient are judged together; None: each film by itself."""
    rules = {str(rule): rule for rule in RULES if spec.positive or rule != "highest"}
    choices = [*rules, "film"]
    asked = st.selectbox(_("One line for each"), choices, format_func=lambda rule: _(LINES[rule]), key=f"rule_{key}")
    return rules.get(asked)


def _film_rows(spec: BundleSpec, results: Sequence[Screened]) -> list[dict[str, str]]:
    return [_table_row(result, spec.labels) for result in results]


def _patient_rows(
    spec: BundleSpec, calibrated: Sequence[Screened], rule: Rule, prevalence: float | None
) -> list[dict[str, str]]:
    """The rows; it also says how patients are judged."""
    patients = patients_of(calibrated, rule, prevalence)
    st.caption(_(patient_sentence(patients, rule)))
    return [patient_row(number, one, calibrated, spec.labels) for number, one in enumerate(patients, start=1)]


def _show_table(rows: Sequence[dict[str, str]]) -> None:
    st.dataframe(
        rows,
        hide_index=True,
        height=_table_height(len(rows)),
        column_config={name: st.column_config.TextColumn(width="medium") for name in (_("File"), _("Patient"))},
        alt=_("Verdict and probabilities of each line; the CSV file holds those of each file"),
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
        _("File"): result.name,
        _("Verdict"): verdict_name(outcome.verdict) if judged else _("Refused"),
        **{f"p({label})": percent(outcome.probability(label)) if judged else "" for label in labels},
        _("Code"): reason.code if reason else "",
    }


def show_group(compared: GroupComparison | None) -> None:
    """Say whether the films differ as a group from the training films; nothing for a few films."""
    if compared is not None:
        (st.warning if compared.differs else st.caption)(_(compared.sentence()))
