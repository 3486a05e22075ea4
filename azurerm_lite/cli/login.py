"""`azurerm-lite login`: print the authentication method, the identity and the expiry."""

from __future__ import annotations

import argparse
import contextlib
from typing import Any

import azurerm_lite as az

from .arguments import Commands, add_command, add_session
from .exit_status import DONE
from .identity import describe_expiry, describe_identity, read_claims
from .output import Output
from .session import credentials, log_requests, started_sandbox


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "login",
        "sign-in method, identity and token expiry",
        "Print the authentication method, the identity and the expiry of the token.",
        details="The command signs in to check them. It does not print the token.",
        usage="[options]",
        examples=("", "--json", "--sandbox"),
    )
    add_session(parser, changes=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Sign in and print the result.

    Returns:
        The exit status.
    """
    log_requests(options)
    sandbox = started_sandbox() if options.sandbox else contextlib.nullcontext()
    with sandbox:
        config = None if options.sandbox else options.config
        provider: Any = az.token_provider() if options.sandbox else credentials(config, output)[0]
        claims = read_claims(provider())
    detected_from = provider.detected_from or "the credentials file"
    identity = describe_identity(claims)
    expiry = describe_expiry(claims)
    output.text(f"method {provider.method}, detected from {detected_from}")
    for skipped in provider.skipped:
        output.text(f"not    {skipped}")
    output.text(f"for    {identity}")
    output.text(f"until  {expiry}")
    output.record(
        {
            "method": provider.method,
            "detected_from": detected_from,
            "skipped": list(provider.skipped),
            "identity": identity,
            "expires": claims.get("exp"),
        }
    )
    return DONE
