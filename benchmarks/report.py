"""Make docs/speed.md of benchmarks/results/speed.json: every number in it comes from there.

python -m benchmarks.report
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.__main__ import RESULTS
from benchmarks.measuring import BARS, FILMS, ROOT
from models.system.files import write_atomically
from training.embedding.choose_engine import CALIBRATED_ON
from training.metrics.bootstrap import estimate_of, interval_text

INT8: Final = ROOT / "benchmarks/results/int8.json"
_RATIOS: Final = ("train_cold_ratio", "train_warm_ratio", "throughput_ratio", "latency_ratio")


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the results and write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "results", type=Path, nargs="?", default=RESULTS, metavar="FILE", help="what `make bench` wrote"
    )
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "speed.md", metavar="FILE", help="the page")
    options = parser.parse_args(arguments)
    others = sorted(options.results.parent.glob(f"{options.results.stem}_*.json"))
    results, *elsewhere = (json.loads(path.read_text(encoding="utf-8")) for path in (options.results, *others))
    int8 = json.loads(INT8.read_text(encoding="utf-8")) if INT8.is_file() else None
    write_atomically(options.to, page(results, elsewhere, int8))
    return 0


def page(
    results: Mapping[str, Any], elsewhere: Sequence[Mapping[str, Any]] = (), int8: Mapping[str, Any] | None = None
) -> str:
    """The results as Markdown; beside them those of other processors or precisions, and of quantised backbones."""
    machine, versions = results["machine"], results["versions"]
    instructions = ", ".join(machine["bf16"]) or "no bfloat16"
    parts = [
        "# Speed",
        f"Measured by `make bench{' ARGS=--quick' if results['quick'] else ''}` on {machine['cores']} cores of "
        f"{machine['processor']} (family {machine['family']}; {instructions}), {machine['memory_gb']} GB. "
        + ", ".join(f"{name} {number}" for name, number in versions.items())
        + f". Times are for {FILMS:,} films of 224 × 224 pixels; the reference recipe is described in "
        "[`benchmarks/recipe.py`](../benchmarks/recipe.py), and everything that was found is in "
        "[`benchmarks/results/speed.json`](../benchmarks/results/speed.json).",
    ]
    if results["quick"]:
        parts.append("**From smaller samples, or fewer runs: rough.**")
    if _field(results) == "film":
        parts.append(
            "That was before films were cut to their lungs, for which each goes once through EfficientNet-Lite0 besides."
        )
    parts.append(bars_table(results))
    parts += [processors_table([results, *elsewhere])] if elsewhere else []
    parts += [int8_table(int8)] if int8 else []
    found = results["benchmarks"]
    sections = {
        "training_speed": training_table,
        "quality": quality_table,
        "scaling": scaling_table,
        "augmentation": views_table,
    }
    parts += [section(found[name]) for name, section in sections.items() if name in found]
    parts.append(commands_table(found))
    return "\n\n".join(parts) + "\n"


def bars_table(results: Mapping[str, Any]) -> str:
    """Each number with the bar that it is held to."""
    rows = []
    for key, bar in BARS.items():
        found = results.get(key)
        met = "" if found is None else "yes" if bar.met(found) else "**no**"
        rows.append(
            (
                bar.what,
                f"`{key}`",
                "not measured" if found is None else f"{found:,.0f}" if found >= 100 else f"{found:.3g}",
                str(bar),
                met,
            )
        )
    return table(("what", "key", "measured", "bar", "met"), rows)


def processors_table(runs: Sequence[Mapping[str, Any]]) -> str:
    """The ratios of training and prediction on each kind of processor."""
    head = [f"`{key}` ({BARS[key]})" for key in _RATIOS]
    rows = []
    for run in runs:
        machine, precision = run["machine"], run.get("precision", "float")
        has = ", ".join([machine.get("vectors", ""), *machine["bf16"], *machine.get("int8", [])]).strip(", ")
        command = f"`make bench{' ARGS=--quick' if run['quick'] else ''}`"
        if precision == "int8":
            command = f"`python -m benchmarks{' --quick' if run['quick'] else ''} --precision int8`"
        ratios = ("–" if run.get(key) is None else f"{run[key]:.3g}" for key in _RATIOS)
        rows.append((machine["processor"], has, precision, _field(run), *ratios, command))
    text = (
        "The recipe computes in float32 everywhere; ours in bfloat16 where the processor has it and the backbone bears it, and "
        "in 8-bit integers where that is asked for. The field is what ours is shown of a film; lungs must be looked for first. "
        "A dash stands for what was not measured."
    )
    return f"## On which processor\n\n{text}\n\n" + table(
        ("processor", "has", "precision", "field", *head, "command"), rows
    )


def _field(run: Mapping[str, Any]) -> str:
    """What was shown of a film; the first results do not say so, and were of whole films."""
    return str(run.get("field", "film"))


def int8_table(found: Mapping[str, Any]) -> str:
    """Quality and speed of a quantised backbone beside the one in floating point."""
    kinds = (found["float"], "int8", "difference")
    quality = [
        (name, *(interval_text(estimate_of(found["auroc"][kind][name]), digits=4) for kind in kinds))
        for name in found["auroc"]["int8"]
    ]
    speed = [
        (
            name,
            f"{one['films_per_second']:.1f}",
            f"{one['processor_milliseconds']:.1f}",
            f"{one['milliseconds_alone']:.1f}",
        )
        for name, one in found["speed"].items()
    ]
    text = (
        "`train --precision int8` quantises the backbone, weights and activations, with OpenVINO's NNCF, calibrated on "
        f"{CALIBRATED_ON} of the films without their labels; heads are fitted on *its* embeddings, and the bundle carries it. "
        "Weights take half of the 8-bit range: the sum of two products fits into 16 bits then, which processors without VNNI "
        "would cut off. Heads of the same "
        f"settings on {found['backbone']}, {found['films']:,} films of {found['patients']:,} patients; AUROC with 95 % intervals "
        f"by patient, measured by `{found['command']}` on {found['machine']['processor']} "
        f"({found['machine']['vectors']}). Embeddings of a film have a cosine of {found['cosine_median']:.4f} (median; "
        f"{found['cosine_smallest']:.4f} at least)."
    )
    return "\n\n".join(
        [
            "## In 8-bit integers",
            text,
            table(("AUROC", *kinds), quality),
            table(("the backbone", "films/s, many at a time", "processor, ms a film", "ms, one film alone"), speed),
            f"The machine's load before these times were taken: {found['load_before']:.1f}.",
        ]
    )


def training_table(found: Mapping[str, Any]) -> str:
    """Minutes of a training by views, and how many times the recipe takes as long."""
    kinds = {
        "the recipe, 20 epochs": "recipe_seconds",
        "ours, 1 view besides the plain film": "cold_seconds",
        "2 views": "cold_seconds_2_views",
        "4 views": "cold_seconds_4_views",
        "again with another head": "warm_seconds",
        "the search for a head, besides": "search_seconds",
    }
    rows = [
        (name, f"{found[key] / 60:.2f}", f"{found['recipe_seconds'] / found[key]:,.1f}")
        for name, key in kinds.items()
        if found.get(key)
    ]
    text = f"The recipe: {found['recipe_sample']}. Ours: {found['films_measured']}."
    return f"## Training, ResNet-50\n\n{text}\n\n" + table(("", "minutes", "times faster"), rows)


def quality_table(found: Mapping[str, Any]) -> str:
    """AUROC of both on the same patients."""
    rows = [("ours", "", _auroc(found["ours"]))]
    for scaling, epochs in found["recipe_epochs"].items():
        best = max(epochs, key=lambda row: row["auroc"])
        rows.append((f"the recipe, {scaling}, last epoch", epochs[-1]["epoch"], _auroc(epochs[-1])))
        rows.append((f"the recipe, {scaling}, best epoch on the films that judge", best["epoch"], _auroc(best)))
    text = (
        f"Fitted on {found['films_fitted_on']:,} films, judged on {found['films_held_out']:,} of other patients; 95 % "
        "intervals by patient. Of the recipe what it ends with counts, of the better scaling; its best epoch was chosen on the "
        "very films that judge it."
    )
    head = ("", "epoch", "AUROC")
    return f"## Quality, EfficientNet-Lite0 for both\n\n{text}\n\n{table(head, rows)}"


def _auroc(row: Mapping[str, float]) -> str:
    return f"{row['auroc']:.4f} ({row['low']:.4f}–{row['high']:.4f})"


def scaling_table(found: Mapping[str, Any]) -> str:
    """Time and memory by size of the folder."""
    keys = ("train_seconds", "train_peak_mb", "predict_seconds", "predict_peak_mb")
    rows = [(f"{row['films']:,}", *(f"{row[key]:,.0f}" for key in keys)) for row in found["sizes"]]
    head = ("films", "training, s", "its peak, MB", "predict, s", "its peak, MB")
    plot = "![Time and peak memory against the number of films](scaling.png)"
    return f"## Cost against the size of the folder, EfficientNet-Lite0\n\n{table(head, rows)}\n\n{plot}"


def views_table(found: Mapping[str, Any]) -> str:
    """Milliseconds a view."""
    rows = [(name, f"{value:.2f}") for name, value in found["milliseconds_per_view"].items()]
    text = (
        f"Made beside the backbone's work, decoding and views add {found['preparation_share']:.0%} to the embedding pass of "
        "EfficientNet-Lite0, the faster backbone."
    )
    return f"## Augmented views\n\n{table(('route', 'ms a view'), rows)}\n\n{text}"


def commands_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The command behind each number, and how busy the machine was before it."""
    rows = [(f"`{one['command']}`", one["films"], f"{one['load_before']:.1f}") for one in found.values()]
    return "## Commands\n\n" + table(("command", "films", "load before"), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(map(str, row)) for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {line} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
