"""The model card: `report.json` in words. It takes every number from the report and makes none of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.bootstrap import Estimate, interval_text

_NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC (average precision)",
    "balanced_accuracy": "balanced accuracy",
    "ppv": "PPV",
    "npv": "NPV",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
}


def write_card(report: Mapping[str, Any], path: Path, *, labels: Sequence[str], notes: str | None) -> None:
    """Write the card as Markdown; `notes`, the author's own words on what was tried, go in as they are."""
    parts = [
        f"# Model card: {report['bundle']}\n",
        _use(),
        _data(report["data"], report["set_aside"]),
        _network(report),
        _out_of_fold(report, labels),
        _operating_points(report["operating_points"], labels),
        _batches(report["leave_batch_out"]),
        _test_split(report["test_split"]),
        f"## What was tried\n\n{notes.strip()}\n" if notes else "",
        _versions(report["versions"]),
    ]
    path.write_text("\n".join(part for part in parts if part), encoding="utf-8")


def _use() -> str:
    return (
        "**Research and education only.** Not a medical device; gives no diagnosis; must not decide about any patient.\n\n"
        "The probability is that of the label in images like the training images. It says nothing about other findings, "
        "other ages, other hospitals or other views. The heatmap shows the model's attention, not the location of a lesion.\n"
    )


def _data(data: Mapping[str, Any], set_aside: Sequence[Any]) -> str:
    images = ", ".join(f"{count:,} {label}" for label, count in data["images"].items())
    prevalence = (
        f"- Prevalence in training: {100 * data['prevalence']:.1f} %\n" if data["prevalence"] is not None else ""
    )
    return (
        "## Trained on\n\n"
        f"- Population: {data['population']}\n"
        f"- Images: {images}; {data['patients']:,} patients; {len(set_aside)} unreadable files set aside\n"
        f"- Patients: {data['patient_source']}\n{prevalence}"
        f"- Fingerprint (SHA-256 over labels and files): `{data['fingerprint']}`\n"
    )


def _network(report: Mapping[str, Any]) -> str:
    backbone, run, calibration = report["backbone"], report["configuration"], report["calibration"]
    head, views = run["head"], run["views"]
    augmentation = ", ".join(f"{name} {value}" for name, value in run["augmentation"].items())
    hidden = f"{head['width']} units, ReLU, dropout {head['dropout']}" if head["width"] else "none"
    frozen = f"the last {run['fine_tune']} blocks fine-tuned" if run["fine_tune"] else "frozen"
    fitting = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in run["head_training"].items())
    return (
        "## Network\n\n"
        f"- Backbone: `{backbone['id']}`, {backbone['summary']}; {frozen}; weights {backbone['weights']}, "
        f"SHA-256 `{backbone['weights_sha256']}`\n"
        f"- Views: the plain film and {views} augmented ({augmentation})\n"
        f"- Head: hidden layer {hidden}; softmax\n"
        f"- Fitting: {fitting}; best after {', '.join(map(str, report['epochs']))} epochs; seed {run['seed']}\n"
        f"- Calibration: {calibration['method']}, slope {calibration['slope']:.3f}\n"
    )


def _out_of_fold(report: Mapping[str, Any], labels: Sequence[str]) -> str:
    return (
        "## On patients it had not seen\n\n"
        f"From {report['split']}; brackets are 95 % intervals of a bootstrap over patients. Each image is judged by a head, and "
        "a calibration, that its patient took no part in; the thresholds were chosen on all of these predictions. "
        "Same hospital, same years: elsewhere, expect less.\n\n"
        f"{_metrics(report['out_of_fold'])}\n{_confusion(report['confusion'], labels)}\n"
        "![ROC](roc.png) ![Reliability](reliability.png) ![Probabilities](histogram.png) ![Confusion](confusion.png) "
        "![Learning curves](learning_curves.png)\n"
        if report["operating_points"]
        else "## On patients it had not seen\n\n"
        f"From {report['split']}; 95 % intervals of a bootstrap over patients.\n\n{_metrics(report['out_of_fold'])}\n"
        f"{_confusion(report['confusion'], labels)}\n![Confusion](confusion.png) ![Learning curves](learning_curves.png)\n"
    )


def _metrics(metrics: Mapping[str, Any]) -> str:
    rows = ["| metric | value (95 % interval) | images | patients |", "|---|---|---|---|"]
    for name, raw in metrics.items():
        estimate = Estimate(**raw) if raw else None
        counts = f"{estimate.n:,} | {estimate.patients:,}" if estimate else " | "
        rows.append(f"| {_NAMES.get(name, name.replace('_', ' '))} | {interval_text(estimate)} | {counts} |")
    return "\n".join(rows) + "\n"


def _confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    rows = ["| truth \\ verdict | " + " | ".join(labels) + " |", "|---" * (len(labels) + 1) + "|"]
    rows += [f"| **{label}** | " + " | ".join(map(str, row)) + " |" for label, row in zip(labels, counts, strict=True)]
    return "\n".join(rows) + "\n"


def _operating_points(points: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> str:
    if not points:
        return ""
    rows = ["| operating point | threshold | sensitivity | specificity |", "|---|---|---|---|"]
    for point in points:
        shares = " | ".join("{:.3f} ({:.3f}–{:.3f})".format(*point[name]) for name in ("sensitivity", "specificity"))
        rows.append(f"| {point['name']} | {point['threshold']:.4f} | {shares} |")
    tables = "\n".join(f"At *{point['name']}*:\n\n{_confusion(point['confusion'], labels)}" for point in points)
    return "## Operating points\n\n" + "\n".join(rows) + f"\n\n{tables}"


def _batches(batches: Mapping[str, Any] | None) -> str:
    if batches is None:
        return ""
    rows = ["| fitted on | judged on the others, n | AUROC |", "|---|---|---|"]
    rows += [f"| {score['fitted_on']} | {score['n']:,} | {score['auroc']:.4f} |" for score in batches["scores"]]
    return (
        "## On whole acquisition batches it had not seen\n\n"
        "One batch of each class fitted on, all others judged: a part of the shift that another hospital brings.\n\n"
        + "\n".join(rows)
        + f"\n\nMean: {batches['mean_auroc']:.4f}.\n"
    )


def _test_split(metrics: Mapping[str, Any] | None) -> str:
    if metrics is None:
        return "## External validation\n\nNone.\n"
    return f"## The folder's test split\n\nTouched by nothing but this table.\n\n{_metrics(metrics)}"


def _versions(versions: Mapping[str, str]) -> str:
    return "## Made with\n\n" + ", ".join(f"{name} {version}" for name, version in versions.items()) + "\n"
