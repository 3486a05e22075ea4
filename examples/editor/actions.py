"""What the editor does in Azure, and what becomes of its errors: one sentence. No screen here."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import azurerm_lite as az

from .picture import image, version

T = TypeVar("T")


class Action(NamedTuple):
    """Something to do to instances: its key in the menu, its name, what it means for them, and the function."""

    key: str
    name: str
    meaning: str
    run: Callable[..., Any]
    asks: bool = True


ON_INSTANCES = (
    Action("u", "Upgrade", "brought to the scale set's model, all at once, away meanwhile", az.manual_upgrade),
    Action("i", "Reimage", "set up anew from their image; what is on their OS disks is lost", az.reimage_vmss),
    Action("s", "Start", "started", az.start_vmss, asks=False),
    Action("p", "Power off", "powered off; Azure goes on charging for them", az.poweroff_vmss),
    Action("r", "Restart", "restarted", az.restart_vmss),
    Action("d", "Deallocate", "powered off, and the machine under each given back", az.stopdealloc_vmss),
    Action("x", "Delete", "deleted for good, and the capacity shrinks with them", az.delete_vmss_vms),
)  # fmt: skip
ON_SET = tuple(
    action
    for action in ON_INSTANCES
    if action.name in ("Start", "Restart", "Power off", "Deallocate")
)


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """What a call gives that waits for the network, made in a thread that does not keep the program from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def end(set_it: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            set_it(value)

    def run() -> None:
        try:
            done: tuple[Callable[[Any], None], Any] = (
                future.set_result,
                context.run(call, *arguments),
            )
        except BaseException as error:
            done = (future.set_exception, error)
        if not loop.is_closed():  # the program has ended meanwhile
            loop.call_soon_threadsafe(end, *done)

    threading.Thread(
        target=run, daemon=True, name=f"editor: {getattr(call, '__name__', call)}"
    ).start()
    return await future


def read(where: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The model of a set, and its instances; Azure gives those of a Flexible set without their views."""
    model = az.get_vmss(*where)
    flexible = str(model["properties"].get("orchestrationMode")).lower() == "flexible"
    return model, (az.list_vmss_vms if flexible else az.get_instance_views)(*where)


def change_image(where: Sequence[Any], values: Mapping[str, str]) -> Any:
    """Puts another image into the model as it is now; nobody else's change in between is overwritten."""
    return az.put_vmss(*where, az.set_image(az.get_vmss(*where), **given(values)))


def change_size(where: Sequence[Any], size: str) -> Any:
    """Puts another VM size into the model as it is now."""
    model = az.get_vmss(*where)
    return az.put_vmss(*where, {**model, "sku": {**model["sku"], "name": size}})


def given(values: Mapping[str, str]) -> dict[str, str]:
    """The fields that somebody filled in."""
    return {name: value.strip() for name, value in values.items() if value.strip()}


def images_to_choose(where: Sequence[Any], model: Any) -> list[str]:
    """Versions of the model's platform image, the newest first; of other images Azure has no list."""
    found = az.get_image(model)
    if found["kind"] != "platform":
        return []
    names = (model["location"], found["publisher"], found["offer"], found["sku"])
    return [
        each["name"] for each in az.list_sku_versions(where[0], where[1], *names, newest_first=True)
    ]


def sizes_to_choose(where: Sequence[Any]) -> list[str]:
    """The VM sizes that the set can change to."""
    return sorted({str(each["sku"]["name"]) for each in az.list_vmss_skus(*where)})


def number(text: str) -> Any:
    """A whole number where the text is one, else the text; `None` for nothing."""
    text = text.strip()
    return int(text) if text.isdecimal() else text or None


def seconds(text: str) -> float:
    """Seconds out of a field."""
    try:
        return float(text or 0)
    except ValueError:
        raise ValueError(f"pause must be seconds, not {text!r}") from None


def mode_of(model: Any) -> str:
    """The upgrade mode."""
    return str((model["properties"].get("upgradePolicy") or {}).get("mode") or "Manual")


def facts(model: Any) -> list[tuple[str, str]]:
    """What the editor shows of a set: name and value."""
    properties, sku = model["properties"], model.get("sku") or {}
    profile = properties.get("virtualMachineProfile") or {}
    return [
        ("state", str(properties.get("provisioningState") or "unknown")),
        ("capacity", str(sku.get("capacity", "unknown"))),
        ("size", str(sku.get("name", "unknown"))),
        ("image", version(model)),
        *([("SKU", az.get_image(model)["sku"])] if image(model).count(":") == 3 else []),
        ("upgrades", mode_of(model)),
        ("location", str(model.get("location"))),
        ("zones", ", ".join(model.get("zones") or []) or "none"),
        ("group", group_of(model)),
        ("prefix", str((profile.get("osProfile") or {}).get("computerNamePrefix") or "none")),
        ("overprov.", "yes" if properties.get("overprovision", True) else "no"),
    ]


def group_of(model: Any) -> str:
    """The resource group, out of the id."""
    parts = str(model.get("id", "")).split("/")
    return parts[4] if len(parts) > 4 else "unknown"


def sentence(error: BaseException) -> str:
    """An error for the status line."""
    text = " ".join(str(error.message if isinstance(error, az.AzureError) else error).split())
    code = f" ({error.code})" if isinstance(error, az.AzureError) and error.code else ""
    known = isinstance(error, OSError | ValueError | az.RolloutHalted)
    return (text if known and text else f"{type(error).__name__}: {text}").rstrip(".") + code + "."


def interval(instances: int, looks: int) -> float:
    """Seconds to the next look while something is under way: Azure refills ten pages of fifty instances a minute."""
    pages = max(1, -(-instances // 50))
    return min(6.0 * pages, max(2.0, 1.0 * pages) * 1.3 ** min(looks, 99))
