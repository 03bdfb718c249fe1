"""Several devices give what one does. Four logical processors stand in for four GPUs, in a process of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.films import write_published

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("four_devices.py")


def test_four_devices_embed_and_fine_tune_as_one_does(tmp_path: Path) -> None:
    root = write_published(tmp_path / "films", images=6)
    done = subprocess.run(
        [sys.executable, SCRIPT, root, tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["devices"] == [1, 4]
    one, four = found["embeddings"]
    assert four == pytest.approx(one, rel=1e-4, abs=1e-3)
    for name in ("loss", "val_loss"):
        assert len(found["history"][0][name]) == len(found["history"][1][name])
        assert found["history"][1][name] == pytest.approx(found["history"][0][name], rel=1e-4)
    one, four = found["moved"]
    assert max(map(abs, one)) > 5e-5, "the backbone did learn"
    assert four == pytest.approx(one, abs=5e-6)
