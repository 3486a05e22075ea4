"""A pytest plugin with the fixture `azure_sandbox`.

It is there for those who ask for it: `pytest_plugins = ["azurerm_lite.sandbox.pytest_plugin"]` in a
    conftest.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .sandbox import Sandbox


@pytest.fixture
def azure_sandbox() -> Iterator[Sandbox]:
    """A sandbox of its own for a test: everything is done at once, and the environment points to it."""
    from .sandbox import Sandbox  # here, so that tests that do not ask for it do not pay for it

    with Sandbox(upgrade_seconds=0) as sandbox:
        yield sandbox
