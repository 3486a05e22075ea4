"""Serve a local Azure for other programs, or run one command on it."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from . import Sandbox
from .client_settings import CLIENTS, settings_for

_SLEEP_SECONDS = 60.0
"""Any number: Ctrl-C ends a sleep at once."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C, or run a command and exit with its status."""
    parser = argparse.ArgumentParser(prog="python -m azurerm_lite.sandbox", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1 (default: any free port)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=1.0,
        help="how many seconds the upgrade of a VM takes (default: 1)",
    )
    parser.add_argument(
        "--for",
        dest="client",
        choices=tuple(CLIENTS),
        default="python",
        help="the client whose settings to print (default: python)",
    )
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        help="the command to run on the sandbox, such as: python my_rollout.py",
    )
    options = parser.parse_args(arguments)
    sys.exit(open_sandbox(options.port, options.seconds, options.command, options.client))


def open_sandbox(port: int, seconds: float, command: Sequence[str], client: str) -> int:
    """Serve until Ctrl-C, or run a command.

    Args:
        port: Port on 127.0.0.1; 0 for any free port.
        seconds: How many seconds the upgrade of a VM takes.
        command: The command and its arguments; empty to serve.
        client: The client whose settings to print, or to run the command with.

    Returns:
        An int: the exit status of the command; 0 after Ctrl-C.
    """
    sandbox = Sandbox(upgrade_seconds=seconds, port=port)
    sandbox.add_vmss("flex", 6, orchestration="Flexible")
    sandbox.start()
    try:
        if command:
            return run(sandbox, command, client)
        serve(sandbox, client)
    except KeyboardInterrupt:
        print("\nSandbox stopped.")
    finally:
        sandbox.stop()
    return 0


def serve(sandbox: Sandbox, client: str) -> None:
    """Print the variables and commands for another shell, and wait for Ctrl-C."""
    settings = settings_for(client, sandbox)
    form = '$env:{} = "{}"' if os.name == "nt" else "export {}='{}'"
    print(
        f"# Sandbox running at {sandbox.url}. Press Ctrl-C to stop it. "
        "Paste these lines into another shell:"
    )
    for name, value in settings.variables.items():
        print(form.format(name, value))
    for command in settings.commands:
        print(command)
    names = ", ".join(vmss.name for vmss in sandbox.cloud.sets.values())
    print(f"# resource group {sandbox.resource_group}; scale sets {names}", flush=True)
    # Windows does not let Ctrl-C end the wait for an Event or a Lock (CPython issue 80116).
    while True:
        time.sleep(_SLEEP_SECONDS)


def run(sandbox: Sandbox, command: Sequence[str], client: str) -> int:
    """Run a command with an environment that points at the sandbox.

    Returns:
        An int: the exit status of the command; 127 if it cannot be started.
    """
    # The command handles Ctrl-C. It would inherit SIG_IGN, but it does not inherit a handler.
    signal.signal(signal.SIGINT, lambda *_: None)
    environment = {**os.environ, **settings_for(client, sandbox).variables}
    try:
        done = subprocess.run(command, env=environment, check=False)  # noqa: S603 - the user's own
    except OSError as error:
        print(f"error: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    return done.returncode


if __name__ == "__main__":
    main()
