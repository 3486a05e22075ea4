"""Upgrade all scale sets that use an image to a newer version, region after region.

On the sandbox:  azurerm-lite sandbox python examples/fleet_in_waves.py \
Canonical:0001-com-ubuntu-server-jammy 22.04.202411010
On Azure:        python examples/fleet_in_waves.py Canonical:ubuntu-24_04-lts 24.04.202510010

Ctrl-C stops after the batches in progress. Run the same command again to resume.
"""

import sys

import azurerm_lite as az

image, version = sys.argv[1:]
token = az.token_provider()
found = az.find_scale_sets(token, image=image)  # or tag="env=prod"
targets = [target for target in found if target["mode"] == "Manual"]
print(f"{len(targets)} scale sets")

for target in targets:
    where = (token, target["subscription_id"], target["resource_group"], target["vmss_name"])
    model = az.get_vmss(*where)
    if az.get_image(model)["version"] != version:
        az.wait(token, az.put_vmss(*where, az.set_image(model, version=version)))

fleet = az.rollout_fleet(
    token,
    targets,
    waves="location",  # or sizes such as [1, "10%"]: one set, then 10 %, then the rest
    max_parallel=8,
    max_failed="5%",
    on_failure="rollback",
)
try:
    for event in fleet:
        if event.kind != "set_event":  # events inside a scale set
            print(event)
except az.FleetHalted as halt:
    for scale_set, error in halt.failed.items():
        print(f"{scale_set}: {error}")
    sys.exit(f"Halted: {halt}")
