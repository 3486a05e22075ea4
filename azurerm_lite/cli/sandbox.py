"""`azurerm-lite sandbox`: run a local Azure for other clients, or for one command."""

from __future__ import annotations

import argparse
import importlib

from .arguments import Commands, add_command, add_help
from .exit_status import UsageError
from .output import Output
from .session import load_sandbox


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "sandbox",
        "run a local Azure for other clients",
        "Run a local Azure until Ctrl-C, or for the duration of one command.",
        usage="[--port N] [--seconds N] [--for NAME] [COMMAND ...]",
        examples=("", "python my_rollout.py", "python"),
    )
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        metavar="N",
        help="port on 127.0.0.1 (default: any free port)",
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, metavar="N", help="duration of an upgrade (1)"
    )
    parser.add_argument(
        "--for",
        dest="client",
        default="python",
        metavar="NAME",
        help="print settings for az, ansible, go...",
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="COMMAND", help="command to run on the sandbox"
    )
    add_help(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:  # noqa: ARG001 - the signature of all commands
    """Run the sandbox.

    Returns:
        The exit status of the command; 0 after Ctrl-C.
    """
    load_sandbox()  # raises if the extra is not installed
    clients = importlib.import_module("azurerm_lite.sandbox.client_settings").CLIENTS
    if options.client not in clients:
        raise UsageError(f"--for must be one of {', '.join(clients)}, got {options.client!r}")
    program = importlib.import_module("azurerm_lite.sandbox.__main__")
    status: int = program.open_sandbox(
        options.port, options.seconds, options.command, options.client
    )
    return status
