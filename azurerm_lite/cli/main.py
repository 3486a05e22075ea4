"""The program `azurerm-lite`: runs a command, prints its error, returns its exit status."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Sequence

import azurerm_lite as az

from . import bump, editor, fleet, follow, login, rollback, rollout, sandbox, status, upgrade
from .advice import with_advice
from .arguments import HelpFormatter, add_help
from .exit_status import DONE, FAILED, INTERRUPTED, ROLLED_BACK, USAGE, Declined, UsageError
from .hooks import HookFailed
from .output import Output, escape_unknown_characters
from .session import extra_is_missing

COMMANDS = (rollout, rollback, upgrade, bump, status, fleet, follow, editor, login, sandbox)
SHELLS = ("bash", "zsh", "fish", "powershell")

_EPILOG = """\
exit status: 0 done, 1 failed or incomplete, 2 invalid arguments,
             3 a batch failed and was rolled back, 130 interrupted

examples:
  azurerm-lite rollout --sandbox
  azurerm-lite rollout -r myrg -s web -n latest --dry-run
  azurerm-lite COMMAND --help
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="azurerm-lite",
        description="Move virtual machine scale sets to a new OS image, without downtime.",
        usage="azurerm-lite COMMAND [options]",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument(
        "--version",
        action="version",
        version=f"azurerm-lite {az.__version__}",
        help="print the version",
    )
    parser.add_argument(
        "--completion",
        choices=SHELLS,
        metavar="SHELL",
        help=f"print the completion script: {', '.join(SHELLS)}",
    )
    add_help(parser)
    commands = parser.add_subparsers(
        title="commands", dest="name", metavar="COMMAND", prog="azurerm-lite"
    )
    for command in COMMANDS:
        command.add(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. A failure prints one line and sets the exit status.

    Args:
        arguments: The arguments; `None` for those of the command line.

    Returns:
        The exit status.
    """
    escape_unknown_characters()
    parser = make_parser()
    complete(parser)
    try:
        options = parser.parse_args(arguments)
    except SystemExit as end:  # argparse ends the program after help and usage errors
        return end.code if isinstance(end.code, int) else USAGE
    output = Output(is_json=getattr(options, "json", False))
    try:
        return run(parser, options, output)
    except UsageError as error:
        output.error(f"{error} (azurerm-lite {options.name} --help)")
        return USAGE
    except (KeyboardInterrupt, Declined):
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        print("Stopped: the output pipe was closed.", file=sys.stderr)
        return FAILED
    except az.RolloutHalted as halt:
        output.error(str(halt))
        return ROLLED_BACK if halt.rolled_back else FAILED
    except (
        ValueError,
        OSError,
        HookFailed,
    ) as error:  # OSError includes errors of Azure and the network
        output.error(with_advice(error))
        return FAILED


def run(parser: argparse.ArgumentParser, options: argparse.Namespace, output: Output) -> int:
    """Run the chosen command; return the exit status."""
    if options.completion:
        output.text(completion_script(options.completion))
        return DONE
    if options.name is None:
        parser.print_help(sys.stderr)
        return USAGE
    status: int = options.run(options, output)
    return status


def complete(parser: argparse.ArgumentParser) -> None:
    """Print completions if a shell requests them and argcomplete is installed."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    with contextlib.suppress(ModuleNotFoundError):
        argcomplete = importlib.import_module("argcomplete")
        argcomplete.autocomplete(parser)


def completion_script(shell: str) -> str:
    """Return the completion script of a shell.

    Raises:
        ValueError: argcomplete is not installed.
    """
    try:
        argcomplete = importlib.import_module("argcomplete")
    except ModuleNotFoundError as missing:
        raise extra_is_missing(missing, "cli") from None
    script: str = argcomplete.shellcode(["azurerm-lite"], shell=shell)
    return script


def _discard_output() -> None:
    """Redirect standard output to the null device, because Python flushes it at exit."""
    if sys.__stdout__:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())
