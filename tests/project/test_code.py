"""Rules for the code that no linter has: decisions on messages, modules, test imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import ROOT

PACKAGE = ROOT / "azurerm_lite"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
# Files whose behaviour must not depend on the wording of a message.
DECIDING = [
    *(path for path in SOURCES if "sandbox" not in path.parts),
    *(ROOT / "examples").rglob("*.py"),
]
TEXT_METHODS = {"startswith", "endswith", "removeprefix", "removesuffix", "replace"}
MESSAGES = {"message", "msg", "text", "reason", "reasons", "error", "problem", "why", "detail"}
ALLOWED = {
    # Finds exceptions of Azure's SDK by their module.
    "azurerm_lite/rest.py": {'type(error).__module__.startswith("azure.")'},
    # Formats a message: no repeated reason, no secret, no log line with a token.
    "azurerm_lite/errors.py": {
        "reason not in self.message",
        '(response.reason or "").title().replace(" ", "")',
    },
    "azurerm_lite/auth/_error_advice.py": {'text.replace(secret, "***")'},
    "azurerm_lite/auth/_entra.py": {'str(record.msg).startswith(("event=", "Token response"))'},
}
"""Calls that look like decisions on a message, but are not, by file."""


def name_of(path: Path) -> str:
    """Return a path relative to the repository."""
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"))


def names_in(node: ast.expr) -> set[str]:
    """Return the names and attributes in an expression."""
    names = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return names | {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}


def decisions_on_text(tree: ast.Module) -> Iterator[str]:
    """Yield calls of text methods and searches on names that look like messages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            last = node.comparators[0]
            is_message = isinstance(last, ast.Attribute) and last.attr == "message"
            if is_message or (isinstance(node.left, ast.Constant) and names_in(last) & MESSAGES):
                yield ast.unparse(node).replace("'", '"')
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in TEXT_METHODS and names_in(node.func.value) & MESSAGES:
            yield ast.unparse(node).replace("'", '"')


@pytest.mark.parametrize("path", DECIDING, ids=name_of)
def test_no_decision_depends_on_the_text_of_a_message(path: Path) -> None:
    """Messages are for people; decisions use types and enums."""
    assert set(decisions_on_text(parse(path))) <= ALLOWED.get(name_of(path), set())


def test_a_decision_on_the_text_of_a_message_is_found() -> None:
    """The check covers names, attributes and chained calls."""
    code = """
if error.message.startswith("a"): pass
if str(error).strip().endswith("b"): pass
if "c" in error.message: pass
if word in each.message: pass
if "d" not in str(error).lower(): pass
path.replace("a", "b")
"""
    assert set(decisions_on_text(ast.parse(code))) == {
        '"c" in error.message',
        "word in each.message",
        '"d" not in str(error).lower()',
        'error.message.startswith("a")',
        'str(error).strip().endswith("b")',
    }


def test_every_allowed_call_exists() -> None:
    """Outdated exceptions must be deleted."""
    for name, calls in ALLOWED.items():
        assert calls <= set(decisions_on_text(parse(ROOT / name))), name


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_arguments_are_passed_through_locals(path: Path) -> None:
    """A type checker cannot check them."""
    names = {node.id for node in ast.walk(parse(path)) if isinstance(node, ast.Name)}
    assert "locals" not in names


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_module_has_a_docstring(path: Path) -> None:
    """Its first line is a sentence of at most 100 characters."""
    text = path.read_text("utf-8")
    assert text.startswith(('"""', 'r"""'))
    first_line = (ast.get_docstring(parse(path)) or "").partition("\n")[0]
    assert first_line.endswith(".")
    assert len(text.partition("\n")[0]) <= 100


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_no_test_module_imports_another(path: Path) -> None:
    """Shared code is in tests/support, so that each test file can be run separately."""
    modules: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    own = {test.stem for test in TESTS if test.parent.name != "support"}
    imported = {module.rpartition(".")[2] for module in modules if "azurerm_lite" not in module}
    assert not {name for name in imported & own if name.startswith("test_") or name == "conftest"}
