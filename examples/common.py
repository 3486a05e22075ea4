"""What the examples share: their arguments, signing in, the new image, and failing in one sentence."""

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
from typing import Any, NamedTuple

import azurerm_lite as az

DONE, FAILED, ROLLED_BACK, INTERRUPTED = 0, 1, 3, 130
CONFIG = "vmssconfig.json"
KEYS = ("tenantId", "appId", "appSecret", "subscriptionId")


class Where(NamedTuple):
    """The first four arguments of most functions; the token is a callable, so that it is renewed when it ends."""

    access_token: Callable[[], str]
    subscription_id: str
    resource_group: str
    vmss_name: str


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments that all examples take."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument(
        "--resourcegroup", "-r", metavar="NAME", help="resource group of the scale set"
    )
    arguments.add_argument("--vmssname", "-s", metavar="NAME", help="scale set")
    image = arguments.add_argument_group("new image (of the kind that the scale set has)")
    image.add_argument(
        "--newversion", "-n", metavar="VERSION", help="version of a platform image, or latest"
    )
    image.add_argument("--sku", metavar="SKU", help="SKU of a platform image")
    image.add_argument(
        "--imageid", metavar="ID", help="id of a managed-disk custom or gallery image"
    )
    image.add_argument("--customuri", "-c", metavar="URI", help="URL of an unmanaged image")
    add_session(arguments)
    return arguments


def add_session(arguments: argparse.ArgumentParser) -> None:
    """The arguments that say who works where, and how much is asked and told."""
    arguments.add_argument(
        "--config", metavar="FILE", help=f"credentials ({CONFIG}, where there is one)"
    )
    arguments.add_argument("--yes", "-y", action="store_true", help="do not ask")
    arguments.add_argument("--verbose", "-v", action="store_true", help="show every request")
    arguments.add_argument(
        "--sandbox",
        action="store_true",
        help="use a local Azure that ends with this program, and do not ask",
    )


@contextlib.contextmanager
def signed_in(arguments: argparse.ArgumentParser, options: argparse.Namespace) -> Iterator[Where]:
    """Where to work, signed in: on the sandbox, or with the credentials of the file, the environment or the CLI."""
    log_requests(options)
    if options.sandbox:
        from azurerm_lite.sandbox import Sandbox

        with Sandbox() as sandbox:
            options.yes = True
            name = options.vmssname or "web"
            if name == "web" and not any(
                (options.newversion, options.sku, options.imageid, options.customuri)
            ):
                options.newversion = "latest"
            group = options.resourcegroup or sandbox.resource_group
            yield Where(az.token_provider(), sandbox.subscription_id, group, name)
        return
    if not options.resourcegroup or not options.vmssname:
        arguments.error("--resourcegroup and --vmssname are needed (or --sandbox)")
    token, subscription_id = token_and_subscription(options.config)
    yield Where(token, subscription_id, options.resourcegroup, options.vmssname)


def log_requests(options: argparse.Namespace) -> None:
    """Shows every request, where that was asked for."""
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


def token_and_subscription(chosen: str | None) -> tuple[Callable[[], str], str]:
    """The token, and the subscription: of the file, of the environment, or the CLI's current one."""
    token, subscription_id = credentials(chosen)
    subscription_id = subscription_id or os.environ.get("AZURE_SUBSCRIPTION_ID")
    if not subscription_id:
        token()  # who cannot sign in at all is to hear of that
        try:
            subscription_id = az.get_subscription_from_cli()
        except az.AuthenticationFailed as error:
            raise ValueError(
                f"which subscription? Set AZURE_SUBSCRIPTION_ID. ({error.message})"
            ) from None
    return token, subscription_id


def credentials(chosen: str | None) -> tuple[Callable[[], str], str | None]:
    """The token, and the subscription of the file where there is one; else the token of what the environment shows."""
    config = Path(chosen or CONFIG)
    if chosen or config.exists():
        values = read_config(config)
        return az.token_provider(values["tenantId"], values["appId"], values["appSecret"]), values[
            "subscriptionId"
        ]
    return az.token_provider(), None


