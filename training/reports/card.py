"""The model card: `report.json` in words. It takes every number from the report and makes none of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from training.metrics.bootstrap import estimate_of, interval_text
from training.metrics.decisions import SHOWN_COVERAGES
from training.reports.card_lungs import lungs
from training.reports.card_network import made_with, network, search
from training.reports.card_robustness import robustness
from training.reports.wording import metric_name

_OF_TWO_CLASSES: Final = ("roc", "precision_recall", "reliability", "histogram", "decision_curve")


def write_card(report: Mapping[str, Any], path: Path) -> None:
    """Write the card as Markdown; the author's own notes on what was tried go in as they are."""
    notes = report["notes"]
    parts = [
        f"# Model card: {report['bundle']}\n",
        _use(report["positive"]),
        _data(report),
        _leaks(report["leaks"]),
        lungs(report),
        _unseen_patients(report),
        _operating_points(report),
        _calibration(report),
        _coverage(report["risk_coverage"]),
        _batches(report["leave_batch_out"]),
        _gate(report["gate"]),
        _test_split(report),
        _external(report["external"]),
        robustness(report["robustness"]),
        network(report),
        search(report["search"]),
        f"## What was tried\n\n{notes}\n" if notes else "",
        made_with(report),
    ]
    path.write_text("\n".join(part for part in parts if part), encoding="utf-8")


def _external(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return (
            "## External result\n\nNone. `python -m training evaluate` judges a folder of radiographs from elsewhere; until it "
            "has, nothing is known of other hospitals.\n"
        )
    rows = [
        f"| {metric_name(name)} | {interval_text(estimate_of(value))} |" for name, value in found["metrics"].items()
    ]
    images = ", ".join(f"{count:,} {label}" for label, count in found["images"].items())
    abstained = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in found["abstention"].items())
    return (
        f"## External result\n\n{images}, of {found['patients']:,} patients, data `{found['data_fingerprint'][:16]}…`, judged "
        f"on {found['created'][:10]}; {abstained}.\n\n| metric | value (95 % interval) |\n|---|---|\n"
        + "\n".join(rows)
        + "\n"
    )


def _use(positive: str | None) -> str:
    what = f"the probability of the label {positive}" if positive else "a probability for each label"
    return (
        "**Research and education only.** Not a medical device; gives no diagnosis; must not decide about any patient.\n\n"
        "## Intended use\n\n"
        f"To study and to teach how such a model behaves. It gives {what}, for one frontal chest radiograph like those that it "
        "was trained on, read by a person who knows that the probability may be wrong.\n\n"
        "## Not intended for\n\n"
        "- Any decision about a patient: diagnosis, triage, treatment, or leaving a film unread.\n"
        "- Other ages, hospitals, devices or views than below: nothing reliable is known there until it is measured.\n"
        "- Other findings: it knows none. A film that it calls free of the one may show any other.\n"
        "- Finding where something is: the heatmap shows model attention, not lesion location.\n"
    )


def _data(report: Mapping[str, Any]) -> str:
    data = report["data"]
    images = ", ".join(f"{count:,} {label}" for label, count in data["images"].items())
    lines = [
        f"- Population: {data['population']}",
        f"- View: {data['view']}",
        f"- Source of the labels: {data['label_source']}",
        f"- Images: {images}, of {data['patients']:,} patients",
    ]
    if data["prevalence"] is not None:
        lines.append(f"- Share of {report['positive']} among them: {100 * data['prevalence']:.1f} %")
    if data["test_images"]:
        lines.append(f"- Held back as a test split: {data['test_images']:,} images")
    lines += [
        "- Unit of every split: the patient",
        f"- How patients were told apart: {data['patient_source']}",
        f"- Files set aside because they could not be read: {data['set_aside']:,}",
        f"- Fingerprint (SHA-256 over labels and files): `{data['fingerprint']}`",
    ]
    return "## Trained on\n\n" + "\n".join(lines) + "\n"


def _leaks(leaks: Mapping[str, Any]) -> str:
    searched = (
        "Searched for before anything was fitted: films of equal pixels, films that differ only in encoding or size, and "
        "patients in both the training part and the test split."
    )
    kinds = {
        "exact": "exact duplicates",
        "near": "near-duplicates",
        "patients": "patients in both the training part and the test split",
        "label_conflicts": "of the exact duplicates, films under two labels, which both stayed unless taken out",
    }
    found = [f"- {name}: {leaks[kind]:,}" for kind, name in kinds.items() if leaks[kind]]
    if not found:
        return f"## Leaks\n\n{searched} None found among {leaks['images']:,} images.\n"
    return (
        f"## Leaks\n\n{searched} Found among {leaks['images']:,} images, across patients or splits:\n\n"
        + "\n".join(found)
        + f"\n\nRegrouped: patients merged into another: {leaks['merged']:,}; images taken out of the training part, whose "
        f"patients the test split shows: {leaks['taken_out']:,}.\n"
    )


