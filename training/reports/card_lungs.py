"""The card's section on what is judged of a film, and on what the verdict rests."""

from collections.abc import Mapping
from typing import Any, Final

from training.metrics.bootstrap import estimate_of, interval_text

MOST_OUTSIDE: Final = 0.75
"""AUROC of the surroundings alone above which the card warns."""

_WHOLE_FILMS = (
    "## What it looks at\n\nThe whole film, borders, markers and all: what of the label can be read outside the lungs was not "
    "taken away, and is not known. `--field lungs` trains a bundle that is shown the lungs alone.\n"
)
_WARNING = (
    "> 🔴 **This model reads the label outside the lungs: AUROC {:.3f} without any lungs, more than {:.2f}.**\n>\n"
    "> Its numbers will not hold where films are taken otherwise. Have films of both classes from the same devices and wards, "
    "look at `augmentation.png` for what lies about the lungs, and train again with more views (`--views`).\n\n"
)


def lungs(report: Mapping[str, Any]) -> str:
    """The field, and AUROC with surroundings exchanged and alone."""
    if report["configuration"].get("field", "film") == "film":
        return _WHOLE_FILMS
    text = (
        "## What it looks at\n\nThe box of the lungs with a margin of a twentieth, in its own contrast, found by a linear map on "
        "frozen features of EfficientNet-Lite0 (docs/lungs.md). Nothing else of a film is judged.\n"
    )
    found = report.get("surroundings")
    if not found:
        return text
    rows = (
        ("lungs on the surroundings of a film of the other class", found["exchanged"]),
        ("surroundings alone, the lungs blanked", found["alone"]),
        ("for comparison: a regression fitted on surroundings alone", found["readable"]),
    )
    table = "\n".join(f"| {name} | {interval_text(estimate_of(value))} |" for name, value in rows)
    alone = estimate_of(found["alone"])
    warning = _WARNING.format(alone.value, MOST_OUTSIDE) if alone and alone.value > MOST_OUTSIDE else ""
    return (
        f"{text}\n{warning}| on patients it had not seen | AUROC (95 % interval) |\n|---|---|\n{table}\n\n"
        "The first should be near the AUROC of plain films, the second near 0.5; the third says how much of the label lies "
        "there to be taken.\n"
    )
