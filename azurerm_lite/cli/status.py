"""`azurerm-lite status`: the model's image, the heat map, and which instances are outdated."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import azurerm_lite as az

from .arguments import Commands, add_command, add_scale_set, add_session
from .exit_status import DONE
from .image import image_of
from .output import Output
from .rollback import start_partial_rollout
from .session import Where, open_scale_set
from .text import plural


class Reading(NamedTuple):
    """The state of a scale set, as read from Azure."""

    where: Where
    model: az.ScaleSet
    instances: list[az.Instance]
    drift: Sequence[az.InstanceDrift] | str


class Section(NamedTuple):
    """A section of the status: text for people, and members of the JSON object."""

    text: str
    record: Mapping[str, Any]


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = add_command(
        commands,
        "status",
        "image, heat map, outdated instances",
        "Print the model's image, the heat map, and which instances are outdated.",
        usage="-r GROUP -s SET [options]",
        examples=("--sandbox", "-r myrg -s web", "-r myrg -s web --json"),
    )
    add_scale_set(parser)
    add_session(parser, changes=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Print the status of a scale set.

    Returns:
        The exit status.
    """
    with open_scale_set(options, output, prepare=start_partial_rollout) as where:
        reading = Reading(
            where, az.get_vmss(*where), az.get_instance_views(*where), read_drift(where)
        )
    sections = [describe(reading) for describe in SECTIONS]
    if output.is_json:
        output.record({name: value for each in sections for name, value in each.record.items()})
    else:
        output.text("\n\n".join(section.text for section in sections))
    return DONE


def describe_model(reading: Reading) -> Section:
    """Return the image, mode and state of the model."""
    where = reading.where
    model = reading.model
    try:
        image = image_of(model)
    except ValueError as error:  # such as a Flexible set without a VM profile
        image = None
        problem = str(error)
    state = str(model["properties"].get("provisioningState", "unknown"))
    mode = az.upgrade_mode(model)
    rows = (
        ("scale set", f"{where.resource_group}/{where.vmss_name}, {model['location']}"),
        ("mode", f"{model['properties'].get('orchestrationMode', 'Uniform')}, upgrades {mode}"),
        ("state", state),
        ("image", image or problem),
    )
    record = {
        "subscription_id": where.subscription_id,
        "resource_group": where.resource_group,
        "vmss_name": where.vmss_name,
        "upgrade_mode": mode,
        "provisioning_state": state,
        "image": image,
    }
    return Section("\n".join(f"{name:<10} {value}" for name, value in rows), record)


def describe_instances(reading: Reading) -> Section:
    """Return the heat map."""
    records = [
        {
            "instance_id": instance["instanceId"],
            "latest_model": instance["properties"].get("latestModelApplied"),
            "power_state": az.power_state(instance),
            "provisioning_state": az.provisioning_state(instance),
            "health": az.health(instance),
            "image": _image_or_none(instance),
        }
        for instance in reading.instances
    ]
    if not reading.instances:
        return Section("no instances", {"instances": records})
    return Section(str(az.heatmap(reading.instances)), {"instances": records})


def describe_pending(reading: Reading) -> Section:
    """Return the batches of instances that a rollout would upgrade."""
    if "virtualMachineProfile" not in reading.model["properties"]:
        return Section("pending    none: the scale set has no VM profile", {"pending": {}})
    try:
        batches = az.plan_rollout(reading.instances)
    except ValueError as error:
        return Section(f"pending    {error}", {"pending": None})
    record = {"pending": {batch.name: list(batch.instance_ids) for batch in batches}}
    if not batches:
        return Section("pending    none: every instance has the latest model", record)
    count = sum(len(batch.instance_ids) for batch in batches)
    lines = [f"pending    {count} of {plural(len(reading.instances), 'instance')}"]
    lines += [f"  {batch.name}: {', '.join(batch.instance_ids)}" for batch in batches]
    return Section("\n".join(lines), record)


def read_drift(where: Where) -> Sequence[az.InstanceDrift] | str:
    """Return the drift of the instances, or the error: reading it needs another permission."""
    try:
        return az.image_drift(*where)
    except az.AzureError as error:
        return str(error)


def describe_drift(reading: Reading) -> Section:
    """Return by how many versions the instances are behind the newest one."""
    drift = reading.drift
    if isinstance(drift, str):
        return Section(f"drift      unknown: {drift}", {"behind": None})
    behind = {entry["instance_id"]: entry["behind"] for entry in drift}
    newest = sorted({entry["newest"] for entry in drift if entry["newest"]})
    late = [instance_id for instance_id, number in behind.items() if number]
    unknown = [instance_id for instance_id, number in behind.items() if number is None]
    text = f"drift      {len(late)} of {len(drift)} instances behind the newest version"
    if newest:
        text += f" ({', '.join(newest)})"
    if unknown:
        text += f", {len(unknown)} unknown"
    return Section(text, {"behind": behind, "newest_versions": newest})


def describe_images(reading: Reading) -> Section:
    """Return the number of instances for each image."""
    counts = Counter(_image_or_none(instance) or "unknown" for instance in reading.instances)
    lines = [f"  {count:>4} on {image}" for image, count in counts.most_common()]
    return Section("\n".join(["images", *lines]), {"images": dict(counts)})


SECTIONS = (
    describe_model,
    describe_instances,
    describe_images,
    describe_drift,
    describe_pending,
)
"""The sections of the status, in order; each is a function of a `Reading`."""


def _image_or_none(instance: az.Instance) -> str | None:
    """Return the image of an instance; `None` if Azure does not report it."""
    try:
        return image_of(instance)
    except ValueError:
        return None
