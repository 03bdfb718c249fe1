"""The first steps of a run: everything that can be refused before TensorFlow is loaded."""

from rich.console import Console

from models.bundle import refuse_existing
from models.progress import progress_bar
from training.config import RunConfig
from training.manifest import Manifest, read_manifest


def read_folder(config: RunConfig, console: Console) -> Manifest:
    """Read the folder and say what was found; a bundle that would be overwritten unasked is refused first."""
    refuse_existing(config.name, overwrite=config.overwrite)
    with progress_bar(console, "Reading images") as advance:
        manifest = read_manifest(
            config.data, patient_regex=config.patient_regex, patients_csv=config.patients_csv, progress=advance
        )
    manifest.write_csv(config.run_folder / "manifest.csv")
    counts = {label: sum(entry.label == label for entry in manifest.entries) for label in manifest.labels}
    patients = len({entry.patient for entry in manifest.entries})
    console.print(", ".join(f"{count} {label}" for label, count in counts.items()) + f", {patients} patients.")
    console.print(f"Patients: {manifest.patient_source}", markup=False)
    for refused in manifest.set_aside:
        console.print(f"Set aside: {refused.path} ({refused.code}): {refused.sentence}", style="yellow", markup=False)
    return manifest


def choose_positive(config: RunConfig, manifest: Manifest) -> str | None:
    """The label that operating points speak of; None for more than two classes."""
    if config.positive is not None and config.positive not in manifest.labels:
        raise ValueError(f"--positive must be one of {', '.join(manifest.labels)}. Received: {config.positive!r}")
    if len(manifest.labels) != 2:
        return None
    named = config.positive or ("PNEUMONIA" if "PNEUMONIA" in manifest.labels else None)
    return named or manifest.labels[-1]
