"""The options of a rollout, in one table: one row for each keyword of the library's functions."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

from .arguments import parse_count, split_list
from .hooks import run_check


class Option(NamedTuple):
    """An option of a rollout.

    Attributes:
        flag: The option; the keyword of the library has the same name, with underscores.
        group: The group of the help that it stands in.
        metavar: What its value is called in the help.
        parse: A function that turns the text into a value.
        help: What it means.
        functions: The functions of the library that have this keyword.
        choices: The values that it may have; empty for any.
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

# What is left out here is left to the library, which has the defaults and the validation.
OPTIONS = (
    Option("--by", "batches", "BY", parse_count, "update_domain, fault_domain, zone, 5 or 20%%"),
    Option("--max-batch", "batches", "N", parse_count, "most instances at a time, or 20%%"),
    Option("--canary", "batches", "N", parse_count, "most in the first batch, or 5%%", _FORWARD),
    Option("--surge", "batches", "N", parse_count, "extra instances meanwhile, or 20%%", _FORWARD),
    Option(
        "--capacity",
        "batches",
        "N",
        int,
        "instances to end with, to resume or leave --surge",
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
    Option("--pause", "batches", "SECONDS", float, "pause between two batches"),
    Option("--bake", "health", "SECONDS", float, "how long a batch must stay healthy"),
    Option("--canary-bake", "health", "SECONDS", float, "the same for the first batch", _FORWARD),
    Option("--check", "health", "COMMAND", str, "passes with status 0; ids are in INSTANCE_IDS"),
    Option("--health-timeout", "health", "SECONDS", float, "timeout of each batch (1800)"),
    Option("--max-unhealthy", "health", "N", parse_count, "most outside the batch, or 20%% (0)"),
    Option(
        "--on-failure",
        "health",
        "ACTION",
        str,
        "when a batch fails: stop, or rollback",
        _FORWARD,
        ("stop", "rollback"),
    ),
)


def add_rollout_options(parser: argparse.ArgumentParser, function: str) -> None:
    """Add the options that a function of the library has.

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
    """Add the arguments that restrict a rollout to a part of the scale set."""
    group = parser.add_argument_group("a part of the scale set")
    group.add_argument("--domains", metavar="0,1", help="only these domains")
    group.add_argument("--instances", metavar="3,12", help="only these instances")


def keywords(options: argparse.Namespace, function: str) -> dict[str, Any]:
    """Return the keywords for a function of the library: those that were given.

    Raises:
        UsageError: A value cannot be used.
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
