"""A pytest plugin with the fixture `azure_sandbox`.

Put `pytest_plugins = ["azurerm_lite.sandbox.pytest_plugin"]` into conftest.py to use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .sandbox import Sandbox


@pytest.fixture
def azure_sandbox() -> Iterator[Sandbox]:
    """Provide a sandbox in which operations end at once; the environment points at it."""
    from .sandbox import Sandbox  # imported late, so that other tests start fast

    with Sandbox(upgrade_seconds=0) as sandbox:
        yield sandbox
