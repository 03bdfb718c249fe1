"""The card's sections on the network: what it is, how its head was chosen, and what it was made with."""

from collections.abc import Mapping
from typing import Any, Final

from training.reports.wording import settings_text

_POOLED: Final = {
    "mean": "mean",
    "max": "maximum",
    "both": "mean and the maximum",
    "lungs": "mean over the lungs",
}

_SCORES: Final = {
    "auroc": "AUROC by patient",
    "batch_auroc": "by batch",
    "exchanged_auroc": "surroundings exchanged",
    "surroundings_auroc": "surroundings alone",
    "score": "score",
}


def network(report: Mapping[str, Any]) -> str:
    """Backbone, views, head, fitting and calibration."""
    backbone, run, calibration = report["backbone"], report["configuration"], report["calibration"]
    head, bias = run["head"], ", ".join(f"{value:.3f}" for value in calibration["bias"])
    hidden = f"{head['width']} units, ReLU, dropout {head['dropout']}" if head["width"] else "none"
    frozen = f"the last {run['fine_tune']} blocks fine-tuned" if run["fine_tune"] else "frozen"
    views = f"the plain film and {run['views']} augmented ({settings_text(run['augmentation'])})"
    fitting = settings_text(run.get("scratch") or run["head_training"])
    if run.get("scratch") or run["fine_tune"]:
        fitting += f"; best after {report['epochs'][0]} epochs"
    if run.get("scratch"):
        frozen = "no weight of it was published or fitted on other data"
        views = f"another augmented view in each epoch ({settings_text(run['augmentation'])})"
    if made := backbone.get("int8"):
        frozen += (
            f"; in int8, quantised by NNCF {made['nncf']} from {made['source']} weights of SHA-256 `{made['weights_sha256']}`, "
            f"calibrated on {made['films']} of the films, without their labels; runs on OpenVINO alone"
        )
    return (
        "## Network\n\n"
        f"- Backbone: `{backbone['id']}`, {backbone['summary']}; {frozen}; weights {backbone['weights']}, "
        f"SHA-256 `{backbone['weights_sha256']}`\n"
        f"- Views: {views}\n"
        f"- Head: on the {_POOLED[head['pooling']]} of each channel of the feature map; hidden layer {hidden}; softmax\n"
        f"- Fitting: {fitting}; seed {run['seed']}\n"
        f"- Calibration: {calibration['method']}, slope {calibration['slope']:.3f}, bias {bias}\n"
    )


def search(found: Mapping[str, Any] | None) -> str:
    """The heads that were tried, and what the choice among them does to the numbers; nothing without a search."""
    if found is None:
        return ""
    trials = found["trials"]
    shown = {name: words for name, words in _SCORES.items() if trials[0].get(name) is not None}
    rows = [
        "| pooling | hidden layer | dropout | weight decay | class weights | " + " | ".join(shown.values()) + " |",
        "|---|--:|--:|--:|---|" + "--:|" * len(shown),
    ]
    for place, trial in enumerate(trials):
        cells = [
            f"**{trial['pooling']}**" if place == found["best"] else trial["pooling"],
            trial["width"] or "none",
            trial["dropout"] if trial["width"] else "",
            trial["l2"],
            "yes" if trial["class_weights"] else "no",
            *(f"{trial[name]:.4f}" for name in shown),
        ]
        rows.append("| " + " | ".join(map(str, cells)) + " |")
    return (
        f"## Heads that were tried\n\nOn the plain film and {found['views']} augmented views of each image; in bold the one that "
        f"was taken. The rule: {found['rule']}.\n\n"
        + "\n".join(rows)
        + f"\n\nThe head was chosen among {len(trials)} by its scores on the same patients and batches that the numbers of "
        "this card come from: they may be a little too good.\n"
    )


def made_with(report: Mapping[str, Any]) -> str:
    """Versions, and the digests of what the bundle stands on."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lock = f"`{report['lock_sha256']}`" if report["lock_sha256"] else "there was no lock file"
    return (
        f"## Made with\n\n{versions}\n\nSHA-256 of\n\n"
        f"- the data, labels and files: `{report['data']['fingerprint']}`\n"
        f"- the backbone's weights: `{report['backbone']['weights_sha256']}`\n"
        f"- the head's weights: `{report['head_sha256']}`\n"
        f"- the lock file of packages: {lock}\n"
    )
