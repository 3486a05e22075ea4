"""`azurerm-lite editor`: a heat map of a scale set in the terminal, with actions."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator

import azurerm_lite as az

from ..arguments import Commands, add_command, add_scale_set, add_session
from ..exit_status import DONE, UsageError
from ..output import Output
from ..session import extra_is_missing, load_sandbox, log_requests, sign_in


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "editor",
        "heat map of a scale set, with actions",
        "Show a scale set as a heat map in the terminal, and act on its instances.",
        details="Press ? for help. Without -r and -s, choose a scale set from a list.",
        usage="[-r GROUP -s SET] [options]",
        examples=("--sandbox", "", "-r myrg -s web --read-only"),
    )
    add_scale_set(parser)
    add_session(parser, changes=False)
    parser.add_argument(
        "--read-only", action="store_true", help="disable all actions that change something"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Open the editor.

    Returns:
        The exit status.
    """
    if output.is_json:
        raise UsageError("the editor does not support --json")
    if not options.sandbox and bool(options.resourcegroup) != bool(options.vmssname):
        raise UsageError("pass --resourcegroup and --vmssname together, or neither")
    try:
        from .app import Editor
    except ModuleNotFoundError as missing:
        raise extra_is_missing(missing, "editor") from None
    log_requests(options)
    with open_subscription(options, output) as (token, subscription_id):
        opened = (options.resourcegroup, options.vmssname) if options.vmssname else None
        app = Editor(token, subscription_id, opened, read_only=options.read_only)
        app.run()
    return app.return_code or DONE


@contextlib.contextmanager
def open_subscription(
    options: argparse.Namespace, output: Output
) -> Iterator[tuple[Callable[[], str], str]]:
    """Yield a token provider and the subscription of the sandbox or of the credentials."""
    if not options.sandbox:
        yield sign_in(options, output)
        return
    sandbox = load_sandbox()(upgrade_seconds=6)
    sandbox.add_vmss("flex", 6, orchestration="Flexible")
    sandbox.start()
    # Not restored: a poll that is still running at the end must not be sent to Azure.
    os.environ.update(sandbox.environment)
    try:
        options.resourcegroup = options.resourcegroup or sandbox.resource_group
        options.vmssname = options.vmssname or "web"
        yield az.token_provider(), sandbox.subscription_id
    finally:
        sandbox.stop()