def _unseen_patients(report: Mapping[str, Any]) -> str:
    return (
        f"## On patients it had not seen\n\n{_how_judged(report)} {_verdicts(report)}\n\n"
        "Brackets are 95 % intervals of a bootstrap over patients. These are patients of the same collection: elsewhere, "
        "expect less. PPV and NPV would differ where the finding is rarer or more frequent.\n\n"
        f"{_metrics(report['out_of_fold'])}\n{_confusion(report['confusion'], report['labels'])}\n"
        f"{_plots([*_drawn(report), 'learning_curves'])}"
    )


def _drawn(report: Mapping[str, Any]) -> list[str]:
    return [*(_OF_TWO_CLASSES if report["operating_points"] else ()), "risk_coverage", "confusion"]


def _how_judged(report: Mapping[str, Any]) -> str:
    if report["configuration"].get("scratch"):  # not in the records of earlier versions
        return (
            "Judged on a fifth of the patients that no training has seen and that did not decide when it stopped. The "
            "calibration and the thresholds come from them too: numbers that depend on a threshold are a little too good."
        )
    if report["configuration"]["fine_tune"]:
        return (
            "Judged on the patients that fine-tuning held out, and on no others. No weight was fitted on them, but they "
            "decided when fine-tuning stopped, and the calibration and the thresholds come from them too: the numbers "
            "are a little too good."
        )
    return (
        f"Cross-validation in {report['folds']} folds: each image is judged by a head, and a calibration, that its patient "
        "took no part in. The thresholds were chosen on all of these predictions."
    )


def _verdicts(report: Mapping[str, Any]) -> str:
    if report["positive"] is None:
        return "The verdict is the likeliest label."
    return f"Positive means {report['positive']}; verdicts are at the operating point *{report['default_operating_point']}*."


def _metrics(metrics: Mapping[str, Any]) -> str:
    rows = ["| metric | value (95 % interval) | images | patients |", "|---|---|--:|--:|"]
    for name, raw in metrics.items():
        estimate = estimate_of(raw)
        counts = f"{estimate.n:,} | {estimate.patients:,}" if estimate else " | "
        rows.append(f"| {metric_name(name)} | {interval_text(estimate)} | {counts} |")
    return "\n".join(rows) + "\n"


def _confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    rows = ["| truth ↓ verdict → | " + " | ".join(labels) + " |", "|---|" + "--:|" * len(labels)]
    rows += [
        f"| **{label}** | " + " | ".join(f"{count:,}" for count in row) + " |"
        for label, row in zip(labels, counts, strict=False)  # the verdict may be none of the labels
    ]
    return "\n".join(rows) + "\n"


def _plots(names: Sequence[str], *, prefix: str = "") -> str:
    return "\n".join(f"![{name.replace('_', ' ')}]({prefix}{name}.png)" for name in names) + "\n"


def _operating_points(report: Mapping[str, Any]) -> str:
    points = report["operating_points"]
    if not points:
        return ""
    rows = ["| operating point | threshold | sensitivity | specificity | promise |", "|---|--:|---|---|---|"]
    for point in points:
        shares = " | ".join(
            "{:.3f} ({:.3f}\N{EN DASH}{:.3f})".format(*point[name]) for name in ("sensitivity", "specificity")
        )
        rows.append(f"| {point['name']} | {point['threshold']:.4f} | {shares} | {_promise(point)} |")
    others = [point for point in points if point["name"] != report["default_operating_point"]]
    tables = "\n".join(
        f"Verdicts at *{point['name']}*:\n\n{_confusion(point['confusion'], report['labels'])}" for point in others
    )
    return (
        f"## Operating points\n\nThe verdict is {report['positive']} where its probability reaches *rule_in*, the other label "
        "where it stays below *rule_out*, and between them **indeterminate: refer to a reader**. *balanced* has the greatest "
        "sum of sensitivity and specificity; the metrics above are for plain verdicts at it.\n\n"
        + "\n".join(rows)
        + "\n\nWhat is promised holds on new patients of the same kind with 95 % confidence: the one-sided lower bound on "
        "out-of-fold predictions, with films of one patient counted as alike"
        f"{_by_batch(report['leave_batch_out'])}. The target is 0.95, or half of the errors "
        "to be expected at *balanced* where that is stricter.\n\nThe verdicts that this bundle gives, out of fold:\n\n"
        f"{_confusion(report['zone'], [*report['labels'], 'indeterminate'])}\n{tables}"
    )


