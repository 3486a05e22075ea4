"""What the examples share: arguments, signing in, the new image, errors in one sentence."""

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
from typing import NamedTuple

import azurerm_lite as az

DONE = 0
FAILED = 1
ROLLED_BACK = 3
INTERRUPTED = 130
CONFIG = "vmssconfig.json"
KEYS = ("tenantId", "appId", "appSecret", "subscriptionId")


class Where(NamedTuple):
    """The first four arguments of most functions; the token is a callable, which renews it."""

    access_token: Callable[[], str]
    subscription_id: str
    resource_group: str
    vmss_name: str


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the arguments that all examples take."""
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
    """Add the arguments for credentials, confirmation, logging and the sandbox."""
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
    """Sign in, to the sandbox or to Azure, and return the scale set to work on."""
    log_requests(options)
    if options.sandbox:
        from azurerm_lite.sandbox import Sandbox

        with Sandbox() as sandbox:
            sandbox.add_vmss("flex", 6, orchestration="Flexible")
            options.yes = True
            name = options.vmssname or "web"
            if name in ("web", "flex") and not has_new_image(options):
                options.newversion = "latest"
            group = options.resourcegroup or sandbox.resource_group
            yield Where(az.token_provider(), sandbox.subscription_id, group, name)
        return
    if not options.resourcegroup or not options.vmssname:
        arguments.error("--resourcegroup and --vmssname are needed (or --sandbox)")
    token, subscription_id = token_and_subscription(options.config)
    yield Where(token, subscription_id, options.resourcegroup, options.vmssname)


def log_requests(options: argparse.Namespace) -> None:
    """Log every request, if --verbose asks for it."""
    if options.verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


def token_and_subscription(chosen: str | None) -> tuple[Callable[[], str], str]:
    """Return the token, and the subscription: of a file, the environment, or the Azure CLI."""
    token, subscription_id = credentials(chosen)
    subscription_id = subscription_id or os.environ.get("AZURE_SUBSCRIPTION_ID")
    if not subscription_id:
        token()  # raises if nobody is signed in at all: the subscription is then not the problem
        try:
            subscription_id = az.get_subscription_from_cli()
        except az.AuthenticationFailed as error:
            raise ValueError(
                f"which subscription? Set AZURE_SUBSCRIPTION_ID. ({error.message})"
            ) from None
    return token, subscription_id


def credentials(chosen: str | None) -> tuple[Callable[[], str], str | None]:
    """Return the token and subscription of a file; else the token that the environment gives."""
    config = Path(chosen or CONFIG)
    if chosen or config.exists():
        values = read_config(config)
        token = az.token_provider(values["tenantId"], values["appId"], values["appSecret"])
        return token, values["subscriptionId"]
    return az.token_provider(), None


def read_config(config: Path) -> dict[str, str]:
    """Return the credentials in a file; an error names the file and the key, and no value."""
    if _can_be_read_by_others(config):
        warning = f"warning: others can read {config}, and the secret in it: chmod 600 {config}"
        print(warning, file=sys.stderr)
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


def _can_be_read_by_others(file: Path) -> bool:
    if os.name == "nt" or not file.exists():
        return False
    return bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def read_model(where: Where, wanted: str = "Manual") -> az.ScaleSet:
    """Return the scale set's model, if it is in an upgrade mode."""
    model = az.get_vmss(*where)
    mode = az.upgrade_mode(model)
    if mode.lower() == wanted.lower():
        return model
    if mode.lower() == "manual":
        raise ValueError(
            f"{where.vmss_name} is in upgrade mode Manual: Azure upgrades nothing there by itself."
        )
    raise ValueError(
        f"{where.vmss_name} is in upgrade mode {mode}: Azure would upgrade its instances by "
        f"itself as soon as the model changes. Set upgradePolicy.mode to {wanted} first."
    )


def has_new_image(options: argparse.Namespace) -> bool:
    """Return whether the arguments name a new image."""
    return any((options.newversion, options.sku, options.imageid, options.customuri))


def newest_version(where: Where, model: az.ScaleSet, sku: str | None) -> str:
    """Return the newest version of the model's platform image, or of another SKU."""
    image = az.get_image(model)
    if image["kind"] != "platform":
        raise ValueError(
            f"--newversion does not fit: the image of {where.vmss_name} is no platform image"
        )
    names = (model["location"], image["publisher"], image["offer"], sku or image["sku"])
    newest = az.list_sku_versions(
        where.access_token, where.subscription_id, *names, top=1, newest_first=True
    )
    if not newest:
        raise ValueError(f"there is no version of {':'.join(names[1:])} in {names[0]}")
    return newest[0]["name"]


def new_image(where: Where, model: az.ScaleSet, options: argparse.Namespace) -> az.ScaleSet | None:
    """Return the model with the new image; `None` if there is none, or the model has it."""
    if not has_new_image(options):
        return None
    version = options.newversion
    if version == "latest":
        # Azure resolves "latest" for each instance separately: instances could then differ.
        version = newest_version(where, model, options.sku)
    changed = az.set_image(
        model,
        version=version,
        sku=options.sku,
        image_id=options.imageid,
        image_uri=options.customuri,
    )
    return changed if az.get_image(changed) != az.get_image(model) else None


def put_model(where: Where, model: az.ScaleSet, options: argparse.Namespace) -> az.ScaleSet:
    """Put the new image, if there is one, into the scale set's model; return the model."""
    changed = new_image(where, model, options)
    if changed is None:
        print(f"{where.vmss_name}: the model stays as it is: {image_of(model)}")
        return model
    images = f"{image_of(changed)} (now {image_of(model)})"
    print(f"{where.vmss_name}: new image for the model: {images}")
    confirm(options, "Change the model?")
    new_model: az.ScaleSet = az.wait(where.access_token, az.put_vmss(*where, changed), timeout=900)
    return new_model


def image_of(model: az.ScaleSet | az.Instance) -> str:
    """Return the image of a model or an instance on one line."""
    return az.image_name(az.get_image(model))


def confirm(options: argparse.Namespace, question: str) -> None:
    """Ask, unless -y was given; anything but a yes ends the program."""
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise ValueError("nobody can be asked here: give -y to go ahead")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise KeyboardInterrupt


def run(main: Callable[[], int]) -> None:
    """Run an example: a failure is one sentence and a status, never a traceback."""
    try:
        status = main()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        status = INTERRUPTED
    except BrokenPipeError:
        # As of `| head`: Python would complain of output that it cannot write at its end.
        if sys.__stdout__:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())
        print("Stopped: nobody reads what it prints any more.", file=sys.stderr)
        status = FAILED
    except az.RolloutHalted as error:
        print(f"error: {error}", file=sys.stderr)
        status = ROLLED_BACK if error.rolled_back else FAILED
    except (ValueError, OSError) as error:  # Azure's errors and the network's are OSErrors
        print(f"error: {error}", file=sys.stderr)
        status = FAILED
    sys.exit(status)
