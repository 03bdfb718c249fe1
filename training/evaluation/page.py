"""An evaluation as a page for a reader with a reviewer's eye. It takes every number from the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from training.evaluation.page_sections import (
    abstention,
    discrimination,
    errors,
    operating_points,
    subgroups,
)
from training.metrics.bootstrap import NOT_STATED, estimate_of, interval_text
from training.metrics.comparison import difference_text
from training.reports.html import Markup, document, heading, markup, paragraph, table, tiles
from training.reports.wording import metric_name

PAGE_FILE: Final = "evaluation.html"

_TILES: Final = ("auroc", "macro_auroc", "sensitivity", "specificity", "accuracy", "brier", "calibration_slope")
_REFERENCES: Final = (
    "Field CA, Welsh AH. Bootstrapping clustered data. J R Stat Soc B 2007; doi:10.1111/j.1467-9868.2007.00593.x",
    "Clopper CJ, Pearson ES. The use of confidence or fiducial limits. Biometrika 1934; doi:10.1093/biomet/26.4.404",
    "Davis J, Goadrich M. The relationship between precision-recall and ROC curves. ICML 2006; doi:10.1145/1143844.1143874",
    "Cox DR. Two further applications of a model for binary regression. Biometrika 1958; doi:10.1093/biomet/45.3-4.562",
    "Vickers AJ, Elkin EB. Decision curve analysis. Med Decis Making 2006; doi:10.1177/0272989X06295361",
    "El-Yaniv R, Wiener Y. On the foundations of noise-free selective classification. JMLR 2010; 11:1605–1641",
    "Zou GY, Donner A. Construction of confidence limits about effect measures. Stat Med 2008; doi:10.1002/sim.3095",
)


def evaluation_page(report: Mapping[str, Any], pictures: Mapping[str, Path]) -> str:
    """The page as one HTML text.

    Args:
        report: what evaluation.json says.
        pictures: PNG files by name, such as "roc"; those that are there are put into the page.
    """
    parts = [
        *_head(report),
        *_comparison(report),
        *_images(report),
        *discrimination(report, pictures),
        *operating_points(report, pictures),
        *abstention(report, pictures),
        *subgroups(report),
        *errors(report, pictures),
        *_methods(report),
    ]
    return document(f"Evaluation of {report['bundle']}", parts)


def _head(report: Mapping[str, Any]) -> list[Markup]:
    images = sum(report["images"].values())
    parts = [
        paragraph("PneumoLens · evaluation", "kicker"),
        heading(f"The bundle {report['bundle']} on {images:,} radiographs of {report['patients']:,} patients", 1),
        paragraph(
            "Research and education only. Not a medical device; gives no diagnosis. This page may show films of patients: "
            "treat it as you treat the films.",
            "note",
        ),
    ]
    if report["is_training_data"]:
        parts.append(
            paragraph(
                "These are the very images that the bundle was trained on, so every number here flatters it. The numbers "
                "for patients that it had not seen are in its model card.",
                "note warning",
            )
        )
    shown = [(name, estimate_of(report["metrics"].get(name))) for name in _TILES if name in report["metrics"]]
    boxes = [(metric_name(name), *_value_and_rest(interval_text(estimate))) for name, estimate in shown]
    given = estimate_of(report["abstention"]["shares"]["verdict_given"])
    basis = f"Brackets, here and below, are 95 % intervals of {report['draws']:,} bootstrap draws of whole patients."
    return [
        *parts,
        tiles([*boxes, ("verdict given", *_value_and_rest(interval_text(given)))]),
        paragraph(basis, "lead"),
    ]


def _value_and_rest(text: str) -> tuple[str, str]:
    """A number in words, parted from its interval."""
    value, _, rest = text.partition(" ")
    return (value, rest) if rest.startswith("(") else ("–", text)


def _comparison(report: Mapping[str, Any]) -> list[Markup]:
    found = report["comparison"]
    if found is None:
        return [
            heading("External drop"),
            paragraph(
                "Not computed: no earlier result was named. With --compare and the bundle's report.json (its patients that "
                "it had not seen), or an evaluation.json, the change against it stands here.",
                "lead",
            ),
        ]
    own = "the bundle’s own result, out of fold, on patients that it had not seen,"
    before = own if found["kind"] == "out of fold" else "the earlier evaluation"
    rows = [
        (
            metric_name(row["metric"]) + (" †" if row["follows_prevalence"] else ""),
            interval_text(estimate_of(row["before"])),
            interval_text(estimate_of(row["here"])),
            difference_text(row["difference"]),
        )
        for row in found["rows"]
    ]
    drops = [
        (f"{metric_name(row['metric'])}, change", *_value_and_rest(difference_text(row["difference"])))
        for row in found["rows"]
        if row["difference"] and row["metric"] in _TILES and not row["follows_prevalence"]
    ]
    caption = f"From {before} to these images. † follows the prevalence, so it changes even where the model does not."
    return [
        heading("External drop"),
        *([tiles(drops)] if drops else []),
        table(caption, ("", "before", "here", "here less before"), rows),
        *_caveats(found),
    ]


def _caveats(found: Mapping[str, Any]) -> list[Markup]:
    same = "Both results are of the very same images: there is no drop to be measured."
    notes = [paragraph(same, "note warning") if found["same_images"] else paragraph(found["method"], "lead")]
    if not found["same_bundle_name"]:
        notes.append(paragraph(f"The earlier result is of another bundle, {found['bundle']}.", "note warning"))
    return notes


def _images(report: Mapping[str, Any]) -> list[Markup]:
    trained, here = report["trained_on"], report["images"]
    rows = [
        ("Images", _counts(here), _counts(trained["images"] or {})),
        ("Patients", f"{report['patients']:,}", f"{trained['patients']:,}" if trained["patients"] else NOT_STATED),
        ("Set aside, unreadable", f"{len(report['set_aside']):,}", ""),
        ("Population", "author must state", trained["population"] or NOT_STATED),
        ("View", "see subgroups", trained["view"] or NOT_STATED),
        ("Source of the labels", "folders; author must state", trained["label_source"] or NOT_STATED),
    ]
    if report["prevalence"] is not None:
        rows.insert(2, (f"Share of {report['positive']}", f"{report['prevalence']:.1%}", _share(report)))
    return [
        heading("Images"),
        table("What was judged, and what the bundle was trained on.", ("", "here", "trained on"), rows),
        paragraph(f"Patients: {report['patient_source']}.", "lead"),
    ]  # fmt: skip


def _share(report: Mapping[str, Any]) -> str:
    images = report["trained_on"]["images"] or {}
    total = sum(images.values())
    return f"{images.get(report['positive'], 0) / total:.1%}" if total else NOT_STATED


def _counts(images: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {label}" for label, count in images.items())


def _methods(report: Mapping[str, Any]) -> list[Markup]:
    references = "\n".join(f"<li>{markup(reference)}</li>" for reference in _REFERENCES)
    hashes = [
        ("Bundle", report["bundle"]),
        ("SHA-256 of bundle.json", report["bundle_sha256"]),
        ("Fingerprint of these images", report["data_fingerprint"]),
        ("Evaluated", report["created"]),
    ]
    return [
        heading("Methods"),
        paragraph(
            f"Intervals are 95 % percentile intervals of {report['draws']:,} bootstrap draws of whole patients [1], so "
            "images of one patient are not taken as independent; where every draw agrees, the exact binomial bound for that "
            "many patients is given [2]. AUPRC is average precision [3]. Calibration slope and intercept are those of the "
            "logistic regression of the truth on the log-odds of the prediction [4]: 1 and 0 where probabilities mean what "
            "they say. Net benefit follows [5], error by coverage [6], and the change against an earlier result [7]. "
            "Where every draw ranks all images rightly, the interval of AUROC and AUPRC has no width, and says nothing of rarer "
            "errors. A number that the images cannot give is marked “not assessable”."
        ),
        paragraph(
            "No threshold and no calibration was fitted on these images: both came with the bundle. Verdicts are taken at "
            "the operating point named in each table. Unless a table says otherwise, images that the gate holds back are "
            "counted with the verdict that the probability would have given."
        ),
        Markup(f'<ol class="references">\n{references}\n</ol>'),
        table(
            "What was evaluated, and when.",
            ("", ""),
            [(name, Markup(f"<code>{markup(value)}</code>")) for name, value in hashes],
        ),
    ]
