"""What a run does about leaks: fail with the list and a picture, or regroup and say so. Never silently."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from training.config import RunConfig
from training.data.manifest import Manifest
from training.data.patients import DatasetError
from training.leaks.find import LeakPair, Leaks, describe, regroup

_PAIRS_IN_MESSAGE: Final = 3


def leak_files(config: RunConfig) -> tuple[Path, Path]:
    """Where the pairs that were found stand, as a table and as a picture."""
    return config.run_folder / "leaks.csv", config.run_folder / "leaks.png"


def settle_leaks(config: RunConfig, manifest: Manifest, leaks: Leaks, console: Console) -> tuple[Manifest, Leaks]:
    """The manifest that may be trained on, and what was done about the leaks that were found.

    Raises:
        DatasetError: "leak" where something was found and `config.regroup` is off, or where regrouping empties a class.
    """
    table, picture = leak_files(config)
    if not leaks.pairs:
        console.print(f"Leaks: none found among {leaks.images:,} images.")
        return manifest, leaks
    if not config.regroup:
        raise DatasetError(
            "leak",
            f"No film and no patient may stand on both sides of a split. Received, among {leaks.images:,} images: "
            f"{describe(leaks)} ({_named(leaks.pairs)}). All of them are in {table}, and to be seen in {picture}. "
            "Remove the surplus files, or add --regroup: it merges the patients of each pair, and takes out of the "
            "training part whom the test split shows.",
        )
    manifest, leaks = regroup(manifest, leaks)
    manifest.write_csv(config.run_folder / "manifest.csv")
    console.print(
        f"Leaks: {describe(leaks)} among {leaks.images:,} images. Regrouped: patients merged into another: "
        f"{leaks.merged:,}; images taken out of the training part: {leaks.taken_out:,}. See {picture}.",
        style="yellow",
        markup=False,
        soft_wrap=True,
    )
    return manifest, leaks


def _named(pairs: Sequence[LeakPair]) -> str:
    words = {"exact": "equals", "near": "is nearly", "patient": "shows the patient of"}
    named = [
        f"{pair.first.path.as_posix()} {words[pair.kind]} {pair.second.path.as_posix()}"
        for pair in pairs[:_PAIRS_IN_MESSAGE]
    ]
    return "; ".join([*named, "…"] if len(pairs) > len(named) else named)