def _by_batch(batches: Mapping[str, Any] | None) -> str:
    """What each way to hold films out could promise by itself."""
    if not batches or not batches.get("promises"):
        return ""
    words = "; ".join(
        f"{what}: sensitivity {values['rule_out']:.3f}, specificity {values['rule_in']:.3f}"
        for what, values in batches["promises"].items()
    )
    return f", and the lower of what patients and what whole acquisition batches allow ({words})"


def _promise(point: Mapping[str, Any]) -> str:
    what = {"rule_out": "sensitivity", "rule_in": "specificity"}
    return "none" if point["promise"] is None else f"{what[point['name']]} ≥ {point['promise']:.3f}"


def _batches(batches: Mapping[str, Any] | None) -> str:
    if batches is None:
        return ""
    rows = ["| fitted on | judged on all others, images | AUROC |", "|---|--:|--:|"]
    rows += [f"| {score['fitted_on']} | {score['n']:,} | {score['auroc']:.4f} |" for score in batches["scores"]]
    return (
        "## On whole acquisition batches it had not seen\n\n"
        "A head fitted on one batch of each class, and judged on all other batches: a part of the change that another "
        "hospital brings.\n\n" + "\n".join(rows) + f"\n\nMean: {batches['mean_auroc']:.4f}.\n"
    )


def _gate(gate: Mapping[str, Any]) -> str:
    return (
        "## What it declines to judge\n\n"
        "Every image's distance from the training films is measured in the embedding; 1 is typical of them. Above "
        f"{gate['unlike']:.2f} the verdict is withheld (`unlike_training_data`), above {gate['not_a_radiograph']:.2f} the image "
        "is refused (`not_a_radiograph`). Of {:,} films of patients that the measure had not seen, {:.1%} ({:.1%} to {:.1%}) lie "
        "above the first limit".format(gate["n"], *gate["false_alarms"])
        + f", and the farthest at {gate['largest_distance']:.2f}.\n"
    )


def _calibration(report: Mapping[str, Any]) -> str:
    check = report["calibration"]["check"]
    rows = [
        f"| {name} | {interval_text(estimate_of(check.get(key)), digits=4)} |"
        for key, name in (
            ("slope", "calibration slope (ideal 1)"),
            ("brier", "Brier score, calibrated"),
            ("brier_uncalibrated", "Brier score, uncalibrated"),
            ("brier_gain", "gain: uncalibrated less calibrated, image by image"),
        )
    ]
    promises = (
        ("the interval of the slope holds 1", check["slope_interval_holds_1"]),
        ("the Brier score is better than uncalibrated", check["brier_better_than_uncalibrated"]),
    )
    words = {True: "yes", False: "**no**", None: "not assessable"}
    kept = "; ".join(f"{promise}: {words[holds]}" for promise, holds in promises)
    return (
        "## Calibration\n\nThe calibration that judged an image was fitted without its fold.\n\n"
        "| out of fold | value (95 % interval) |\n|---|---|\n" + "\n".join(rows) + f"\n\nPromised: {kept}.\n"
    )


def _coverage(curve: Mapping[str, Any]) -> str:
    rows = [
        f"| {row['coverage']:.0%} | {interval_text(estimate_of(row['error']), digits=4)} |"
        for row in reversed(curve["at"])
        if row["coverage"] in SHOWN_COVERAGES
    ]
    return (
        "## Error by coverage\n\nWrong verdicts among the images whose probability lies farthest from the threshold, out of "
        "fold: what declining the others would buy.\n\n| coverage | error (95 % interval) |\n|--:|---|\n"
        + "\n".join(rows)
        + f"\n\nThe error at {curve['stated_coverage']:.0%} coverage over that at 100 %: "
        f"{interval_text(estimate_of(curve['ratio_to_full']), digits=2)}.\n"
    )


def _test_split(report: Mapping[str, Any]) -> str:
    if report["test_split"] is None:
        return ""
    return (
        "## The folder's test split\n\nFitting, calibration and thresholds never saw these images. "
        f"{_verdicts(report)}\n\n{_metrics(report['test_split'])}\n"
        f"{_confusion(report['test_confusion'], report['labels'])}\n{_plots(_drawn(report), prefix='test_')}"
    )
