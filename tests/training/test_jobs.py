"""What a page asks for, done by `python -m training job`; a comparison on locked patients; a watched training."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from models.bundle import BUNDLES_VARIABLE
from models.jobs.store import DONE, FAILED, Job, JobStore
from tests.conftest import ROOT
from tests.training.conftest import FAST, Trained, Workshop

LOCK = ("--lock", "0.2")


def run(store: JobStore, steps: Sequence[Sequence[object]], bundles: Path) -> Job:
    job = store.set_steps(store.add("training", {"name": "locked"}, by="Ada"), [[str(w) for w in s] for s in steps])
    command = [sys.executable, "-m", "training", "job", str(store.folder), str(job.id)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, BUNDLES_VARIABLE: str(bundles)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert (done.returncode == 0) == (store.get(job.id).state == DONE)
    return store.get(job.id)


def test_a_folder_is_looked_at_trained_on_and_the_bundle_compared(
    workshop: Workshop, trained: Trained, tmp_path: Path
) -> None:
    store, out = JobStore(tmp_path / "jobs"), tmp_path / "out"
    (workshop.bundles / ".locked-begun").mkdir()
    places, watched = ("--cache", workshop.cache), ("--progress-file", tmp_path / "progress.jsonl")
    steps = [
        ["inspect", trained.data, "--out", out, *LOCK, *places],
        ["train", trained.data, "--name", "locked", *FAST, *LOCK, *places, *watched, "--runs", tmp_path / "runs"],
        ["compare", "locked", trained.data, "--with", trained.name, "--out", out, *LOCK, *places],
    ]
    job = run(store, steps, workshop.bundles)
    assert (job.state, job.message) == (DONE, "")
    assert not (workshop.bundles / ".locked-begun").exists()

    looked = json.loads((out / "inspection.json").read_text())
    assert looked["classes"]["NORMAL"] == {"images": 24, "patients": 12, "locked_images": 4, "locked_patients": 2}
    assert looked["leaks"]["sentence"] == "none"
    assert (out / "samples.png").stat().st_size > 10_000
    compared = json.loads((out / "comparison.json").read_text())
    assert (compared["images"], compared["patients"], compared["positives"]) == (8, 4, 4)
    assert compared["later"]["overlap"] == {"films": 0, "patients": 0}
    assert compared["earlier"]["overlap"] == {"films": 8, "patients": 4}
    assert set(compared["rows"]["films"]["difference"]) == {"auroc", "sensitivity", "specificity", "brier"}
    assert (out / "comparison.png").stat().st_size > 10_000
    assert workshop.report("locked")["data"]["test_images"] == 8
    stages = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [one["done"] for one in stages if one["stage"] == "Reading images"][-1] == 48
    assert stages[-1]["stage"].startswith("Intervals")


def test_why_a_job_failed_stands_in_its_row(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    job = run(store, [["inspect", tmp_path / "absent", "--out", tmp_path]], tmp_path)
    assert job.state == FAILED
    assert "absent" in job.message


@pytest.mark.parametrize("share", ["-0.1", "1"])
def test_a_share_that_locks_nobody_or_everybody_is_refused(workshop: Workshop, films: Path, share: str) -> None:
    ran = workshop.train(films, "never", "--lock", share)
    assert ran.status == 2
    assert "--lock must be a share" in ran.err
