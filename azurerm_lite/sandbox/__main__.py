"""`python -m azurerm_lite.sandbox`: a local Azure for any client, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Sequence

from . import Sandbox


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves, says where and with which credentials, and waits for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m azurerm_lite.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any that is free)")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a VM takes to upgrade (default: 1)")
    options = parser.parse_args(arguments)
    sandbox = Sandbox(upgrade_seconds=options.seconds, port=options.port)
    sandbox.start()
    try:
        form = '$env:{} = "{}"' if os.name == "nt" else "export {}='{}'"
        print(f"# A local Azure at {sandbox.url}, with throw-away credentials. Ctrl-C ends it. In another shell:")
        for name, value in sandbox.environment.items():
            print(form.format(name, value))
        names = ", ".join(vmss.name for vmss in sandbox.cloud.sets.values())
        print(f"# resource group {sandbox.resource_group}; scale sets {names}", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        print("\nThe sandbox is gone.")
    finally:
        sandbox.stop()


if __name__ == "__main__":
    main()
