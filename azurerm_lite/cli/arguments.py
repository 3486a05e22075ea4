"""The arguments that commands share, and the format of their help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, TypeAlias

from .exit_status import UsageError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

CONFIG = "vmssconfig.json"


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help with one line per option: `-r, --resourcegroup NAME`."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=30, **options)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        values = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {values}"


def add_command(
    commands: Commands,
    name: str,
    short: str,
    summary: str,
    *,
    usage: str,
    examples: Sequence[str],
    details: str = "",
) -> argparse.ArgumentParser:
    """Add a command to the parser.

    Args:
        commands: The commands of the program.
        name: Name of the command.
        short: Summary in a few words, for the list of commands.
        summary: Summary as a sentence.
        usage: The most important arguments, for the first line of the help.
        examples: Arguments of example calls, for the end of the help.
        details: More sentences, printed below the summary.

    Returns:
        The parser of the command, without arguments.
    """
    lines = [f"  azurerm-lite {name} {arguments}".rstrip() for arguments in examples]
    return commands.add_parser(
        name,
        help=short,
        description="\n".join(filter(None, (summary, details))),
        usage=f"azurerm-lite {name} {usage}".rstrip(),
        epilog="\n".join(["examples:", *lines]),
        formatter_class=HelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )


def add_scale_set(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name one scale set."""
    group = parser.add_argument_group("scale set")
    group.add_argument("-r", "--resourcegroup", metavar="NAME", help="name of the resource group")
    group.add_argument("-s", "--vmssname", metavar="NAME", help="name of the scale set")
    group.add_argument(
        "--subscription",
        metavar="ID",
        help="default: AZURE_SUBSCRIPTION_ID, then the Azure CLI",
    )


def add_session(
    parser: argparse.ArgumentParser, *, changes: bool = True, dry_run: bool = False
) -> None:
    """Add the arguments of every command: credentials, confirmation, log, sandbox, JSON.

    Args:
        parser: The parser of the command.
        changes: Whether the command changes something and asks for confirmation.
        dry_run: Whether the command has --dry-run.
    """
    group = parser.add_argument_group("session")
    group.add_argument(
        "--config", metavar="FILE", help=f"file with credentials (default: {CONFIG})"
    )
    group.add_argument(
        "--sandbox",
        action="store_true",
        help="run on a local sandbox" + ("; implies --yes" if changes else ""),
    )
    if changes:
        group.add_argument("-y", "--yes", action="store_true", help="skip the confirmation")
    if dry_run:
        group.add_argument("--dry-run", action="store_true", help="print the plan; change nothing")
    group.add_argument(
        "-v", "--verbose", action="store_true", help="log every request to standard error"
    )
    group.add_argument("--json", action="store_true", help="print JSON lines instead of text")
    add_help(group)


def add_help(group: argparse._ActionsContainer) -> None:
    """Add --help to an existing group, so that it does not get its own group."""
    group.add_argument("-h", "--help", action="help", help="show this help")


def parse_count(text: str) -> int | str:
    """Return the text as a whole number if it is one; otherwise return it unchanged."""
    return int(text) if text.isdecimal() else text


def split_list(text: str, argument: str) -> list[str]:
    """Return the values of a comma-separated list.

    An empty list is an error. It usually comes from an unset shell variable and must not mean all.

    Raises:
        UsageError: The list is empty.
    """
    values = [value.strip() for value in text.split(",") if value.strip()]
    if not values:
        raise UsageError(f"{argument} is empty; pass at least one value")
    return values
