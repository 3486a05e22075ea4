"""Rules for the code that no linter knows: decisions on types, plain modules, tests apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import ROOT

PACKAGE = ROOT / "azurerm_lite"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
# Where what happens next must not depend on the wording of a message.
DECIDING = [
    *(PACKAGE / "rollout").rglob("*.py"),
    *(PACKAGE / "fleet").rglob("*.py"),
    *(PACKAGE / "cli").rglob("*.py"),
    *(ROOT / "examples").rglob("*.py"),
]
TEXT_METHODS = {"startswith", "endswith", "removeprefix", "removesuffix", "replace"}
MESSAGES = {"message", "msg", "text", "reason", "reasons", "error", "problem", "why", "detail"}


def name_of(path: Path) -> str:
    """Return a path as it is in the repository."""
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"))


def names_in(node: ast.expr) -> set[str]:
    """Return the names and attributes in an expression."""
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return names | {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}


def decisions_on_text(tree: ast.Module) -> Iterator[str]:
    """Yield the calls of text methods on something that is named like a message."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in TEXT_METHODS and names_in(node.func.value) & MESSAGES:
            yield ast.unparse(node).replace("'", '"')


@pytest.mark.parametrize("path", DECIDING, ids=name_of)
def test_nothing_is_decided_on_the_text_of_a_message(path: Path) -> None:
    """Messages are for people: what happens next depends on types and enums."""
    assert set(decisions_on_text(parse(path))) == set()


def test_a_decision_on_the_text_of_a_message_is_found() -> None:
    """The check sees names, attributes, and calls between."""
    code = """
if error.message.startswith("a"): pass
if str(error).strip().endswith("b"): pass
path.replace("a", "b")
"""
    assert list(decisions_on_text(ast.parse(code))) == [
        'error.message.startswith("a")',
        'str(error).strip().endswith("b")',
    ]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_arguments_do_not_travel_in_locals(path: Path) -> None:
    """A type checker cannot follow what goes through `locals()`."""
    names = {node.id for node in ast.walk(parse(path)) if isinstance(node, ast.Name)}
    assert "locals" not in names


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_says_in_its_first_line_what_it_holds(path: Path) -> None:
    """A docstring of at most 100 characters, which is a whole sentence."""
    text = path.read_text("utf-8")
    assert text.startswith(('"""', 'r"""'))
    first_line = (ast.get_docstring(parse(path)) or "").partition("\n")[0]
    assert first_line.endswith(".")
    assert len(text.partition("\n")[0]) <= 100


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_no_test_module_imports_another(path: Path) -> None:
    """What tests share is in tests/support: each file can be run and renamed by itself."""
    modules: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    own = {test.stem for test in TESTS if test.parent.name != "support"}
    imported = {module.rpartition(".")[2] for module in modules if "azurerm_lite" not in module}
    assert not {name for name in imported & own if name.startswith("test_") or name == "conftest"}
