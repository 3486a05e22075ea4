"""Requests and texts of the editor, without anything about the screen."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import azurerm_lite as az
from azurerm_lite.heatmap import Heatmap

from ..session import Where
from ..text import plural

T = TypeVar("T")
Row = tuple[str, str]


class Action(NamedTuple):
    """An action on instances.

    Attributes:
        key: Key in the menu.
        name: Name in the menu.
        meaning: Effect on the instances, after "20 instances will be".
        run: The function of the library.
        needs_confirmation: Whether to ask for confirmation.
    """

    key: str
    name: str
    meaning: str
    run: Callable[..., Any]
    needs_confirmation: bool = True


ON_INSTANCES = (
    Action(
        "u",
        "Upgrade",
        "upgraded to the scale set's model, all at once",
        az.manual_upgrade,
    ),
    Action(
        "i",
        "Reimage",
        "reimaged; their OS disks are replaced",
        az.reimage_vmss,
    ),
    Action("s", "Start", "started", az.start_vmss, needs_confirmation=False),
    Action("p", "Power off", "powered off; Azure continues to charge for them", az.poweroff_vmss),
    Action("r", "Restart", "restarted", az.restart_vmss),
    Action(
        "d",
        "Deallocate",
        "powered off, and their compute resources released",
        az.stopdealloc_vmss,
    ),
    Action(
        "x",
        "Delete",
        "deleted permanently, and the capacity decreases",
        az.delete_vmss_vms,
    ),
)
ON_SET = tuple(action for action in ON_INSTANCES if action.key in ("s", "p", "r", "d"))


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """Run a blocking call in a thread, and return its result.

    The thread is a daemon, so that it does not keep the program running.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def finish(set_outcome: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            set_outcome(value)

    def run() -> None:
        outcome: tuple[Callable[[Any], None], Any]
        try:
            outcome = (future.set_result, context.run(call, *arguments))
        except BaseException as error:
            outcome = (future.set_exception, error)
        if not loop.is_closed():  # closed when the program has ended
            loop.call_soon_threadsafe(finish, *outcome)

    name = f"editor: {getattr(call, '__name__', call)}"
    threading.Thread(target=run, daemon=True, name=name).start()
    return await future


def read(where: Where) -> tuple[Any, list[Any]]:
    """Return the model of a scale set and its instances."""
    model = az.get_vmss(*where)
    return model, az.get_instance_views(*where)


def change_image(where: Where, values: Mapping[str, str]) -> Any:
    """Set an image in the current model, so that changes by others are kept."""
    return az.put_vmss(*where, az.set_image(az.get_vmss(*where), **non_empty(values)))


def change_size(where: Where, size: str) -> Any:
    """Set a VM size in the current model."""
    model = az.get_vmss(*where)
    return az.put_vmss(*where, {**model, "sku": {**model["sku"], "name": size}})


def non_empty(values: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a form that are not empty."""
    return {name: value.strip() for name, value in values.items() if value.strip()}


def images_to_choose(where: Where, model: Any) -> list[str]:
    """Return the versions of a platform image, newest first; an empty list for other images."""
    image = az.get_image(model)
    if image["kind"] != "platform":
        return []
    names = (model["location"], image["publisher"], image["offer"], image["sku"])
    versions = az.list_sku_versions(where[0], where[1], *names, newest_first=True)
    return [version["name"] for version in versions]


def sizes_to_choose(where: Where) -> list[str]:
    """Return the VM sizes that the scale set can change to."""
    return sorted({str(sku["sku"]["name"]) for sku in az.list_vmss_skus(*where)})


def parse_count(text: str) -> Any:
    """Return the text as a whole number if it is one, else as text; `None` if it is empty."""
    text = text.strip()
    return int(text) if text.isdecimal() else text or None


def parse_seconds(text: str) -> float:
    """Return the number of seconds in a field; 0 if it is empty."""
    try:
        return float(text or 0)
    except ValueError:
        raise ValueError(f"pause must be a number of seconds, got {text!r}") from None


def image_of(model: Any) -> str:
    """Return the image of a model or an instance on one line."""
    try:
        return describe_image(az.get_image(model))
    except ValueError:
        return "no image"


def describe_image(image: az.Image) -> str:
    """Return an image on one line, without the query of a URL.

    The query may hold a signature, which is a secret.
    """
    return az.image_name(image).partition("?")[0]


def version_of(model: Any) -> str:
    """Return the version of a model's image, or the name of a custom image."""
    return image_of(model).rpartition(":")[2].rpartition("/")[2]


def facts(model: Any) -> list[Row]:
    """Return the facts about a scale set: name and value."""
    properties = model["properties"]
    sku = model.get("sku") or {}
    os_profile = (properties.get("virtualMachineProfile") or {}).get("osProfile") or {}
    rows = [
        ("state", str(properties.get("provisioningState") or "unknown")),
        ("capacity", str(sku.get("capacity", "unknown"))),
        ("size", str(sku.get("name", "unknown"))),
        ("image", version_of(model)),
    ]
    if image_sku := _image_sku(model):
        rows.append(("SKU", image_sku))
    rows += [
        ("upgrades", az.upgrade_mode(model)),
        ("location", str(model.get("location"))),
        ("zones", ", ".join(model.get("zones") or []) or "none"),
        ("group", group_of(model)),
        ("prefix", str(os_profile.get("computerNamePrefix") or "none")),
        ("overprov.", "yes" if properties.get("overprovision", True) else "no"),
    ]
    return rows


def _image_sku(model: Any) -> str:
    """Return the SKU of a platform image; empty for other images."""
    try:
        return az.get_image(model).get("sku", "")
    except ValueError:
        return ""


def group_of(model: Any) -> str:
    """Return the resource group in the id of a model."""
    parts = str(model.get("id", "")).split("/")
    return parts[4] if len(parts) > 4 else "unknown"


def summary(heat_map: Heatmap) -> str:
    """Return the number of instances, and how many have the latest model."""
    current = sum(cell.has_latest_model for cell in heat_map.cells)
    return f"{plural(len(heat_map.cells), 'instance')} · {current} on the latest model"


def sentence(error: BaseException) -> str:
    """Return an error as one sentence for the status line and the log."""
    code = ""
    text = str(error)
    if isinstance(error, az.AzureError):
        code = f" ({error.code})" if error.code else ""
        text = error.message
    text = " ".join(text.split())
    if not text or not isinstance(error, OSError | ValueError | az.RolloutHalted):
        text = f"{type(error).__name__}: {text}"
    return text.rstrip(".") + code + "."


def poll_interval(instances: int, polls: int) -> float:
    """Return the seconds until the next poll while a change is in progress.

    Azure allows ten pages of fifty instances per minute.
    """
    pages = max(1, -(-instances // 50))
    return min(6.0 * pages, max(2.0, 1.0 * pages) * 1.3 ** min(polls, 99))
