"""Fixtures for all tests: clean environment, canary token, test clock, sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import hypothesis
import pytest
from support.clock import Clock

from azurerm_lite import _clock
from azurerm_lite.sandbox import Sandbox

# Every run has the same examples, so that only a change can fail it; "explore" tries new ones.
hypothesis.settings.register_profile("default", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove endpoints, credentials, proxies and CA files from the environment."""
    ours = ("AZURE", "IDENTITY_", "IMDS_", "MSI_", "ACTIONS_ID_")
    for name in list(os.environ):
        if (
            name.startswith(ours)
            or name.upper().endswith(("_PROXY", "_CA_BUNDLE"))
            or name == "NETRC"
        ):
            monkeypatch.delenv(name)


@pytest.fixture
def token() -> str:
    """Return a token that may only appear in the Authorization header."""
    return "canary-token-7f3a9c"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replace the clock and the sleep of the library; sleeps are recorded instead.

    `_clock.monotonic` and `_clock.sleep` are the hooks. The library does not use another clock.
    """
    clock = Clock()
    monkeypatch.setattr(_clock, "monotonic", clock)
    monkeypatch.setattr(_clock, "sleep", clock.sleep)
    return clock


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    """Start a sandbox on the test clock, in which an upgrade takes a minute."""
    with Sandbox(upgrade_seconds=60, clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
def without_azurerm() -> Iterator[None]:
    """Remove the modules that a test has installed as azurerm."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "azurerm"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a Python with the original azurerm 0.10.0 and without this library.

    azurerm needs pkg_resources, which newer setuptools lack. The environment is made once per run.
    """
    folder = tmp_path_factory.mktemp("azurerm")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=120)
    python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "azurerm==0.10.0", "setuptools<70"]
    done = subprocess.run(pip, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip(f"pip cannot install azurerm 0.10.0: {done.stderr.strip()[-500:]}")
    return python
