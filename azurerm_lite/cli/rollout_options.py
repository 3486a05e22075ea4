"""The options of a rollout: a table with one row per keyword of the library's functions."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

from .arguments import parse_count, split_list
from .hooks import run_check


class Option(NamedTuple):
    """An option of a rollout.

    Attributes:
        flag: The option. The keyword of the library has the same name, with underscores.
        group: Its group in the help.
        metavar: Name of its value in the help.
        parse: A function that converts the text to a value.
        help: Its line in the help.
        functions: The functions of the library that have this keyword.
        choices: The allowed values; empty for any.
    """

    flag: str
    group: str
    metavar: str
    parse: Callable[[str], Any]
    help: str
    functions: tuple[str, ...] = ("rollout", "rollback", "rollout_fleet")
    choices: tuple[str, ...] = ()

    @property
    def keyword(self) -> str:
        """The keyword of the library."""
        return self.flag.removeprefix("--").replace("-", "_")


_FORWARD = ("rollout", "rollout_fleet")

# Defaults and validation are in the library.
OPTIONS = (
    Option("--by", "batches", "BY", parse_count, "update_domain, fault_domain, zone, 5 or 20%%"),
    Option("--max-batch", "batches", "N", parse_count, "largest batch, such as 8 or 20%%"),
    Option(
        "--canary", "batches", "N", parse_count, "largest first batch, such as 1 or 5%%", _FORWARD
    ),
    Option(
        "--surge",
        "batches",
        "N",
        parse_count,
        "temporary extra instances, such as 2 or 20%%",
        _FORWARD,
    ),
    Option(
        "--capacity",
        "batches",
        "N",
        int,
        "final capacity, to resume or end --surge",
        ("rollout", "rollback"),
    ),
    Option(
        "--method",
        "batches",
        "METHOD",
        str,
        "upgrade, or reimage for a model on latest",
        _FORWARD,
        ("upgrade", "reimage"),
    ),
    Option("--pause", "batches", "SECONDS", float, "pause between batches"),
    Option("--bake", "health", "SECONDS", float, "how long a finished batch must stay healthy (0)"),
    Option(
        "--canary-bake",
        "health",
        "SECONDS",
        float,
        "the same for the first batch (default: --bake)",
        _FORWARD,
    ),
    Option("--check", "health", "COMMAND", str, "health check, gets INSTANCE_IDS; status 0 passes"),
    Option(
        "--health-timeout", "health", "SECONDS", float, "time for a batch to become healthy (1800)"
    ),
    Option(
        "--max-unhealthy",
        "health",
        "N",
        parse_count,
        "unhealthy instances outside a batch, or 20%% (0)",
    ),
    Option(
        "--on-failure",
        "health",
        "ACTION",
        str,
        "if a batch fails: stop (default) or rollback",
        _FORWARD,
        ("stop", "rollback"),
    ),
)


def add_rollout_options(parser: argparse.ArgumentParser, function: str) -> None:
    """Add the options of a function of the library.

    Args:
        parser: The parser of the command.
        function: `rollout`, `rollback` or `rollout_fleet`.
    """
    groups: dict[str, argparse._ArgumentGroup] = {}
    for option in OPTIONS:
        if function not in option.functions:
            continue
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        groups[option.group].add_argument(
            option.flag,
            metavar=option.metavar,
            type=option.parse,
            choices=option.choices or None,
            help=option.help,
        )


def add_restriction(parser: argparse.ArgumentParser) -> None:
    """Add the options that restrict a rollout to part of the scale set."""
    group = parser.add_argument_group("part of the scale set")
    group.add_argument("--domains", metavar="0,1", help="only these domains")
    group.add_argument("--instances", metavar="3,12", help="only these instances")


def keywords(options: argparse.Namespace, function: str) -> dict[str, Any]:
    """Return the keywords that were passed for a function of the library.

    Raises:
        UsageError: The program of --check does not exist.
    """
    given = {
        option.keyword: getattr(options, option.keyword)
        for option in OPTIONS
        if function in option.functions and getattr(options, option.keyword) is not None
    }
    if "check" in given:
        given["check"] = run_check(given["check"], given.get("health_timeout"))
    return given


def parse_only(options: argparse.Namespace) -> list[int | str] | None:
    """Return the domains (whole numbers) and instances (strings) to upgrade; `None` for all.

    Raises:
        UsageError: A list is empty.
    """
    only: list[int | str] = []
    if options.domains is not None:
        only += [parse_count(value) for value in split_list(options.domains, "--domains")]
    if options.instances is not None:
        only += split_list(options.instances, "--instances")
    return only or None
