"""`reporting.json`: what a run can say to the items of three reporting guidelines, and which its author must state.

The items stand in `reporting_items.json` by number and in our own words; the guidelines themselves are named there.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from training.metrics.bootstrap import NOT_STATED, estimate_of, interval_text
from training.reports.card_robustness import error_text
from training.reports.wording import metric_name, settings_text

REPORTING_FILE: Final = "reporting.json"
AUTHOR: Final = "author must state"

_ITEMS: Final = Path(__file__).with_name("reporting_items.json")

Report = Mapping[str, Any]


def write_reporting(report: Report, path: Path) -> None:
    """Write the items with what the run says to each."""
    path.write_text(json.dumps(reporting(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def reporting(report: Report) -> dict[str, Any]:
    """Each guideline with its source, its items, and how many of them the run has filled."""
    facts = {name: fact(report) for name, fact in FACTS.items()}
    found: dict[str, Any] = {}
    for guideline, content in json.loads(_ITEMS.read_text(encoding="utf-8")).items():
        items = [
            {"item": number, "about": about, "text": (facts[name] if name else "") or AUTHOR}
            for number, about, name in content["items"]
        ]
        filled = sum(item["text"] != AUTHOR for item in items)
        found[guideline] = {"source": content["source"], "filled": filled, "of": len(items), "items": items}
    return found


def _stated(text: str) -> str:
    """What the author said when starting the run; "" where nothing was said."""
    return "" if text == NOT_STATED else text


def _intended_use(report: Report) -> str:
    what = f"the probability of {report['positive']}" if report["positive"] else "a probability for each label"
    return (
        f"Research and education: {what} for frontal chest radiographs like those of the training folder. Not a device, "
        "no diagnosis."
    )


def _eligibility(report: Report) -> str:
    return (
        f"Every readable image in the class folders {', '.join(report['labels'])}; the clinical criteria behind the folders "
        "the author must state."
    )


def _preprocessing(report: Report) -> str:
    return (
        "Decoded to luminance (DICOM: modality and VOI look-up, MONOCHROME1 inverted), resized and scaled inside the network "
        f"as {report['backbone']['id']} was trained; embeddings standardised before the head."
    )


def _missing_data(report: Report) -> str:
    return f"Files that could not be read: {report['data']['set_aside']:,}, set aside and listed by code; nothing was imputed."


def _partitions(report: Report) -> str:
    test = report["data"]["test_images"]
    held = (
        f"; {test:,} images of the folder's test split were kept from fitting" if test else "; no separate test split"
    )
    if report["configuration"].get("scratch"):
        return f"One fifth of the patients held out to judge and calibrate by; a seventh of the rest to stop by{held}."
    if report["configuration"]["fine_tune"]:
        return f"One fifth of the patients held out for fine-tuning, calibration and thresholds{held}."
    return (
        f"Cross-validation in {report['folds']} folds, stratified by class, seed {report['configuration']['seed']}{held}. "
        "Calibration and thresholds from the held-out folds alone."
    )


def _split_unit(report: Report) -> str:
    leaks = report["leaks"]
    found = sum(leaks[kind] for kind in ("exact", "near", "patients"))
    return (
        f"The patient ({report['data']['patient_source']}). Searched for duplicates and patients on both sides: {found:,} found, "
        f"{leaks['merged']:,} merged, {leaks['taken_out']:,} taken out."
    )


def _architecture(report: Report) -> str:
    head = report["configuration"]["head"]
    return (
        f"Backbone {report['backbone']['id']} ({report['backbone']['summary']}), {head['pooling']} pooling, one hidden layer of "
        f"{head['width']} units (0: none), softmax over {', '.join(report['labels'])}."
    )


def _initialisation(report: Report) -> str:
    backbone = report["backbone"]
    return f"Backbone: {backbone['weights']} weights, SHA-256 {backbone['weights_sha256']}; the head at random, seeded."


def _fitting(report: Report) -> str:
    run = report["configuration"]
    augmented = f" ({settings_text(run['augmentation'])})" if run["views"] else ""
    return f"{run['views']} augmented views besides the plain film{augmented}; head: {settings_text(run['head_training'])}."


def _selection(report: Report) -> str:
    run = report["configuration"]
    if run.get("scratch") or run["fine_tune"]:
        return f"The weights of the epoch ({report['epochs'][0]}) with the lowest loss on patients that were watched."
    tried = (
        f"The best of {len(report['search']['trials'])} heads by {report['search']['rule']}. "
        if report["search"]
        else ""
    )
    return f"{tried}Fitted on all patients, for as many steps as the heads of the folds."


def _robustness(report: Report) -> str:
    found = report["robustness"]
    if not found:
        return ""
    mean = error_text(found["mean_balanced_error"])
    return f"Mean balanced error over {len(found['cells'])} corruptions and severities: {mean}."


def _result(metrics: Mapping[str, Any]) -> str:
    shown = ("auroc", "macro_auroc", "sensitivity", "specificity", "accuracy", "brier", "calibration_slope")
    return "; ".join(
        f"{metric_name(name)} {interval_text(estimate_of(metrics[name]))}" for name in shown if name in metrics
    )


def _flow(report: Report) -> str:
    data, taken_out = report["data"], report["leaks"]["taken_out"]
    return (
        f"{sum(data['images'].values()):,} images of {data['patients']:,} patients learnt from, {data['test_images']:,} held "
        f"back as a test split, {data['set_aside']:,} set aside as unreadable, {taken_out:,} taken out as leaks."
    )


def _counts(report: Report) -> str:
    images = ", ".join(f"{count:,} {label}" for label, count in report["data"]["images"].items())
    return f"{images}, of {report['data']['patients']:,} patients; demographics the author must state."


def _batches(report: Report) -> str:
    batches = report["leave_batch_out"]
    if not batches:
        return ""
    return f"Whole acquisition batches left out: mean AUROC {batches['mean_auroc']:.4f} over {len(batches['scores'])} choices."


def _calibration(report: Report) -> str:
    check = report["calibration"]["check"]
    numbers = {name: interval_text(estimate_of(check.get(name))) for name in ("brier", "brier_uncalibrated")}
    return (
        f"{report['calibration']['method']}, fitted on held-out folds: Brier {numbers['brier']}, uncalibrated "
        f"{numbers['brier_uncalibrated']}."
    )


def _output(report: Report) -> str:
    points = ", ".join(f"{point['name']} at {point['threshold']:.4f}" for point in report["operating_points"])
    return f"Calibrated probabilities; thresholds chosen on out-of-fold predictions: {points or 'none, the likeliest label'}."


def _failures(report: Report) -> str:
    return f"Confusion out of fold, truth in rows, {' and '.join(report['labels'])}: {report['confusion']}."


FACTS: Final[Mapping[str, Callable[[Report], str]]] = {
    "intended_use": _intended_use,
    "data_source": lambda report: _stated(report["data"]["population"]),
    "eligibility": _eligibility,
    "preprocessing": _preprocessing,
    "missing_data": _missing_data,
    "acquisition": lambda report: _stated(report["data"]["view"]),
    "labels": lambda report: _stated(report["data"]["label_source"]),
    "partitions": _partitions,
    "split_unit": _split_unit,
    "architecture": _architecture,
    "architecture_and_fitting": lambda report: f"{_architecture(report)} {_fitting(report)} {_partitions(report)}",
    "software": lambda report: ", ".join(f"{name} {version}" for name, version in report["versions"].items()),
    "initialisation": _initialisation,
    "fitting": _fitting,
    "selection": _selection,
    "ensemble": lambda report: "None: one network.",
    "measures": lambda report: ", ".join(map(metric_name, report["out_of_fold"])),
    "intervals": lambda report: f"95 % percentile intervals of {report['draws']:,} bootstrap draws of whole patients.",
    "robustness": _robustness,
    "explanation": lambda report: "Heatmaps: Grad-CAM in closed form; model attention, not lesion location.",
    "internal_result": lambda report: _result(report["out_of_fold"]),
    "external_result": lambda report: (
        _result(report["external"]["metrics"]) if report["external"] else "None: no external data were judged."
    ),
    "flow": _flow,
    "counts": _counts,
    "accuracy": lambda report: _result(report["out_of_fold"]),
    "failures": _failures,
    "availability": lambda report: (
        "Code: PneumoLens, Apache-2.0. Where weights and data can be had the author must state."
    ),
    "predictors": lambda report: "The pixels of one radiograph, and nothing else.",
    "no_assessors": lambda report: "Not applicable: predictors are pixels.",
    "batches": _batches,
    "calibration": _calibration,
    "prediction": lambda report: "python -m models predict, the same network, calibration and gate as on the page.",
    "imbalance": lambda report: (
        f"Class weights in the loss: {'yes' if report['configuration']['head_training']['class_weights'] else 'no'}; the "
        "calibration afterwards puts the prevalence back."
    ),
    "output": _output,
    "categories": lambda report: f"The class folders: {', '.join(report['labels'])}.",
    "blind_test": lambda report: "The network sees pixels alone: no clinical information and no label.",
    "indeterminate": lambda report: "Images that the gate holds back get no verdict and are counted apart.",
    "model_files": lambda report: (
        f"The bundle: architecture from code, weights (SHA-256 {report['head_sha256']}), calibration, thresholds and gate, each "
        "with its digest in bundle.json."
    ),
    "poor_input": lambda report: (
        "What cannot be read is refused with a code; what is no chest radiograph is refused, and of a film unlike the training "
        "films the verdict is withheld, by a distance in the embedding."
    ),
}
