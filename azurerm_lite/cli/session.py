"""Sign-in for a command, to Azure or a sandbox, and the confirmation of changes."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import azurerm_lite as az

from .arguments import CONFIG
from .exit_status import Declined, UsageError
from .output import Output

if TYPE_CHECKING:
    from azurerm_lite.sandbox import Sandbox

_KEYS = ("tenantId", "appId", "appSecret", "subscriptionId")


class Where(NamedTuple):
    """The first four arguments of most functions; the token is a callable that renews it."""

    access_token: Callable[[], str]
    subscription_id: str
    resource_group: str
    vmss_name: str


def log_requests(options: argparse.Namespace) -> None:
    """Log every request to standard error if --verbose was passed."""
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


@contextlib.contextmanager
def open_scale_set(
    options: argparse.Namespace,
    output: Output,
    *,
    sandbox_set: str = "web",
    prepare: Callable[[Sandbox], object] | None = None,
) -> Iterator[Where]:
    """Sign in, and yield the scale set to work on.

    Args:
        options: The arguments of the command.
        output: Where to print warnings.
        sandbox_set: The scale set of --sandbox, unless --vmssname was passed.
        prepare: A function that prepares the sandbox for the command.

    Yields:
        The scale set.

    Raises:
        UsageError: No scale set was passed.
        ValueError: The credentials are invalid.
    """
    log_requests(options)
    if options.sandbox:
        with started_sandbox() as sandbox:
            if prepare:
                prepare(sandbox)
            options.yes = True
            group = options.resourcegroup or sandbox.resource_group
            name = options.vmssname or sandbox_set
            yield Where(az.token_provider(), sandbox.subscription_id, group, name)
        return
    if not options.resourcegroup or not options.vmssname:
        raise UsageError("pass --resourcegroup and --vmssname, or --sandbox")
    token, subscription_id = sign_in(options, output)
    yield Where(token, subscription_id, options.resourcegroup, options.vmssname)


@contextlib.contextmanager
def started_sandbox(**arguments: Any) -> Iterator[Sandbox]:
    """Yield a sandbox with the demo sets and a Flexible set, until the command ends."""
    with load_sandbox()(**arguments) as sandbox:
        if arguments.get("demo", True):
            sandbox.add_vmss("flex", 6, orchestration="Flexible")
        yield sandbox


def load_sandbox() -> type[Sandbox]:
    """Return the class of the sandbox.

    Raises:
        ValueError: The extra is not installed.
    """
    try:
        from azurerm_lite.sandbox import Sandbox
    except ModuleNotFoundError as missing:
        raise extra_is_missing(missing, "sandbox") from None
    return Sandbox


def extra_is_missing(missing: ModuleNotFoundError, extra: str) -> ValueError:
    """Return the error for a package that an extra would have installed."""
    return ValueError(f'{missing.name} is not installed: pip install "azurerm-lite[{extra}]"')


def sign_in(options: argparse.Namespace, output: Output) -> tuple[Callable[[], str], str]:
    """Return a token provider and the subscription to work in.

    Raises:
        ValueError: The credentials are invalid, or no subscription is known.
        AzureError: The sign-in failed.
    """
    token, subscription_id = credentials(options.config, output)
    given = options.subscription or subscription_id or os.environ.get("AZURE_SUBSCRIPTION_ID")
    if given:
        return token, given
    token()  # raises if the sign-in fails: then the subscription is not the problem
    try:
        return token, az.get_subscription_from_cli()
    except az.AuthenticationFailed as error:
        raise ValueError(
            f"no subscription: pass --subscription, or set AZURE_SUBSCRIPTION_ID ({error.message})"
        ) from None


def credentials(config: str | None, output: Output) -> tuple[Callable[[], str], str | None]:
    """Return a token provider and a subscription, from the file or else the environment."""
    file = Path(config or CONFIG)
    if config or file.exists():
        values = read_config(file, output)
        token = az.token_provider(values["tenantId"], values["appId"], values["appSecret"])
        return token, values["subscriptionId"]
    return az.token_provider(), None


def read_config(file: Path, output: Output) -> dict[str, str]:
    """Return the credentials in a file.

    Raises:
        ValueError: The file is invalid; the message names the key, never a value.
    """
    if _can_be_read_by_others(file):
        output.warn(f"other users can read {file}, which holds a secret; run chmod 600 {file}")
    try:
        values = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{file} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not text in UTF-8") from None
    if not isinstance(values, dict):
        raise ValueError(f"{file} is not a JSON object")
    for key in _KEYS:
        if key not in values:
            raise ValueError(f"{file} has no {key!r}")
        if not isinstance(values[key], str) or not values[key].strip():
            raise ValueError(f"{file}: {key!r} must be a non-empty string")
    return {key: values[key] for key in _KEYS}


def _can_be_read_by_others(file: Path) -> bool:
    if os.name == "nt" or not file.exists():
        return False
    return bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def confirm(options: argparse.Namespace, question: str) -> None:
    """Ask for confirmation, unless --yes was passed.

    Raises:
        Declined: The answer is not yes.
        ValueError: Standard input is not a terminal.
    """
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise ValueError("stdin is not a terminal: pass --yes to skip the confirmation")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Declined
