"""The order of rooms and wings: app → models ← training, and within a room each wing imports only what stands below it."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FORBIDDEN = {
    "models": {"app", "training", "streamlit"},
    "training": {"app", "streamlit"},
    "app": {"training"},
}

# From the ground up. A name is a wing (a folder) or a module; "*" is every other module at the top of the room.
ORDER = {
    "models": (
        "system",
        "jobs",
        "films",
        "backbones",
        "devices",
        "engines",
        "lungs",
        "*",
        "registry",
        "cluster",
        "command_line",
        "__main__",
    ),
    "training": (
        "metrics",
        "config",
        "data",
        "leaks",
        "intake",
        "lungs",
        "embedding",
        "heads",
        "backbone",
        "plots",
        "reports",
        "evaluation",
        "stress",
        "digits",
        "*",
        "__main__",
    ),
}

# `metrics` is numbers alone: what it computes can be checked without a film, a file or a network.
NOT_IN_METRICS = {
    "pathlib", "os", "io", "csv", "json", "shutil", "tempfile", "zipfile", "PIL", "cv2", "matplotlib", "rich", "keras",
    "tensorflow", "openvino", "h5py", "pydicom", "models.films", "models.engines", "models.backbones", "models.system",
    "models.bundle", "models.network", "models.predictor", "models.command_line", "training.config",
}  # fmt: skip

MOST_FILES = 14
MOST_LINES = 300
LONGEST_FUNCTION = 50
USUAL_FUNCTION = 22  # nine in ten are no longer


def imported_modules(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Line and absolute name of every import in a module of `package`, wherever it stands in the module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}" if is_module(module, alias.name) else module)
                        for alias in node.names)  # fmt: skip
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"__import__", "importlib.import_module"}:
            yield from ((node.lineno, str(name.value)) for name in node.args[:1] if isinstance(name, ast.Constant))


def is_module(package: str, name: str) -> bool:
    """Whether `from package import name` takes a module of ours."""
    place = ROOT / package.replace(".", "/") / name
    return place.with_suffix(".py").is_file() or place.is_dir()


def sources(room: str) -> dict[str, str]:
    """The modules of a room by their dotted names."""
    found = {}
    for file in sorted((ROOT / room).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts)] = file.read_text(encoding="utf-8")
    return found


def level(room: str, module: str) -> int:
    """How high a module of a room stands, by its wing."""
    wing = [*module.split("."), "__init__"][1]
    order = ORDER[room]
    return order.index(wing) if wing in order else order.index("*")


def complaints(module: str, source: str) -> list[str]:
    """What is wrong with the imports of a module, each as a sentence with the rule and the way out."""
    room, *below = module.split(".")
    package = module.rpartition(".")[0]
    wrong = []
    for line, imported in imported_modules(source, package):
        where = f"{module}, line {line}, imports {imported}: "
        if imported.split(".")[0] in FORBIDDEN[room]:
            wrong.append(
                f"{where}the rooms are app → models ← training. Move what both need into models, or let app start a process."
            )
        elif room in ORDER and imported.split(".")[0] == room and level(room, imported) > level(room, module):
            wrong.append(
                f"{where}a wing imports only what stands below it ({' < '.join(ORDER[room])}). Move what is needed down, or "
                "let the caller above do this step and hand its result in."
            )
        elif below[:1] == ["metrics"] and any(f"{imported}.".startswith(f"{name}.") for name in NOT_IN_METRICS):
            wrong.append(f"{where}metrics are pure numbers. Read files and draw in another wing, and pass arrays in.")
    return wrong


def import_cycle(modules: Mapping[str, str]) -> list[str]:
    """Modules that import each other in a circle, the first twice; none where there is no circle."""
    graph = {
        name: {
            imported if imported in modules else f"{imported}.__init__"
            for _, imported in imported_modules(source, name.rpartition(".")[0])
        } & set(modules) - {name}
        for name, source in modules.items()
    }  # fmt: skip
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("room", FORBIDDEN)
def test_imports_go_one_way(room: str) -> None:
    modules = sources(room)
    assert modules, f"{room}/ holds no code"
    assert not [complaint for module, source in modules.items() for complaint in complaints(module, source)]


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert not import_cycle({**sources("models"), **sources("training"), **sources("app")})


def test_one_broad_except_stands_in_the_whole_product() -> None:
    """`models.films.refusal.attempt`: what nobody foresaw in one file ends no batch. Everywhere else errors are named."""
    broad = [
        module
        for room in FORBIDDEN
        for module, source in sources(room).items()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or {"Exception", "BaseException"} & {ast.unparse(one) for one in ast.walk(node.type)
                                                                   if isinstance(one, ast.Name)})
    ]  # fmt: skip
    assert broad == ["models.films.refusal"]


@pytest.mark.parametrize("room", ORDER)
def test_every_wing_is_named_in_the_order(room: str) -> None:
    folders = {path.parent.name for path in (ROOT / room).glob("*/__init__.py")}
    assert folders <= set(ORDER[room]), f"Give a new wing its place in ORDER, and a line in CONTRIBUTING.md: {folders}"


@pytest.mark.parametrize("room", ORDER)
def test_no_folder_is_too_full_to_find_something_in(room: str) -> None:
    folders = [path for path in (ROOT / room, *(ROOT / room).glob("*/")) if (path / "__init__.py").is_file()]
    full = {str(path): n for path in folders if (n := len(list(path.glob("*.py")))) > MOST_FILES}
    assert not full, f"A folder holds at most {MOST_FILES} files: divide it by what its files are about"


def test_functions_and_files_are_short() -> None:
    functions: list[int] = []
    for path in (path for room in ("app", "benchmarks", "models", "training") for path in (ROOT / room).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= MOST_LINES, f"{path} is longer than {MOST_LINES} lines: divide it"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                assert length <= LONGEST_FUNCTION, f"{path}: {node.name} has {length} lines: divide it"
                functions.append(length)
    assert sorted(functions)[round(0.9 * len(functions))] <= USUAL_FUNCTION


@pytest.mark.parametrize("room", ORDER)
def test_a_wing_says_in_one_docstring_what_it_is(room: str) -> None:
    for path in (ROOT / room).glob("*/__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1, f"{path}: code belongs into a module with a name"
        assert ast.get_docstring(ast.Module(body, [])), path


def test_wings_are_explained_to_contributors() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    wings = [f"`{room}/{wing}/`" for room in ORDER for wing in ORDER[room] if (ROOT / room / wing).is_dir()]
    assert not [wing for wing in wings if wing not in page]


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("models.gate", "import training.heads"),
        ("models.gate", "from app import drawing"),
        ("models.gate", "def late():\n    from training.heads.fit import fit_head"),
        ("models.gate", "import importlib\nimportlib.import_module('app.main')"),
        ("training.run", "import streamlit as st"),
        ("app.main", "from training.data.manifest import read_manifest"),
        ("app.main", "from ..training import heads"),
        ("models.films.radiograph", "from models.gate import Gate"),
        ("models.films.radiograph", "from models import gate"),
        ("models.system.files", "def late():\n    from models.films.refusal import Refusal"),
        ("models.engines.engine", "from models.predictor import Predictor"),
        ("models.predictor", "from models.command_line.screening import judge_files"),
        ("training.leaks.find", "from training.plots.judged_plots import contact_sheet"),
        ("training.leaks.find", "from ..embedding.cache import EmbeddingCache"),
        ("training.heads.fit", "import training.train"),
        ("training.heads.fit", "from training import reports"),
        ("training.metrics.curves", "from pathlib import Path"),
        ("training.metrics.curves", "from models.films.radiograph import read_radiograph"),
        ("training.metrics.curves", "from training.data.manifest import Entry"),
    ],
)
def test_a_wrong_import_is_named_with_the_rule_and_the_way_out(module: str, statement: str) -> None:
    (complaint,) = complaints(module, statement)
    assert complaint.startswith(module)
    assert any(way in complaint for way in ("Move what", "pass arrays in"))


@pytest.mark.parametrize(
    ("module", "statement"),
    [
        ("models.predictor", "from models.films.refusal import Refusal"),
        ("models.predictor", "from .app import something"),
        ("models.command_line.screening", "from models.predictor import Predictor"),
        ("training.run", "from models.bundle import Bundle"),
        ("training.reports.card", "from training.metrics.bootstrap import Estimate"),
        ("training.metrics.judged", "from models.prediction import OperatingPoint"),
        ("app.main", "import subprocess, models.bundle"),
    ],
)
def test_a_right_import_is_let_through(module: str, statement: str) -> None:
    assert complaints(module, statement) == []


def test_a_planted_circle_is_found() -> None:
    chain = {
        "models.one": "from models.two import a",
        "models.two": "def late():\n    from models.three import b",
        "models.three": "import os",
    }
    assert import_cycle(chain) == []
    assert set(import_cycle({**chain, "models.three": "import models.one"})) == set(chain)