def read_config(config: Path) -> dict[str, str]:
    """What stands in a file of credentials; an error names the file and what is wrong with it, and shows no value."""
    if (
        os.name != "nt"
        and config.exists()
        and config.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)
    ):
        print(
            f"warning: others can read {config}, and the secret in it: chmod 600 {config}",
            file=sys.stderr,
        )
    try:
        values = json.loads(config.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"{config} cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{config} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{config} is no text in UTF-8") from None
    if not isinstance(values, dict):
        raise ValueError(f"{config} is no JSON object")
    for key in KEYS:
        if key not in values:
            raise ValueError(f"{config} has no {key!r}")
        if not isinstance(values[key], str) or not values[key].strip():
            raise ValueError(f"{config}: {key!r} must be a string that is not empty")
    return {key: values[key] for key in KEYS}


def read_model(where: Where, wanted: str = "Manual") -> Any:
    """The scale set's model; refused in another upgrade mode, where Azure would go about its instances otherwise."""
    model = az.get_vmss(*where)
    mode = model["properties"].get("upgradePolicy", {}).get("mode", "Manual")
    if mode.lower() == wanted.lower():
        return model
    if mode.lower() == "manual":
        raise ValueError(
            f"{where.vmss_name} is in upgrade mode Manual: Azure upgrades nothing there by itself."
        )
    raise ValueError(
        f"{where.vmss_name} is in upgrade mode {mode}: Azure would upgrade its instances by itself as soon as the "
        f"model changes. Set upgradePolicy.mode to {wanted} first."
    )


def new_image(where: Where, model: Any, options: argparse.Namespace) -> Any:
    """The model with the image that was asked for; `None` when none was, or the model has it already."""
    version = options.newversion
    if version == "latest":
        # Azure resolves "latest" instance by instance: a rollout wants to know where it is going.
        image = az.get_image(model)
        if image["kind"] != "platform":
            raise ValueError(
                f"--newversion does not fit: the image of {where.vmss_name} is no platform image"
            )
        names = (model["location"], image["publisher"], image["offer"], options.sku or image["sku"])
        newest = az.list_sku_versions(
            where.access_token, where.subscription_id, *names, top=1, newest_first=True
        )
        if not newest:
            raise ValueError(f"there is no version of {':'.join(names[1:])} in {names[0]}")
        version = newest[0]["name"]
    if not any((version, options.sku, options.imageid, options.customuri)):
        return None
    changed = az.set_image(
        model,
        version=version,
        sku=options.sku,
        image_id=options.imageid,
        image_uri=options.customuri,
    )
    return changed if az.get_image(changed) != az.get_image(model) else None


def put_model(where: Where, model: Any, options: argparse.Namespace) -> Any:
    """Puts the new image, if there is one, into the scale set's model; gives back the model that counts."""
    changed = new_image(where, model, options)
    if changed is None:
        print(f"{where.vmss_name}: the model stays as it is: {shown(model)}")
        return model
    print(f"{where.vmss_name}: new image for the model: {shown(changed)} (now {shown(model)})")
    confirm(options, "Change the model?")
    return az.wait(where.access_token, az.put_vmss(*where, changed), timeout=900)


def shown(model: Any) -> str:
    """The image of a model or an instance, for people."""
    image = az.get_image(model)
    if image["kind"] == "platform":
        version = image.get("exact_version") or image["version"]
        return f"{image['publisher']}:{image['offer']}:{image['sku']}:{version}"
    return image.get("image_id") or image["image_uri"]


def confirm(options: argparse.Namespace, question: str) -> None:
    """Asks, unless -y was given; anything but a yes ends the program."""
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise ValueError("nobody can be asked here: give -y to go ahead")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise KeyboardInterrupt


def run(main: Callable[[], int]) -> None:
    """Runs an example: a failure is one sentence and a status, never a traceback."""
    try:
        status = main()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        status = INTERRUPTED
    except (
        BrokenPipeError
    ):  # as of `| head`: what is left in the pipe must go somewhere, or Python would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())
        print("Stopped: nobody reads what it prints any more.", file=sys.stderr)
        status = FAILED
    except (
        az.RolloutHalted,
        ValueError,
        OSError,
    ) as error:  # Azure's errors and the network's are OSErrors
        print(f"error: {error}", file=sys.stderr)
        status = ROLLED_BACK if getattr(error, "rolled_back", False) else FAILED
    sys.exit(status)
