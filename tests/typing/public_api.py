"""A user's script with annotations, which mypy --strict and pyright must accept unchanged.

It is not run. Calls that must be rejected have an ignore comment, and an unneeded ignore comment is
an error.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from requests import Response

import azurerm_lite as az
from azurerm_lite.heatmap import STYLES, Cell, Heatmap, Style, Table

ScaleSetId = tuple[str, str, str, str]


def sign_in() -> str:
    """Return a token by one of the methods."""
    from_cli: str = az.get_access_token_from_cli()
    from_secret: str = az.get_access_token("tenant", "application", "secret")
    return from_cli or from_secret or az.token_provider()()


def show(event: az.Event) -> None:
    """Print an event of a rollout."""
    batch: az.Batch | None = event.batch
    if batch is not None:
        name: str = batch.name
        ids: tuple[str, ...] = batch.instance_ids
        print(name, *ids)
    if event.kind == "finished":
        summary: az.Summary | None = event.summary
        print(summary.upgraded if summary else 0)
    reasons: Mapping[str, str] = event.unhealthy
    print(event.message, event.latest, event.total, reasons)


def show_fleet(event: az.FleetEvent) -> None:
    """Print an event of a fleet."""
    target: az.Target | None = event.scale_set
    if target is not None:
        print(target.subscription_id, target.resource_group, target.vmss_name, target.location)
    if event.event is not None:
        show(event.event)


def change_image(where: ScaleSetId, version: str) -> az.ScaleSet:
    """Return the model with another image version."""
    model: az.ScaleSet = az.get_vmss(*where)
    image: az.Image = az.get_image(model)
    print(image.get("version"), model["location"], model["properties"])
    az.wait(where[0], az.put_vmss(*where, az.set_image(model, version=version)), timeout=900)
    return az.get_vmss(*where)


def roll_out(where: ScaleSetId) -> None:
    """Roll out, with options of each kind."""
    events: Iterator[az.Event] = az.rollout(
        *where, by="zone", max_batch="20%", canary=1, bake=60, check=is_well, on_failure="rollback"
    )
    for event in events:
        show(event)
    for event in az.rollback(*where, image=az.get_image(az.get_vmss(*where)), pause=ask):
        show(event)
    for event in az.follow_rolling_upgrade(*where):
        show(event)


def rejected_calls(where: ScaleSetId) -> None:
    """Make calls with a misspelt option, a wrong value, a missing argument."""
    az.rollout(*where, bakes=60)  # type: ignore[call-arg]
    az.rollout(*where, on_failure="retry")  # type: ignore[arg-type]
    az.rollback(*where, on_failure="stop")  # type: ignore[call-arg]
    az.rollout_fleet(where[0], [], max_fail=1)  # type: ignore[call-arg]
    az.plan_rollout([], max_size=1)  # type: ignore[call-arg]
    az.get_vmss(where[0])  # type: ignore[call-arg]


def is_well(instances: list[az.Instance]) -> bool | str:
    """Check the instances of a batch."""
    names: list[str] = [instance["name"] for instance in instances]
    return bool(names) or "there are none"


def ask(batch: az.Batch) -> bool:
    """Ask whether to continue between two batches."""
    return input(f"{batch.name} is done. Go on? ") == "y"


def roll_out_fleet(token: str) -> None:
    """Roll out the scale sets of a query, and some others."""
    found: list[az.FoundScaleSet] = az.find_scale_sets(token, location=["eastus"])
    targets: list[az.Target] = [az.Target("s", "g", row["vmss_name"]) for row in found]
    try:
        for event in az.rollout_fleet(token, targets, waves="location", max_failed="5%"):
            show_fleet(event)
    except az.FleetHalted as halt:
        failed: Mapping[az.Target, Exception] = halt.failed
        left: Sequence[az.Target] = halt.not_started
        print(failed, left)
    except az.RolloutHalted as halt:
        print(halt.summary, halt.unhealthy, halt.rolled_back)


def draw(instances: list[az.Instance]) -> str:
    """Draw a heat map, and one with custom styles."""
    heat_map: Heatmap = az.heatmap(instances)
    cells: tuple[Cell, ...] = heat_map.cells
    for cell in cells:
        style: Style = cell.style
        print(cell.instance_id, cell.power_state, cell.health or "none", style.fill)
        if "outdated" in cell.flags:
            print(cell.label(ascii_only=True))
    tables: tuple[Table, ...] = heat_map.tables
    print(len(tables), STYLES["running"].signs)
    return heat_map.to_svg()


def batches(where: ScaleSetId) -> dict[int | str, list[str]]:
    """Return ids by update domain."""
    instances: list[az.Instance] = az.get_instance_views(*where)
    plan: list[az.Batch] = az.plan_rollout(instances, only=[0, "7"])
    sizes: list[list[str]] = az.in_batches(instances, 5)
    print(plan, sizes, az.by_fault_domain(instances), az.by_zone(instances))
    return az.by_update_domain(instances)


def patch_and_refresh(where: ScaleSetId) -> list[az.InstanceDrift]:
    """Run a script, roll an action of each kind, and compare versions."""
    output: az.CommandOutput = az.run_command(*where, 3, "uptime", parameters={"name": "value"})
    print(output.stdout, output.stderr)

    def restart(instances: list[az.Instance]) -> Response:
        return az.restart_vmss(*where, [instance["instanceId"] for instance in instances])

    def has_failed(instance_id: str, output: az.CommandOutput) -> bool:
        return instance_id in output.stderr

    for event in az.roll(*where, restart, pending=lambda instance: instance["instanceId"] != "3"):
        show(event)
    for event in az.roll(*where, "run_command", script="uptime", check_output=has_failed):
        show(event)
    for event in az.rollout(*where, method="reimage"):
        show(event)
    newest: str = az.newest_image_version(*where[:2], "westeurope", az.get_image({}))
    drift: list[az.InstanceDrift] = az.image_drift(*where)
    print(newest, drift, drift[0]["behind"] or 0)
    return az.find_image_drift(where[0], subscriptions=[where[1]])


def handle_errors(where: ScaleSetId) -> str:
    """Distinguish errors by their class."""
    try:
        az.manual_upgrade(*where, ["3", 7])
    except az.NotFound:
        return "not found"
    except az.Throttled as error:
        return f"in {error.retry_after or 0:.0f} s"
    except az.AzureError as error:
        details: tuple[Mapping[str, Any], ...] = tuple(error.details)
        return f"{error.code} {error.status_code} {error.request_id} {details}"
    return ""
