"""`python -m azurerm_lite.sandbox`: a local Azure for any client, or for one command."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

from . import Sandbox
from .client_settings import CLIENTS, settings_for


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until Ctrl-C, or run a command and exit with its status."""
    parser = argparse.ArgumentParser(prog="python -m azurerm_lite.sandbox", description=__doc__)
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1 (default: any that is free)"
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="how long a VM takes to upgrade (default: 1)"
    )
    parser.add_argument(
        "--for",
        dest="client",
        choices=tuple(CLIENTS),
        default="python",
        help="whose variables and commands to print (default: python)",
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, help="what to run there, such as: python my_rollout.py"
    )
    options = parser.parse_args(arguments)
    sys.exit(open_sandbox(options.port, options.seconds, options.command, options.client))


def open_sandbox(port: int, seconds: float, command: Sequence[str], client: str) -> int:
    """Serve until Ctrl-C, or run a command.

    Args:
        port: Port on 127.0.0.1; 0 for any that is free.
        seconds: How long a VM takes to upgrade.
        command: The command; empty to serve.
        client: Whose variables and commands to print, or to run the command with.

    Returns:
        The exit status of the command; 0 after Ctrl-C.
    """
    sandbox = Sandbox(upgrade_seconds=seconds, port=port)
    sandbox.add_vmss("flex", 6, orchestration="Flexible")
    sandbox.start()
    try:
        if command:
            return run(sandbox, command, client)
        serve(sandbox, client)
    except KeyboardInterrupt:
        print("\nThe sandbox has stopped.")
    finally:
        sandbox.stop()
    return 0


def serve(sandbox: Sandbox, client: str) -> None:
    """Print the variables and commands for another shell, and wait for Ctrl-C."""
    settings = settings_for(client, sandbox)
    form = '$env:{} = "{}"' if os.name == "nt" else "export {}='{}'"
    print(
        f"# A local Azure at {sandbox.url}, with throw-away credentials. Ctrl-C ends it. "
        "In another shell:"
    )
    for name, value in settings.variables.items():
        print(form.format(name, value))
    for command in settings.commands:
        print(command)
    names = ", ".join(vmss.name for vmss in sandbox.cloud.sets.values())
    print(f"# resource group {sandbox.resource_group}; scale sets {names}", flush=True)
    threading.Event().wait()


def run(sandbox: Sandbox, command: Sequence[str], client: str) -> int:
    """Run a command whose environment points at the sandbox; return its exit status."""
    # The command handles Ctrl-C. It inherits SIG_IGN, but not a handler of ours.
    signal.signal(signal.SIGINT, lambda *_: None)
    environment = {**os.environ, **settings_for(client, sandbox).variables}
    try:
        done = subprocess.run(command, env=environment, check=False)  # noqa: S603 - the user's own
    except OSError as error:
        print(f"error: {command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return 127
    return done.returncode


if __name__ == "__main__":
    main()
