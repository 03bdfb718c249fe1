"""The rooms and the direction of their imports: app → models ← training."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FORBIDDEN = {
    "models": {"app", "training", "streamlit"},
    "training": {"app", "streamlit"},
    "app": {"training"},
}


def imported_modules(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Line and absolute name of every import in a module of `package`, wherever it stands in the module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            yield node.lineno, ".".join([*parents, node.module or ""])
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"__import__", "importlib.import_module"}:
            yield from ((node.lineno, str(name.value)) for name in node.args[:1] if isinstance(name, ast.Constant))


def wrong_imports(room: str, source: str, package: str) -> list[str]:
    return [
        f"line {line}: {module}"
        for line, module in imported_modules(source, package)
        if module.split(".")[0] in FORBIDDEN[room]
    ]


@pytest.mark.parametrize("room", FORBIDDEN)
def test_imports_go_one_way(room):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"{room}/ holds no code"

    wrong = {}
    for file in files:
        package = ".".join(file.relative_to(ROOT).parent.parts)
        if found := wrong_imports(room, file.read_text(encoding="utf-8"), package):
            wrong[str(file.relative_to(ROOT))] = found
    assert not wrong, f"{room} may not import {', '.join(sorted(FORBIDDEN[room]))}"


@pytest.mark.parametrize(
    ("room", "statement"),
    [
        ("models", "import training.heads.fit"),
        ("models", "from app import drawing"),
        ("models", "def late():\n    from training.heads.fit import fit"),
        ("models", "import importlib\nimportlib.import_module('app.main')"),
        ("training", "import streamlit as st"),
        ("app", "from training.data.manifest import read_folder"),
        ("app", "from ..training import head"),
    ],
)
def test_a_wrong_import_is_seen(room, statement):
    assert wrong_imports(room, statement, f"{room}.views" if ".." not in statement else room)


@pytest.mark.parametrize(
    ("room", "statement"),
    [
        ("models", "from models.films.refusal import Refusal"),
        ("models", "from .app import something"),
        ("training", "from models.bundle import Bundle"),
        ("app", "import subprocess, models.bundle"),
    ],
)
def test_a_right_import_is_let_through(room, statement):
    assert not wrong_imports(room, statement, room)
