"""The original azurerm, run in a separate Python environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from azurerm_lite.sandbox import Sandbox

# Calls the functions in order: each input line is JSON with a name and arguments.
DRIVER = """
import json
import sys

import azurerm

for line in sys.stdin:
    name, arguments = json.loads(line)
    answer = getattr(azurerm, name)(*arguments)
    if hasattr(answer, "status_code"):
        headers = dict(answer.headers)
        answer = {"status": answer.status_code, "headers": headers, "text": answer.text}
    print(json.dumps(answer), flush=True)
"""


# Calls a function of azurerm by name with arguments. A response is returned as status, headers and
# text.
Original = Callable[..., Any]


@contextmanager
def start_azurerm(interpreter: str, sandbox: Sandbox) -> Iterator[Original]:
    """Run a process with azurerm, which finds the sandbox by the environment."""
    environment = {**os.environ, **sandbox.environment}
    command = [interpreter, "-c", DRIVER]
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def call(name: str, *arguments: Any) -> Any:
            process.stdin.write(json.dumps([name, arguments]) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            assert answer, f"azurerm.{name} raised; its traceback is on stderr"
            return json.loads(answer)

        yield call
