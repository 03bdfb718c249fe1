"""Make docs/speed.md of benchmarks/results/speed.json: every number in it comes from there.

python -m benchmarks.report
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.__main__ import RESULTS
from benchmarks.measuring import BARS, FILMS, ROOT
from models.system.files import write_atomically


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
    write_atomically(options.to, page(json.loads(options.results.read_text(encoding="utf-8"))))
    return 0


def page(results: Mapping[str, Any]) -> str:
    """The results as Markdown."""
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
        parts.append("**From small samples, scaled up: rough.**")
    parts.append(bars_table(results))
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
