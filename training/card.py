"""The model card: `report.json` in words. It takes every number from the report and makes none of its own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.bootstrap import Estimate, interval_text
from training.wording import metric_name


def write_card(report: Mapping[str, Any], path: Path, *, notes: str | None) -> None:
    """Write the card as Markdown; `notes`, the author's own words on what was tried, go in as they are."""
    parts = [
        f"# Model card: {report['bundle']}\n",
        _use(report["positive"]),
        _data(report),
        _leaks(report["leaks"]),
        _unseen_patients(report),
        _operating_points(report),
        _batches(report["leave_batch_out"]),
        _gate(report["gate"]),
        _test_split(report),
        _network(report),
        _search(report["search"]),
        f"## What was tried\n\n{notes}\n" if notes else "",
        _versions(report["versions"]),
    ]
    path.write_text("\n".join(part for part in parts if part), encoding="utf-8")


def _use(positive: str | None) -> str:
    what = f"the probability of the label {positive}" if positive else "a probability for each label"
    return (
        "**Research and education only.** Not a medical device; gives no diagnosis; must not decide about any patient.\n\n"
        f"It gives {what}, for frontal chest radiographs like those that it was trained on. It knows no other findings, "
        "and says nothing reliable of other ages, other hospitals, other devices or other views. The heatmap shows what "
        "moved the probability, not where a lesion is.\n"
    )


def _data(report: Mapping[str, Any]) -> str:
    data = report["data"]
    images = ", ".join(f"{count:,} {label}" for label, count in data["images"].items())
    lines = [f"- Population: {data['population']}", f"- Images: {images}, of {data['patients']:,} patients"]
    if data["prevalence"] is not None:
        lines.append(f"- Share of {report['positive']} among them: {100 * data['prevalence']:.1f} %")
    if data["test_images"]:
        lines.append(f"- Held back as a test split: {data['test_images']:,} images")
    lines += [
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
    plots = ["roc", "reliability", "histogram", "confusion"] if report["operating_points"] else ["confusion"]
    return (
        f"## On patients it had not seen\n\n{_how_judged(report)} {_verdicts(report)}\n\n"
        "Brackets are 95 % intervals of a bootstrap over patients. These are patients of the same collection: elsewhere, "
        "expect less. PPV and NPV would differ where the finding is rarer or more frequent.\n\n"
        f"{_metrics(report['out_of_fold'])}\n{_confusion(report['confusion'], report['labels'])}\n"
        f"{_plots([*plots, 'learning_curves'])}"
    )


def _how_judged(report: Mapping[str, Any]) -> str:
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
        estimate = Estimate(**raw) if raw else None
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
        "out-of-fold predictions, with films of one patient counted as alike. The target is 0.95, or half of the errors "
        "to be expected at *balanced* where that is stricter.\n\nThe verdicts that this bundle gives, out of fold:\n\n"
        f"{_confusion(report['zone'], [*report['labels'], 'indeterminate'])}\n{tables}"
    )


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


def _test_split(report: Mapping[str, Any]) -> str:
    if report["test_split"] is None:
        return (
            "## External validation\n\nNone in this run. `python -m training evaluate` judges a folder of radiographs "
            "from elsewhere.\n"
        )
    plots = ["roc", "reliability", "histogram", "confusion"] if report["operating_points"] else ["confusion"]
    return (
        "## The folder's test split\n\nFitting, calibration and thresholds never saw these images. "
        f"{_verdicts(report)}\n\n{_metrics(report['test_split'])}\n"
        f"{_confusion(report['test_confusion'], report['labels'])}\n{_plots(plots, prefix='test_')}"
    )


def _network(report: Mapping[str, Any]) -> str:
    backbone, run, calibration = report["backbone"], report["configuration"], report["calibration"]
    head, bias = run["head"], ", ".join(f"{value:.3f}" for value in calibration["bias"])
    hidden = f"{head['width']} units, ReLU, dropout {head['dropout']}" if head["width"] else "none"
    frozen = f"the last {run['fine_tune']} blocks fine-tuned" if run["fine_tune"] else "frozen"
    return (
        "## Network\n\n"
        f"- Backbone: `{backbone['id']}`, {backbone['summary']}; {frozen}; weights {backbone['weights']}, "
        f"SHA-256 `{backbone['weights_sha256']}`\n"
        f"- Views: the plain film and {run['views']} augmented ({_settings(run['augmentation'])})\n"
        f"- Head: hidden layer {hidden}; softmax\n"
        f"- Fitting: {_settings(run['head_training'])}; best after {', '.join(map(str, report['epochs']))} epochs; "
        f"seed {run['seed']}\n"
        f"- Calibration: {calibration['method']}, slope {calibration['slope']:.3f}, bias {bias}\n"
    )


def _search(search: Mapping[str, Any] | None) -> str:
    if search is None:
        return ""
    trials = search["trials"]
    batches = trials[0]["batch_auroc"] is not None
    rows = [
        "| pooling | hidden layer | dropout | weight decay | class weights | AUROC by patient |"
        + (" by batch | mean |" if batches else ""),
        "|---|--:|--:|--:|---|--:|" + ("--:|--:|" if batches else ""),
    ]
    for place, trial in enumerate(trials):
        scores = [trial["auroc"], *([trial["batch_auroc"], trial["score"]] if batches else [])]
        cells = [
            f"**{trial['pooling']}**" if place == search["best"] else trial["pooling"],
            trial["width"] or "none",
            trial["dropout"] if trial["width"] else "",
            trial["l2"],
            "yes" if trial["class_weights"] else "no",
            *(f"{score:.4f}" for score in scores),
        ]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return (
        f"## Heads that were tried\n\nOn the plain film and {search['views']} augmented view of each image, for at most "
        f"{search['epochs']} passes; the best, in bold, was then fitted in full. Taken: the {search['rule']}.\n\n"
        + "\n".join(rows)
        + f"\n\nThe head was chosen among {len(trials)} by its score on the same patients and batches that the numbers of "
        "this card come from: they are the greatest of several, and a little too good.\n"
    )


def _settings(settings: Mapping[str, Any]) -> str:
    words = {True: "yes", False: "no"}
    shown = {name: words[value] if isinstance(value, bool) else value for name, value in settings.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


def _versions(versions: Mapping[str, str]) -> str:
    return "## Made with\n\n" + ", ".join(f"{name} {version}" for name, version in versions.items()) + "\n"
