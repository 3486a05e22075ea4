"""Edit a scale set in the terminal: its heat map, and what Azure can do to its instances.

    python examples/vmss_editor.py --sandbox
    python examples/vmss_editor.py
    python examples/vmss_editor.py -r mygroup -s web --read-only

Press ? in it for help. It needs the extra "examples", and "sandbox" for --sandbox.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator

import common

import azurerm_lite as az


def parser() -> argparse.ArgumentParser:
    """Return a parser of the arguments."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    arguments.add_argument(
        "--resourcegroup", "-r", metavar="NAME", help="resource group of the scale set to open"
    )
    arguments.add_argument(
        "--vmssname", "-s", metavar="NAME", help="scale set to open; without it, choose from a list"
    )
    arguments.add_argument(
        "--config", metavar="FILE", help=f"credentials ({common.CONFIG}, where there is one)"
    )
    arguments.add_argument(
        "--read-only", action="store_true", help="refuse whatever would change something"
    )
    arguments.add_argument(
        "--sandbox", action="store_true", help="use a local Azure that ends with this program"
    )
    return arguments


@contextlib.contextmanager
def signed_in(options: argparse.Namespace) -> Iterator[tuple[Callable[[], str], str]]:
    """Return a token provider and the subscription: of the sandbox, or of the credentials."""
    if not options.sandbox:
        yield common.token_and_subscription(options.config)
        return
    from azurerm_lite.sandbox import Sandbox

    sandbox = Sandbox(upgrade_seconds=6)
    sandbox.add_vmss("flex", 6, orchestration="Flexible")
    sandbox.start()
    # Permanently: a poll in progress at the end must not be sent to Azure.
    os.environ.update(sandbox.environment)
    try:
        options.resourcegroup = options.resourcegroup or sandbox.resource_group
        options.vmssname = options.vmssname or "web"
        yield az.token_provider(), sandbox.subscription_id
    finally:
        sandbox.stop()


def main() -> int:
    """Open the editor."""
    arguments = parser()
    options = arguments.parse_args()
    if not options.sandbox and bool(options.resourcegroup) != bool(options.vmssname):
        arguments.error("--resourcegroup and --vmssname go together")
    try:
        from editor.app import Editor
    except ModuleNotFoundError as missing:
        raise ValueError(
            f'{missing.name} is missing: pip install "azurerm-lite[examples]"'
        ) from None
    with signed_in(options) as (token, subscription_id):
        opened = (options.resourcegroup, options.vmssname) if options.vmssname else None
        editor = Editor(token, subscription_id, opened, read_only=options.read_only)
        editor.run()
    return editor.return_code or 0


if __name__ == "__main__":
    common.run(main)
