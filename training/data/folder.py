"""The first steps of a command: everything that can be refused before TensorFlow is loaded."""

import errno
import os
from pathlib import Path
from typing import Final

from rich.console import Console

from models.bundle import Bundle, bundle_roots, refuse_existing
from models.system.progress import progress_bar
from training.config import RunConfig
from training.data.locked import lock_patients
from training.data.manifest import Manifest, read_manifest
from training.data.patients import DatasetError

_SHOWN: Final = 10


def read_folder(config: RunConfig, console: Console) -> Manifest:
    """Read the folder of a training and say what was found; refuse first what would fail at the end.

    Raises:
        BundleError, DatasetError, ValueError, OSError: with a sentence that says what to do.
    """
    refuse_existing(config.name, overwrite=config.overwrite)
    _require_writable(bundle_roots()[0])
    read_notes(config)
    manifest = read_films(config.data, config.patient_regex, config.patients_csv, config.cache, console)
    manifest = lock_patients(manifest, config.lock)
    choose_positive(config, manifest)
    manifest.write_csv(config.run_folder / "manifest.csv")
    return manifest


def _require_writable(folder: Path) -> None:
    """Raise a PermissionError where no bundle could be written, which would be found out only at the end."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))


def read_folder_for(
    bundle: Bundle, data: Path, console: Console, *, patient_regex: str | None, patients_csv: Path | None, cache: Path
) -> Manifest:
    """Read a folder that a bundle is to be judged on; refuse classes that the bundle does not know."""
    manifest = read_films(data, patient_regex, patients_csv, cache, console)
    if strange := sorted(set(manifest.labels) - set(bundle.spec.labels)):
        raise DatasetError(
            "unknown_class",
            f"The bundle {bundle.spec.name!r} knows the classes {', '.join(bundle.spec.labels)}. The folder has "
            f"{', '.join(strange)}: name its class folders as the bundle does, or leave them out.",
        )
    return manifest


def read_notes(config: RunConfig) -> str | None:
    """The author's own words for the card, where there are some."""
    if config.notes is None:
        return None
    try:
        return config.notes.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--notes must be a text file in UTF-8. Received: {config.notes}, {error}") from error


def choose_positive(config: RunConfig, manifest: Manifest) -> str | None:
    """The label that operating points speak of; None for more than two classes."""
    if config.positive is not None and config.positive not in manifest.labels:
        raise ValueError(f"--positive must be one of {', '.join(manifest.labels)}. Received: {config.positive!r}")
    if len(manifest.labels) != 2:
        if config.positive is not None:
            raise ValueError(f"--positive is for two classes. Received: {', '.join(manifest.labels)}. Leave it out.")
        return None
    named = config.positive or ("PNEUMONIA" if "PNEUMONIA" in manifest.labels else None)
    return named or manifest.labels[-1]


def read_films(
    data: Path, patient_regex: str | None, patients_csv: Path | None, cache: Path, console: Console
) -> Manifest:
    """Read the films of a folder and say what was found; see `training.data.manifest.read_manifest`."""
    with progress_bar(console, "Reading images") as advance:
        manifest = read_manifest(
            data, patient_regex=patient_regex, patients_csv=patients_csv, cache=cache, progress=advance
        )
    if manifest.root != data:
        console.print(f"The class folders lie in {manifest.root}.", markup=False, soft_wrap=True)
    counts = {label: sum(entry.label == label for entry in manifest.entries) for label in manifest.labels}
    patients = len({entry.patient for entry in manifest.entries})
    found = ", ".join(f"{count:,} {label}" for label, count in counts.items())
    console.print(f"{found}; {patients:,} patients.", markup=False)
    console.print(f"Patients: {manifest.patient_source}.", markup=False)
    for refused in manifest.set_aside[:_SHOWN]:
        console.print(f"Set aside: {refused.path} ({refused.code}): {refused.sentence}", style="yellow", markup=False)
    for left_out in manifest.left_out[:_SHOWN]:
        console.print(f"Left out: {left_out.path}: {left_out.reason}", style="yellow", markup=False, soft_wrap=True)
    for what, number in (("Set aside", len(manifest.set_aside)), ("Left out", len(manifest.left_out))):
        if (more := number - _SHOWN) > 0:
            console.print(f"{what}: {more:,} more; the report lists them all.", style="yellow")
    return manifest
