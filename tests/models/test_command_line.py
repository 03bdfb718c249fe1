"""`python -m models`: what a person types, and what comes back."""

import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.__main__ import main
from models.bundle import BUNDLES_VARIABLE, HEAD_FILE
from models.films.radiograph import Radiograph, read_radiograph
from models.predictor import Predictor
from tests.models.films.bad_input import bad_inputs

ROOT = Path(__file__).parents[2]
HEADER = ["file", "verdict", "refusal_code", "p_NORMAL", "p_PNEUMONIA", "bundle"]
COMMANDS = ("predict", "verify", "export", "list", "promote", "rollback", "history", "diff", "doctor")


@pytest.fixture(autouse=True)
def own_bundles(bundles: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BUNDLES_VARIABLE, str(bundles.root))


@dataclass(frozen=True)
class Run:
    """A command that has ended."""

    status: int
    out: str
    err: str


def _start(*arguments: str, code: str | None = None) -> Run:
    """Run `python -m models` as a process of its own."""
    command = [sys.executable, *(["-c", code] if code else ["-m", "models", *arguments])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return Run(done.returncode, done.stdout, done.stderr)


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def _save(film: Radiograph, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(film.pixels).save(path, "PNG")
    return path


def _assert_judged(rows: Sequence[Sequence[str]], films: Sequence[Radiograph], predictor: Predictor) -> None:
    for row, prediction in zip(rows, predictor.predict(films), strict=True):
        assert row[1:3] == [prediction.verdict, ""]
        assert [float(value) for value in row[3:5]] == pytest.approx(prediction.probabilities, abs=1e-5)
        assert row[5] == "two"


# --- predict ----------------------------------------------------------------------------------------------------------


def test_the_whole_table_of_bad_input_leaves_the_good_files_intact(
    films: list[Radiograph],
    predictor: Predictor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    odd_names = [
        Path("=1+2.png"),
        Path("film[bold].png"),
        Path("x[") / "y].png",
        Path("escape-\x1b[2J.png"),
        Path("return\r=1.png"),
        Path(os.fsdecode(b"not-utf8-\xff.png")),
        Path("f" * 250 + ".png"),
    ]
    good = [(_save(films[index % 5], name), films[index % 5]) for index, name in enumerate(odd_names)]
    bad = [row for row in bad_inputs(tmp_path / "bad") if row.name != "a folder"]
    paths = [row.path for row in bad]
    for index, (name, _) in enumerate(good):  # among the bad ones, and in every batch
        paths.insert(index * 20, name)

    arguments = ["predict", *map(str, paths), "--bundle", "two", "--csv", "out/all.csv", "--heatmaps", "heat"]
    assert main(arguments) == 3

    header, *rows = _rows((tmp_path / "out/all.csv").read_text(encoding="utf-8"))
    assert header == HEADER
    assert len(rows) == len(paths)
    by_path = dict(zip(map(str, paths), rows, strict=True))
    assert {row.name: by_path[str(row.path)][1:] for row in bad} == {
        row.name: ["", row.code, "", "", "two"] for row in bad
    }
    _assert_judged([by_path[str(name)] for name, _ in good], [film for _, film in good], predictor)
    assert by_path["=1+2.png"][0] == "'=1+2.png"
    assert by_path[str(odd_names[5])][0] == r"not-utf8-\udcff.png"

    heatmaps = {f"{name.stem[:50]}-{_digest(name)[:8]}.png": film for name, film in good}
    assert {path.name for path in (tmp_path / "heat").iterdir()} == set(heatmaps)
    for name, film in heatmaps.items():
        with Image.open(tmp_path / "heat" / name) as drawn:
            assert (drawn.mode, drawn.size[::-1]) == ("RGB", film.pixels.shape)

    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    assert "\x1b[2J" not in shown.out + shown.err
    assert "Research use only" in shown.out


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_csv_on_standard_output_is_nothing_but_csv(
    films: list[Radiograph], predictor: Predictor, tmp_path: Path
) -> None:
    """Folders are searched to their depth in order of names; hidden files are left out, files are kept as named."""
    names = ["a/b/deep.png", "a/first.png", "a/second.png"]
    for name, film in zip(names, films, strict=False):
        _save(film, tmp_path / name)
    _save(films[3], tmp_path / "a/.hidden.png")
    single = _save(films[4], tmp_path / "single.png")

    run = _start("predict", str(single), str(tmp_path / "a"), "--bundle", "two", "--csv", "-")
    assert run.status == 0
    header, *rows = _rows(run.out)
    assert header == HEADER
    assert [row[0] for row in rows] == [str(single), *(str(tmp_path / name) for name in names)]
    _assert_judged(rows, [films[4], *films[:3]], predictor)
    assert run.out.splitlines()[0] == "file,verdict,refusal_code,p_NORMAL,p_PNEUMONIA,bundle"
    assert "Research use only" in run.err
    assert not [line for line in run.err.splitlines() if "Warning" in line or "0000 00:00" in line or "cuda" in line]


def _predict(films: list[Radiograph], folder: Path, *options: str) -> list[list[str]]:
    """The rows of a CSV file, one for each film."""
    table, paths = folder / "all.csv", [_save(film, folder / f"{number}.png") for number, film in enumerate(films)]
    assert main(["predict", *map(str, paths), "--bundle", "two", "--csv", str(table), *options]) == 0
    _, *rows = _rows(table.read_text(encoding="utf-8"))
    assert len(rows) == len(films)
    return rows


def test_a_prevalence_moves_the_probability_and_no_verdict(
    films: list[Radiograph], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for trained, rare in zip(_predict(films, tmp_path), _predict(films, tmp_path, "--prevalence", "0.1"), strict=True):
        assert rare[1] == trained[1]
        odds, moved = (float(row[4]) / float(row[3]) for row in (trained, rare))
        assert moved == pytest.approx(odds / 9, rel=1e-3)  # the films of this bundle's calibration were half positive
    told = " ".join(capsys.readouterr().out.split())
    assert "films of which 50.0% are PNEUMONIA" in told
    assert "films of which 10.0% are PNEUMONIA" in told
    assert "is right in 50.0% (PPV)" in told  # sensitivity 0.9, specificity 0.9, one in ten
    assert "in 98.8% (NPV)" in told


def test_a_plain_verdict_can_be_asked_for(films: list[Radiograph], tmp_path: Path) -> None:
    for row in _predict(films, tmp_path, "--operating-point", "rule_in"):
        assert row[1] == ("PNEUMONIA" if float(row[4]) >= 0.7 else "NORMAL")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["predict", "EMPTY"], "There is no file in"),
        (["predict", "EMPTY", "--prevalence", "74"], "prevalence must be a share between 0 and 1, both excluded"),
        (["predict", "SOME", "--bundle", "three", "--prevalence", "0.1"], "are for bundles of two classes"),
        (["predict", "SOME", "--bundle", "three", "--operating-point", "rule_in"], "are for bundles of two classes"),
        (["predict", "EMPTY", "--bundle", "absent"], "no bundle named 'absent'. There are: "),
        (["predict", "EMPTY", "--bundle", "../two"], "A bundle's name must be"),
        (["verify", "absent"], "no bundle named 'absent'"),
        (["export", "two", "--format", "onnx", "--to", "two.h5"], "must end in '.onnx'"),
        (["export", "absent", "--format", "onnx", "--to", "two.onnx"], "no bundle named 'absent'"),
        (["predict"], "the following arguments are required: PATH"),
        (["export", "two", "--format", "pickle", "--to", "x"], "invalid choice: 'pickle'"),
        (["diagnose"], "invalid choice: 'diagnose'"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_wrong_usage(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    if arguments[:1] == ["predict"] and "--bundle" not in arguments:
        arguments = [*arguments, "--bundle", "two"]
    try:
        status = main(arguments)
    except SystemExit as stop:  # argparse leaves this way
        status = stop.code
    assert status == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["EMPTY"]


@pytest.mark.parametrize("option", [["--heatmaps", "film.png"], ["--csv", "folder"], ["--csv", "film.png/all.csv"]])
def test_a_place_that_cannot_be_written_is_an_error_before_any_judging(
    option: list[str],
    films: list[Radiograph],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    film = _save(films[0], tmp_path / "film.png")
    assert main(["predict", "film.png", "--bundle", "two", *option]) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert option[1].split("/")[0] in shown.err
    assert shown.out == ""
    assert np.array_equal(read_radiograph(film).pixels, films[0].pixels)


# --- the other commands -----------------------------------------------------------------------------------------------


@pytest.fixture
def copied(bundles: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle to be tampered with, made the current one."""
    monkeypatch.setenv(BUNDLES_VARIABLE, str(tmp_path))
    (tmp_path / "CURRENT").write_text("two\n")
    return shutil.copytree(bundles.two.folder, tmp_path / "two")


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "two"]])
def test_a_whole_bundle_is_verified(arguments: list[str], copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"two: whole. SHA-256 of bundle.json: {_digest(copied / 'bundle.json')}\n"


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda folder: (folder / HEAD_FILE).write_bytes(b"another head"), f"{HEAD_FILE} in the bundle 'two'"),
        (lambda folder: (folder / HEAD_FILE).unlink(), f"lacks the file {HEAD_FILE}"),
        (lambda folder: (folder / "extra.py").touch(), "extra.py"),
        (lambda folder: (folder / "bundle.json").write_text("{"), "bundle.json of the bundle 'two'"),
    ],
)
def test_a_tampered_bundle_is_not_used(
    tamper: Callable[[Path], Any], told: str, copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tamper(copied)
    (tmp_path / "film.png").touch()
    for arguments in (
        ["verify", "two"],
        ["predict", str(tmp_path / "film.png")],
        ["export", "two", "--format", "keras", "--to", str(tmp_path / "two.keras")],
    ):
        assert main(arguments) == 2
        shown = capsys.readouterr()
        assert shown.err.startswith("error: ")
        assert told in shown.err
        assert shown.out == ""
    assert not (tmp_path / "two.keras").exists()


def test_bundles_are_listed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert {"two", "three"} <= set(capsys.readouterr().out.split())


def test_help_and_listing_do_not_wait_for_tensorflow() -> None:
    run = _start(
        code=(
            "import sys\n"
            "from models.__main__ import main\n"
            f"for arguments in [['--help'], *([name, '--help'] for name in {COMMANDS})]:\n"
            "    try:\n"
            "        main(arguments)\n"
            "    except SystemExit as stop:\n"
            "        assert stop.code == 0\n"
            "main(['list'])\n"
            "main(['verify', 'two'])\n"
            "assert not {'tensorflow', 'keras'} & sys.modules.keys()\n"
        )
    )
    assert (run.status, run.err) == (0, "")
    for command in COMMANDS:
        assert f"usage: python -m models {command}" in run.out
