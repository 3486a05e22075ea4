"""A fake `az` that is signed in to a sandbox."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from azurerm_lite.sandbox import Sandbox


def put_az_on_path(sandbox: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an `az` that is signed in to the sandbox first on PATH."""
    answer = json.dumps({"accessToken": sandbox.access_token, "id": sandbox.subscription_id})
    script = folder / "az.py"
    script.write_text(f"print({answer!r})")
    if os.name == "nt":
        (folder / "az.cmd").write_text(f'@"{sys.executable}" "{script}"')
    else:
        (folder / "az").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}"\n')
        (folder / "az").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
