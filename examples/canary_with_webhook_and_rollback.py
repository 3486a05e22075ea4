"""Upgrade one instance first, report to a webhook, and roll back after a failure.

On the sandbox:  azurerm-lite sandbox python examples/canary_with_webhook_and_rollback.py \
sandbox web 22.04.202411010
On Azure:        export AZURE_SUBSCRIPTION_ID=... WEBHOOK_URL=https://... && \
python examples/canary_with_webhook_and_rollback.py myrg web 22.04.202411010

The script sends notable events to WEBHOOK_URL, as JSON with the member `text` of chat services.
"""

import os
import sys

import requests

import azurerm_lite as az

NOTABLE = ("started", "batch_done", "rolling_back", "finished")


def report(text: str) -> None:
    """Print a text and send it to the webhook. A failing webhook does not stop the rollout."""
    print(text)
    url = os.environ.get("WEBHOOK_URL")
    if not url:
        return
    try:
        requests.post(url, json={"text": text}, timeout=10)
    except requests.RequestException as error:
        # Without the URL, which may hold a secret.
        print(f"cannot send to the webhook: {type(error).__name__}")


resource_group, vmss_name, version = sys.argv[1:]
token = az.token_provider()
where = (token, os.environ["AZURE_SUBSCRIPTION_ID"], resource_group, vmss_name)
az.wait(token, az.put_vmss(*where, az.set_image(az.get_vmss(*where), version=version)))

rollout = az.rollout(
    *where,
    canary=1,  # upgrade one instance first
    canary_bake=1,  # seconds; use some minutes on Azure
    max_batch="20%",
    on_failure="rollback",
)
try:
    for event in rollout:
        if event.kind in NOTABLE:
            report(f"{vmss_name}: {event.text}")
except az.RolloutHalted as halt:
    report(f"{vmss_name}: {halt}")
    sys.exit(3 if halt.rolled_back else 1)
