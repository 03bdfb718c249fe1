"""What the command does and refuses without TensorFlow, and what it teaches."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.bundle import BUNDLES_VARIABLE
from tests.training.conftest import Ran, Workshop
from tests.training.films import write_film, write_published

ROOT = Path(__file__).parents[2]
LOADED_TENSORFLOW = 77

COMMANDS = f"""
import gc, json, os, sys
import training.evaluation.evaluate, training.train
from training.__main__ import main

gc.disable()
for line in sys.stdin:
    folder, arguments, environment = json.loads(line)
    if not (child := os.fork()):
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()

os.chdir(folder)
os.environ.update(environment)
for number, name in ((1, "out"), (2, "err")):
    os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
try:
    status = main(arguments)
except SystemExit as error:
    status = error.code
sys.stdout.flush()
sys.stderr.flush()
# To take all modules down takes longer than most commands.
os._exit({LOADED_TENSORFLOW} if "tensorflow" in sys.modules or "keras" in sys.modules else status)
"""
"""Takes a command a line, and forks for it: each has a process of its own, and what several import is imported once."""

Command = Callable[..., Ran]


@pytest.fixture(scope="module")
def command() -> Iterator[Command]:
    """`python -m training …` in a process of its own, in a folder; its status is 77 if it loaded TensorFlow."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    # A proxy where nobody listens: whatever the machine, there is no network.
    environment |= dict.fromkeys(("https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY"), "http://127.0.0.1:9")
    environment |= {"no_proxy": "", "NO_PROXY": ""}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", COMMANDS], env=environment, **pipes) as forking:

        def run(folder: Path, *arguments: object) -> Ran:
            places = {BUNDLES_VARIABLE: str(folder / "bundles"), "KERAS_HOME": str(folder / "keras")}
            forking.stdin.write(json.dumps([str(folder), list(map(str, arguments)), places]) + "\n")
            forking.stdin.flush()
            status = int(forking.stdout.readline())
            out, err = (folder / name for name in ("out", "err"))
            return Ran(status, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8"))

        yield run


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that nothing is wrong with."""
    return write_published(tmp_path_factory.mktemp("good"), images=8)


def folder_of(*files: str) -> Callable[[Path], Path]:
    """Films at these paths; a path that ends in / is an empty folder."""

    def make(root: Path) -> Path:
        for seed, name in enumerate(files):
            if name.endswith("/"):
                (root / name).mkdir(parents=True)
            else:
                write_film(root / name, seed)
        return root

    return make


FOLDERS = {
    "no such folder": (lambda root: root / "nowhere", "not_a_folder"),
    "a file": (lambda root: write_film(root / "film.png", 0), "not_a_folder"),
    "nothing in it": (folder_of("A/", "B/"), "no_images"),
    "one class": (folder_of("A/1.png", "A/2.png"), "single_class"),
    "an empty class": (folder_of("A/1.png", "B/"), "empty_class"),
    "films beside the classes": (folder_of("A/1.png", "B/2.png", "3.png"), "mixed_layout"),
    "a class beside the splits": (folder_of("train/A/1.png", "train/B/2.png", "C/3.png"), "mixed_layout"),
    "two patients": (folder_of(*(f"{label}/{n}.png" for label in "AB" for n in range(2))), "too_few_patients"),
}


@pytest.mark.parametrize("what", FOLDERS)
def test_a_folder_that_is_no_data_set_is_refused_at_once(command: Command, tmp_path: Path, what: str) -> None:
    make, code = FOLDERS[what]
    (tmp_path / "data").mkdir()
    done = command(tmp_path, "train", make(tmp_path / "data"), "--name", "new", "--field", "film")
    assert_refused(done, f"error [{code}]: ")
    assert not (tmp_path / "bundles").exists()


OPTIONS = {
    "a pattern that is none": (["--patient-regex", "("], "regular expression"),
    "a pattern without a group": (["--patient-regex", "IM"], "group"),
    "a table that is not there": (["--patients", "nowhere.csv"], "readable CSV"),
    "a name with a slash": (["--name", "a/b"], "bundle's name"),
    "views below 0": (["--views", "-1"], "--views"),
    "one fold": (["--folds", "1"], "--folds"),
    "a seed below 0": (["--seed", "-1"], "--seed"),
    "a label that is not there": (["--positive", "FRACTURE"], "--positive must be one of NORMAL, PNEUMONIA"),
    "notes that are not there": (["--notes", "nowhere.md"], "--notes"),
    "a dropout of 1": (["--dropout", "1"], "dropout"),
    "no epochs": (["--epochs", "0"], "epochs"),
}


@pytest.mark.parametrize("what", OPTIONS)
def test_a_wrong_option_is_refused_at_once(command: Command, tmp_path: Path, good: Path, what: str) -> None:
    options, words = OPTIONS[what]
    done = command(tmp_path, "train", good, "--name", "new", *options)
    assert_refused(done, "error")
    assert words in done.err


def test_a_table_of_patients_that_does_not_fit_is_refused(command: Command, tmp_path: Path, good: Path) -> None:
    (tmp_path / "patients.csv").write_text("file,patient\nNORMAL/nowhere.png,7\n")
    done = command(tmp_path, "train", good, "--name", "new", "--patients", "patients.csv")
    assert_refused(done, "error [patients_csv]: ")
    assert "NORMAL/nowhere.png" in done.err


def test_a_name_that_is_taken_is_refused_before_the_folder_is_read(command: Command, tmp_path: Path) -> None:
    (tmp_path / "bundles/taken").mkdir(parents=True)
    done = command(tmp_path, "train", tmp_path / "nowhere", "--name", "taken")
    assert_refused(done, "error: A bundle named 'taken' is there already")
    assert "--overwrite" in done.err


def test_what_argparse_refuses_has_status_2(command: Command, tmp_path: Path) -> None:
    assert command(tmp_path, "train", "somewhere").status == 2
    assert command(tmp_path).status == 2


def test_a_bundle_that_is_not_there_cannot_be_judged(command: Command, tmp_path: Path, good: Path) -> None:
    done = command(tmp_path, "evaluate", "nobody", good, "--out", tmp_path / "out")
    assert_refused(done, "error: There is no bundle named 'nobody'")


def assert_refused(done: Ran, start: str) -> None:
    """Status 2, one sentence for a person, and TensorFlow not loaded (its status would be 77)."""
    assert done.status == 2, done.err
    assert done.err.startswith(start)
    assert "Traceback" not in done.err
    assert done.err.rstrip().endswith((".", "'", ")", "}")) or "Received" in done.err


@pytest.mark.parametrize(
    ("arguments", "taught"),
    [
        ([], ["train", "evaluate", "weights", "never a diagnosis"]),
        (
            ["train"],
            ["python -m training train", "--patient-regex", "situs inversus", "(default: 2015)", "MODEL_CARD.md"],
        ),
        (["evaluate"], ["python -m training evaluate", "--compare", "--subgroups", "evaluation.html", "95 % interval"]),
        (["weights"], ["python -m training weights resnet50 --to", "efficientnet_lite0"]),
        (["import"], ["python -m training import --csv", "--uncertain", "--readers", "rejected.csv", "manifest.csv"]),
        (["download"], ["python -m training download kaggle --to", "publishes a digest", "MD5"]),
    ],
    ids=lambda value: value[0] if value else "all",
)
def test_help_teaches_and_is_quick(command: Command, tmp_path: Path, arguments: list[str], taught: list[str]) -> None:
    done = command(tmp_path, *arguments, "--help")
    assert done.status == 0
    assert [words for words in taught if words not in done.out] == []
    assert "default: None" not in done.out
    assert "==SUPPRESS==" not in done.out


def test_without_a_network_the_weights_are_explained(command: Command, tmp_path: Path) -> None:
    done = command(tmp_path, "weights", "resnet50", "--to", tmp_path / "carry")
    assert done.status == 2
    for words in (
        "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "4d473c1dd8becc155b73f8504c6f6626",
        "https://",
    ):
        assert words in done.err
    assert "--backbone efficientnet_lite0" in done.err
    assert "Traceback" not in done.err
    assert list((tmp_path / "carry").glob("*")) == []


def test_vendored_weights_need_no_fetching(command: Command, tmp_path: Path) -> None:
    done = command(tmp_path, "weights", "efficientnet_lite0")
    assert done.status == 2
    assert "nothing to fetch" in done.err


def test_a_head_is_fitted_without_tensorflow(command: Command, tmp_path: Path, good: Path) -> None:
    done = command(
        tmp_path,
        "train",
        good,
        "--name",
        "new",
        "--backbone",
        "efficientnet_lite0",
        "--field",
        "film",
        "--views",
        0,
        "--engine",
        "openvino",
    )
    assert done.status == 0, done.err
    assert (tmp_path / "bundles/new/MODEL_CARD.md").is_file()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_no_bundle_can_be_written_to_is_told_before_anything_is_embedded(
    films: Path, tmp_path: Path
) -> None:
    workshop = Workshop(tmp_path)
    workshop.bundles.mkdir(mode=0o500)
    ran = workshop.train(films, "never")
    assert ran.status == 2
    assert f"{workshop.bundles} cannot be written" in ran.err
    assert not workshop.cache.exists()
