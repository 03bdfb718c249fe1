"""The results of an evaluation's page, section by section: report in, markup out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from training.metrics.bootstrap import estimate_of, interval_text
from training.metrics.decisions import SHOWN_COVERAGES
from training.reports.html import Markup, figure, figures, heading, interval_bar, markup, paragraph, table
from training.reports.wording import metric_name

_REASONS: Final = {
    "not_a_radiograph": "refused: not a chest radiograph",
    "unlike_training_data": "withheld: unlike the training films",
    "indeterminate": "indeterminate: between rule-out and rule-in",
    "verdict_given": "verdict given",
}

_CAPTIONS: Final = {
    "roc": ("ROC curve", "Sensitivity against 1 − specificity at every threshold, with the bundle’s operating points."),
    "precision_recall": (
        "Precision-recall curve",
        "PPV against sensitivity at the prevalence of these images; the dotted line is a model that knows nothing.",
    ),
    "reliability": (
        "Reliability",
        "Observed share against predicted probability in ten bins of equally many images, with Wilson intervals, which take "
        "images as independent.",
    ),
    "histogram": ("Probabilities", "Predicted probabilities by true class, with the operating points."),
    "confusion": ("Confusion matrix", "Images by truth (rows) and verdict (columns); shares are of the row."),
    "decision_curve": (
        "Decision curve",
        "Net benefit of acting where the probability reaches a threshold, against acting on every image and on none. The "
        "model helps where its curve lies above both.",
    ),
    "risk_coverage": (
        "Error by coverage",
        "Share of wrong verdicts among the images that the model is surest of; sureness is the distance of the probability "
        "from the threshold in log-odds (more than two classes: the greatest probability).",
    ),
    "errors": (
        "The most confident errors",
        "Up to ten wrong verdicts for each true class, the surest first, each with its file, the verdict and the probability "
        "of that verdict. Look for wrong labels, devices, markers and another view.",
    ),
}


def _figure(name: str, pictures: Mapping[str, Path]) -> list[Markup]:
    if name not in pictures:
        return []
    title, text = _CAPTIONS[name]
    return [figure(pictures[name], title, f"{title}. {text}")]


def _metric_rows(metrics: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Name, value with interval, images and patients of each metric."""
    rows: list[tuple[str, ...]] = []
    for name, raw in metrics.items():
        estimate = estimate_of(raw)
        counts = (f"{estimate.n:,}", f"{estimate.patients:,}") if estimate else ("", "")
        rows.append((metric_name(name), interval_text(estimate), *counts))
    return rows


def discrimination(report: Mapping[str, Any], pictures: Mapping[str, Path]) -> list[Markup]:
    """All metrics, and the curves behind them."""
    shown = [
        piece for name in ("roc", "precision_recall", "reliability", "histogram") for piece in _figure(name, pictures)
    ]
    point = report["operating_point"]
    at = (
        f" Verdicts at the operating point “{point['name']}”, a probability of {point['threshold']:.4g}."
        if point
        else ""
    )
    return [
        heading("Discrimination and calibration"),
        table(
            f"All images, whatever the gate says: value (95 % interval, by patient).{at}",
            ("", "value (95 % interval)", "images", "patients"),
            _metric_rows(report["metrics"]),
            numbers=(2, 3),
        ),
        *([figures(shown)] if shown else []),
    ]


def operating_points(report: Mapping[str, Any], pictures: Mapping[str, Path]) -> list[Markup]:
    """The two-by-two tables of the bundle's operating points, and predictive values elsewhere."""
    parts = [heading("Verdicts and what they are worth")]
    if report["operating_points"]:
        positive = report["labels"].index(report["positive"])
        rows = [_point_row(point, positive) for point in report["operating_points"]]
        header = ("operating point", "threshold", "TP", "FN", "FP", "TN", "sensitivity", "specificity", "promised")
        text = (
            f"The bundle’s operating points on these images; positive is {report['positive']}. “Promised” is what they gave on "
            "patients that the bundle had not seen when it was made: sensitivity, then specificity."
        )
        parts.append(table(text, header, rows, numbers=range(1, 6)))
    if report["predictive_values"]:
        own = report["prevalence"]
        values = [
            (
                f"{row['prevalence']:.1%}" + (" (these images)" if row["prevalence"] == own else ""),
                interval_text(estimate_of(row["ppv"])),
                interval_text(estimate_of(row["npv"])),
            )
            for row in report["predictive_values"]
        ]
        text = (
            f"What a verdict at “{report['operating_point']['name']}” would mean at another prevalence, by Bayes’ theorem from "
            "sensitivity and specificity, taken to be the same there."
        )
        parts.append(table(text, ("prevalence", "PPV", "NPV"), values))
    shown = [piece for name in ("confusion", "decision_curve") for piece in _figure(name, pictures)]
    return [*parts, *([figures(shown)] if shown else [])]


