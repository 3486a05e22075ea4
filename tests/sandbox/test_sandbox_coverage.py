"""The table of operations in the docs matches the routes and Azure's SDK."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from azurerm_lite.sandbox.server.coverage import (
    NOT_IMPLEMENTED,
    coverage_table,
    operation_of,
    readable_paths,
    version_table,
)
from azurerm_lite.sandbox.server.routes import ROUTES

DOCS = Path(__file__).parents[2] / "docs" / "sandbox.md"


@pytest.mark.parametrize("table", [coverage_table, version_table])
def test_the_docs_have_the_table_of_the_routes(table: object) -> None:
    """`python -m azurerm_lite.sandbox.server.coverage` prints both tables."""
    assert callable(table)
    assert table() in DOCS.read_text(encoding="utf-8")


def test_each_handler_names_its_operation() -> None:
    """The name is the first line of its docstring."""
    names = [operation_of(route) for route in ROUTES]
    assert all(names)
    assert not [name for name in names if len(name) > 110]


def comparable(method: str, path: str) -> str:
    """Return a request in lower case, with `{}` for each name."""
    return f"{method} {re.sub(r'{[^}]*}', '{}', path).lower()}"


def test_the_table_has_every_operation_of_the_sdk() -> None:
    """It has those on scale sets, images and galleries, which the SDK has as URL templates."""
    compute = pytest.importorskip("azure.mgmt.compute.operations._operations")
    source = Path(compute.__file__).read_text(encoding="utf-8")
    requests = re.findall(
        r"_url = \(?\s*((?:\"[^\"]*\"[^\"]*?)+?)\n    path_format_arguments.*?"
        r"return HttpRequest\(method=\"(\w+)\"",
        source,
        re.DOTALL,
    )
    declared = set()
    for text, method in requests:
        path = "".join(re.findall(r'"([^"]*)"', text))
        below = path.rpartition("/providers/Microsoft.Compute")[2].partition("?")[0]
        if re.match(r"/(virtualMachineScaleSets|images|galleries)(/|$)", below):
            declared.add(comparable(method, below))
    assert len(declared) > 60, "the SDK declares its operations differently"
    known = {comparable(*entry) for entry in NOT_IMPLEMENTED}
    for route in ROUTES:
        for path in readable_paths(route.path):
            below = path.rpartition("/providers/microsoft.compute")[2]
            known.add(comparable(route.method, below))
    left = {
        request
        for request in declared - known
        if not re.search(r"/(scripts|applications|invmaccess|share|softdeleted)", request)
    }
    assert left == set()
    listed = {comparable(*entry) for entry in NOT_IMPLEMENTED}
    assert listed <= declared, "an operation that is not Azure's"
