"""Fixtures of the fleet's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support import fast_time

from azurerm_lite import _clock
from azurerm_lite.sandbox import Sandbox


@pytest.fixture
def fast(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox in fast time, which this process uses as well."""
    monkeypatch.setattr(_clock, "monotonic", fast_time.clock)
    monkeypatch.setattr(_clock, "sleep", fast_time.sleep)
    with Sandbox(upgrade_seconds=60, clock=fast_time.clock, demo=False) as sandbox:
        yield sandbox
