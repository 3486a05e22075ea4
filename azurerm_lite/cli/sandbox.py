"""`azurerm-lite sandbox`: a local Azure for any client, or for one command."""

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
        "a local Azure, for any client or one command",
        "Serve a local Azure until Ctrl-C, or run one command on it.",
        usage="[--port N] [--seconds N] [--for NAME] [COMMAND ...]",
        examples=("", "python my_rollout.py", "python"),
    )
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port on 127.0.0.1 (any that is free)"
    )
    parser.add_argument(
        "--seconds", type=float, default=1.0, metavar="N", help="how long an upgrade takes (1)"
    )
    parser.add_argument(
        "--for",
        dest="client",
        default="python",
        metavar="NAME",
        help="az, ansible, go...",
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run on the sandbox"
    )
    add_help(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:  # noqa: ARG001 - as of all commands
    """Serve the sandbox.

    Returns:
        The exit status of the command that ran on it.
    """
    load_sandbox()  # raises if the extra is not installed
    clients = importlib.import_module("azurerm_lite.sandbox.client_settings").CLIENTS
    if options.client not in clients:
        raise UsageError(f"--for must be one of {', '.join(clients)}, not {options.client!r}")
    program = importlib.import_module("azurerm_lite.sandbox.__main__")
    status: int = program.open_sandbox(
        options.port, options.seconds, options.command, options.client
    )
    return status
