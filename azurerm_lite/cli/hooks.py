"""The programs and URLs that a command calls: --check and --on-event."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import azurerm_lite as az

from .exit_status import UsageError
from .output import Output
from .text import duration

Hook: TypeAlias = Callable[[str], str]
"""Function of an event as JSON. It returns the reason of a failure, or an empty string."""

_CHECK_SECONDS = 1800.0
_HOOK_SECONDS = 30.0
_LONGEST = 300


class HookFailed(Exception):
    """A hook failed, and --stop-on-hook-failure was passed."""


def add_hooks(parser: argparse._ArgumentGroup) -> None:
    """Add the arguments for hooks to a group."""
    parser.add_argument(
        "--on-event",
        action="append",
        metavar="COMMAND|URL",
        help="send it each event as JSON (repeatable)",
    )
    parser.add_argument(
        "--stop-on-hook-failure", action="store_true", help="stop if a hook of --on-event fails"
    )


def run_check(command: str, timeout: float | None) -> Callable[[Sequence[az.Instance]], object]:
    """Return a check of a batch that runs a command.

    Args:
        command: The command. `INSTANCE_IDS` holds the ids of the batch, separated by commas.
        timeout: Seconds after which the command is killed; `None` for half an hour.

    Returns:
        A function of instances. It returns `True` if the exit status is 0, else the reason.

    Raises:
        UsageError: The program does not exist.
    """
    words = _parse_command("--check", command)
    seconds = max(1.0, _CHECK_SECONDS if timeout is None else timeout)

    def check(instances: Sequence[az.Instance]) -> object:
        ids = ",".join(instance["instanceId"] for instance in instances)
        return _run(words, seconds, environment={"INSTANCE_IDS": ids}) or True

    return check


class Hooks:
    """The hooks of --on-event.

    Args:
        targets: Commands and URLs; `None` for none.
        output: Where to report a failure.
        stop_on_failure: Whether a failure stops the command.

    Raises:
        UsageError: The program does not exist.
    """

    def __init__(
        self, targets: Sequence[str] | None, output: Output, *, stop_on_failure: bool = False
    ) -> None:
        self._hooks = [_hook(target) for target in targets or ()]
        self._output = output
        self._stop_on_failure = stop_on_failure
        self._last_failure = ""

    def send(self, record: Mapping[str, Any]) -> None:
        """Send an event to each hook.

        Raises:
            HookFailed: A hook failed, and a failure stops the command.
        """
        text = json.dumps(record)
        for hook in self._hooks:
            failure = hook(text)
            if not failure:
                continue
            if self._stop_on_failure:
                raise HookFailed(f"--on-event: {failure}")
            if failure != self._last_failure:  # do not repeat the same warning
                self._last_failure = failure
                self._output.warn(f"--on-event: {failure}")


def make_hooks(options: argparse.Namespace, output: Output) -> Hooks:
    """Return the hooks of the arguments.

    Raises:
        UsageError: The program does not exist.
    """
    return Hooks(options.on_event, output, stop_on_failure=options.stop_on_hook_failure)


def _hook(target: str) -> Hook:
    """Return a function that sends an event to a URL, or to a command's standard input."""
    if urlsplit(target).scheme in ("http", "https"):
        return lambda text: _post(target, text)
    words = _parse_command("--on-event", target)
    return lambda text: _run(words, _HOOK_SECONDS, text=text)


def _post(url: str, text: str) -> str:
    """POST an event; return the reason of a failure, without the URL: it may hold a secret."""
    import requests

    host = urlsplit(url).hostname
    try:
        response = requests.post(
            url,
            data=text.encode(),
            headers={"Content-Type": "application/json"},
            timeout=_HOOK_SECONDS,
        )
    except (requests.RequestException, ValueError) as error:
        return f"cannot send to {host}: {type(error).__name__}"
    return "" if response.ok else f"{host} returned HTTP {response.status_code}"


def _parse_command(argument: str, command: str) -> list[str]:
    """Split a command into words, and check that its program exists."""
    try:
        words = shlex.split(command, posix=os.name != "nt")
    except ValueError as error:
        raise UsageError(f"{argument}: {error} in {command!r}") from None
    words = [word.strip('"') if os.name == "nt" else word for word in words]
    if not words or not shutil.which(words[0]):
        program = words[0] if words else command
        raise UsageError(f"{argument}: program {program!r} not found; check its path")
    return words


def _run(
    words: Sequence[str],
    timeout: float,
    *,
    environment: Mapping[str, str] | None = None,
    text: str = "",
) -> str:
    """Run a command; return the reason of a failure, or an empty string."""
    name = words[0]
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command
            words,
            env={**os.environ, **(environment or {})},
            input=text,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return f"{name} did not finish within {duration(timeout)}"
    except OSError as error:
        return f"{name} cannot be run: {error.strerror}"
    if done.returncode == 0:
        return ""
    printed = " ".join((done.stderr or done.stdout).split())[:_LONGEST]
    return f"{name} exited with status {done.returncode}: {printed}"
