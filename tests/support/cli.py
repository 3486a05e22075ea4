"""Run azurerm-lite in tests, in this process or in a child process."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from azurerm_lite.cli.main import main

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-W", "error", "-m", "azurerm_lite"]


class Done(NamedTuple):
    """The exit status and the output of a command."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments: str) -> Done:
    """Run a command in this process, without a terminal."""
    out = io.StringIO()
    error = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        status = main(arguments)
    return Done(status, out.getvalue(), error.getvalue())


def environment() -> dict[str, str]:
    """Return the environment of a child process that runs this tree."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run_child(*arguments: str, cwd: Path | None = None) -> Done:
    """Run a command in a child process, with warnings as errors and without input."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        cwd=cwd,
        env=environment(),
    )
    return Done(done.returncode, done.stdout, done.stderr)
