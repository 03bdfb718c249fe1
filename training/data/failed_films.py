"""Films on which a step of training fails, though they could be read when the folder was listed: no film ends a run."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from models.films.radiograph import read_radiograph
from models.films.refusal import Refusal, attempt
from training.data.manifest import Manifest, SetAside
from training.data.patients import DatasetError

INTERNAL_ERROR_STATUS: Final = 3
"""The exit status of a command that did its work, but for a film on which something failed that nobody foresaw."""

Result = TypeVar("Result")
Films = TypeVar("Films")


class FailedFilmsError(Exception):
    """Raised at the end of a pass over films, with those on which it failed and why; what it made of the others is kept."""

    def __init__(self, refusals: Mapping[Path, Refusal]) -> None:
        super().__init__("; ".join(f"{path}: {refusal.sentence}" for path, refusal in refusals.items()))
        self.refusals = dict(refusals)


def read_film(path: Path) -> NDArray[np.uint8]:
    """The pixels of a film, `(H, W)`; raises FailedFilmsError where there are none."""
    return of_film(path, lambda: read_radiograph(path).pixels)


def of_film(path: Path, step: Callable[[], Result]) -> Result:
    """What a step on one film gives; raises FailedFilmsError where it fails."""
    result = attempt(step)
    if isinstance(result, Refusal):
        raise FailedFilmsError({path: result})
    return result


def without_failed(
    films: Films,
    step: Callable[[Films], Result],
    leave_out: Callable[[Films, Mapping[Path, Refusal]], Films],
    console: Console,
) -> tuple[Result, Films]:
    """Do a step on films; those on which it fails are left out and said, and it is begun again with the others.

    Beginning again costs little where what was made of the others is in a cache.

    Returns:
        What the step gives, and the films for which it gives that.
    """
    while True:
        try:
            return step(films), films
        except FailedFilmsError as failed:
            films = leave_out(films, failed.refusals)
            for path, refusal in failed.refusals.items():
                console.print(
                    f"Set aside: {path} ({refusal.code}): {refusal.sentence}",
                    style="yellow",
                    markup=False,
                    soft_wrap=True,
                )


def exit_status(manifest: Manifest) -> int:
    """0, or INTERNAL_ERROR_STATUS where a film was set aside for an error that nobody foresaw."""
    return INTERNAL_ERROR_STATUS if any(one.code == "internal_error" for one in manifest.set_aside) else 0


def set_aside(manifest: Manifest, refusals: Mapping[Path, Refusal]) -> Manifest:
    """The manifest with some films set aside, by their paths.

    Raises:
        DatasetError: "empty_class" where nothing is left of a class.
    """
    failed = {
        entry.path: refusals[path] for entry in manifest.entries if (path := manifest.root / entry.path) in refusals
    }
    kept = tuple(entry for entry in manifest.entries if entry.path not in failed)
    before, after = ({(entry.split, entry.label) for entry in entries} for entries in (manifest.entries, kept))
    if gone := sorted(before - after):
        reasons = Counter(refusal.sentence for refusal in failed.values())
        raise DatasetError(
            "empty_class",
            f"Each class must hold films that can be worked on. Received none in "
            f"{', '.join('/'.join(one) for one in gone)}: {reasons.most_common(1)[0][0]}",
        )
    aside = tuple(SetAside(path, refusal.code, refusal.sentence) for path, refusal in failed.items())
    return replace(manifest, entries=kept, set_aside=(*manifest.set_aside, *aside))