def _point_row(point: Mapping[str, Any], positive: int) -> tuple[str, ...]:
    here, other = point["here"], 1 - positive
    counts = here["confusion"]
    cells = (counts[positive][positive], counts[positive][other], counts[other][positive], counts[other][other])
    promised = ", ".join(f"{point[name][0]:.3f}" for name in ("sensitivity", "specificity"))
    return (
        point["name"],
        f"{point['threshold']:.4f}",
        *(f"{count:,}" for count in cells),
        *(interval_text(estimate_of(here[name])) for name in ("sensitivity", "specificity")),
        promised,
    )


def abstention(report: Mapping[str, Any], pictures: Mapping[str, Path]) -> list[Markup]:
    """Who gets no verdict, and how good the others are."""
    found = report["abstention"]
    rows = [
        (_REASONS[name], f"{found['counts'][name]:,}", interval_text(estimate_of(share)))
        for name, share in found["shares"].items()
        if name in found["counts"]
    ]
    missing = [] if found["has_gate"] else ["The bundle has no gate: it judges whatever it is shown."]
    if report["positive"] and not found["has_indeterminate_zone"]:
        missing.append("It has no points rule_out and rule_in, so no verdict is indeterminate.")
    return [
        heading("Abstention"),
        table("Images by what is said of them, and their share.", ("", "images", "share"), rows, numbers=(1,)),
        *(paragraph(text, "lead") for text in missing),
        _judged_table(report),
        figures([Markup(f"<div>{_coverage_table(report['risk_coverage'])}</div>"), *_figure("risk_coverage", pictures)]),
    ]  # fmt: skip


def _judged_table(report: Mapping[str, Any]) -> Markup:
    judged = report["abstention"]["judged"]
    counts = ", ".join(f"{count:,} {label}" for label, count in judged["images"].items())
    if judged["metrics"] is None:
        return paragraph("No image got a verdict.", "note warning")
    rows = [
        (metric_name(name), interval_text(estimate_of(report["metrics"][name])), interval_text(estimate_of(value)))
        for name, value in judged["metrics"].items()
    ]
    title = f"All images, and those with a verdict ({counts}, of {judged['patients']:,} patients)."
    return table(title, ("", "all", "with a verdict"), rows)


def _coverage_table(curve: Mapping[str, Any]) -> Markup:
    rows = [
        (f"{row['coverage']:.0%}", interval_text(estimate_of(row["error"]), digits=4))
        for wanted in SHOWN_COVERAGES
        for row in curve["at"]
        if row["coverage"] == wanted
    ]
    ratio = interval_text(estimate_of(curve["ratio_to_full"]), digits=2)
    text = (
        f"Wrong verdicts among the surest images. The error at {curve['stated_coverage']:.0%} coverage over that at 100 %: "
        f"{ratio}. Area under the curve: {curve['area']:.4g}."
    )
    return table(text, ("coverage", "error"), rows)


def subgroups(report: Mapping[str, Any]) -> list[Markup]:
    """Each group with n and interval."""
    columns = report["subgroups"]
    groups = [one for column in columns for one in column["groups"]]
    names = list(dict.fromkeys(name for one in groups for name in one["metrics"]))
    if not names:
        return [heading("Subgroups"), *(paragraph(_column_title(column), "lead") for column in columns)]
    drawn = [estimate for one in groups if (estimate := estimate_of(one["metrics"][names[0]]))]
    start = min([0.95, *(int(20 * estimate.low) / 20 for estimate in drawn)])
    rows: list[Sequence[str] | str] = []
    for column in columns:
        rows += [_column_title(column), *(_group_row(one, names, start) for one in column["groups"])]
    first, *others = map(metric_name, names)
    text = (
        "Subgroups: value (95 % interval); –: not assessable. * a group of one class, told from all images of the other class. "
        f"Intervals of {first} are drawn from {start:.2f} to 1. Of many groups, some stand out by chance."
    )
    header = ("group", "images", "patients", first, *others)
    return [heading("Subgroups"), table(text, header, rows, numbers=(2,))]


def _column_title(column: Mapping[str, Any]) -> str:
    reason = column["not_assessable"]
    return f"{column['column']}: not assessable, {reason}" if reason else str(column["column"])


def _group_row(one: Mapping[str, Any], names: Sequence[str], start: float) -> tuple[str, ...]:
    """A group's counts and estimates; the first of these is drawn too."""
    estimates = [estimate_of(one["metrics"][name]) for name in names]
    first, *others = (interval_text(estimate) if estimate else "–" for estimate in estimates)
    star = " *" if one["auroc_against_all"] and estimates[0] else ""
    counts = ", ".join(f"{count:,} {label}" for label, count in one["images"].items() if count)
    drawn = Markup(markup(first + star) + interval_bar(estimates[0], start=start, end=1))
    return one["group"], counts, f"{one['patients']:,}", drawn, *others


def errors(report: Mapping[str, Any], pictures: Mapping[str, Path]) -> list[Markup]:
    """The films that were judged wrongly with the greatest sureness."""
    shown = _figure("errors", pictures)
    text = "No verdict was wrong." if not report["errors"] else ""
    return [heading("The most confident errors"), *shown, *([paragraph(text)] if text else [])]
