"""A pytest plugin with the fixture `azure_sandbox`.

To use it, write `pytest_plugins = ["azurerm_lite.sandbox.pytest_plugin"]` in a conftest.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .sandbox import Sandbox


@pytest.fixture
def azure_sandbox() -> Iterator[Sandbox]:
    """Yield a sandbox for one test: operations end at once, and the environment points at it."""
    from .sandbox import Sandbox  # tests without it do not pay for it

    with Sandbox(upgrade_seconds=0) as sandbox:
        yield sandbox
