"""Secrets in models are accepted and stored, but never returned."""

from __future__ import annotations

from typing import Any

import azurerm_lite as az
from azurerm_lite import rest
from azurerm_lite.sandbox import Sandbox

UNATTENDED = {
    "passName": "OobeSystem",
    "componentName": "Microsoft-Windows-Shell-Setup",
    "settingName": "AutoLogon",
}


def with_secrets(sandbox: Sandbox, number: int) -> Any:
    """Return the model of `web` with every kind of secret that Azure has."""
    body: Any = az.get_vmss(*sandbox.where())
    del body["etag"]
    profile = body["properties"]["virtualMachineProfile"]
    profile["userData"] = f"canary-user-{number}"
    profile["osProfile"] |= {
        "adminPassword": f"canary-password-{number}",
        "customData": f"canary-custom-{number}",
    }
    content = [{**UNATTENDED, "content": f"<Password>canary-logon-{number}</Password>"}]
    profile["osProfile"]["windowsConfiguration"] = {"additionalUnattendContent": content}
    profile["extensionProfile"]["extensions"][0]["properties"]["protectedSettings"] = {
        "key": f"canary-key-{number}"
    }
    return body


def test_no_secret_is_returned(sandbox: Sandbox) -> None:
    """No response to a PUT or GET contains one, and neither does the journal."""
    where = sandbox.where("fresh")
    answers = [az.put_vmss(*where, with_secrets(sandbox, 1)).text]
    answers += [
        str(az.get_vmss(*where)),
        str(az.list_vmss(*where[:3])),
        str(az.get_instance_views(*where)),
    ]
    answers += [str(az.get_vmss_vm(*where, 0)), str(az.get_vmss_nics(*where)), str(sandbox.journal)]
    provider = f"/subscriptions/{where[1]}/resourceGroups/{where[2]}/providers/Microsoft.Compute"
    path = f"{provider}/virtualMachineScaleSets"
    answers.append(
        rest.send(where[0], "GET", rest.url(f"{path}/fresh/extensions", {}, "2024-11-01")).text
    )
    assert all(answers)
    assert not [entry for entry in answers if "canary" in entry]


def test_a_put_of_what_a_get_returned_keeps_the_secrets(sandbox: Sandbox) -> None:
    """The model does not change, so instances stay current; a new secret is a new model."""
    where = sandbox.where("fresh")
    az.wait(where[0], az.put_vmss(*where, with_secrets(sandbox, 1)))
    vmss = sandbox.cloud.scale_set("sandbox", "fresh")
    assert len(vmss.secrets) == 5
    before = dict(vmss.secrets)
    az.wait(where[0], az.put_vmss(*where, az.get_vmss(*where)))
    assert vmss.secrets == before
    assert all(vm["properties"]["latestModelApplied"] for vm in az.list_vmss_vms(*where))
    profile = {"osProfile": {"customData": "canary-custom-2"}}
    az.wait(where[0], az.patch_vmss(*where, {"properties": {"virtualMachineProfile": profile}}))
    assert vmss.secrets == {**before, ("osProfile", "customData"): "canary-custom-2"}
    assert not any(vm["properties"]["latestModelApplied"] for vm in az.list_vmss_vms(*where))
    az.wait(where[0], az.manual_upgrade(*where, "*"))
    assert all(vm["properties"]["latestModelApplied"] for vm in az.list_vmss_vms(*where))


def test_the_secrets_of_an_extension_are_removed_with_it(sandbox: Sandbox) -> None:
    """A later extension of the same name does not have them."""
    where = sandbox.where("fresh")
    az.wait(where[0], az.put_vmss(*where, with_secrets(sandbox, 1)))
    body: Any = az.get_vmss(*where)
    extensions = body["properties"]["virtualMachineProfile"]["extensionProfile"]
    body["properties"]["virtualMachineProfile"]["extensionProfile"] = {"extensions": []}
    az.wait(where[0], az.put_vmss(*where, body, if_match="*"))
    body = az.get_vmss(*where)
    body["properties"]["virtualMachineProfile"]["extensionProfile"] = extensions
    az.wait(where[0], az.put_vmss(*where, body))
    assert "protectedSettings" not in str(sandbox.cloud.scale_set("sandbox", "fresh").secrets)


def test_settings_and_tags_contain_no_secrets(sandbox: Sandbox) -> None:
    """They are returned unchanged, whatever their names are."""
    where = sandbox.where()
    body: Any = az.get_vmss(*where)
    body["tags"] = {"customData": "seen"}
    properties = body["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"][0][
        "properties"
    ]
    properties["settings"]["userData"] = "seen"
    az.wait(where[0], az.put_vmss(*where, body))
    assert str(az.get_vmss(*where)).count("seen") == 2


def test_user_data_is_returned_on_request(sandbox: Sandbox) -> None:
    """`$expand=userData` returns it for a set and for an instance."""
    where = sandbox.where("fresh")
    az.wait(where[0], az.put_vmss(*where, with_secrets(sandbox, 1)))
    provider = f"/subscriptions/{where[1]}/resourceGroups/{where[2]}/providers/Microsoft.Compute"
    path = f"{provider}/virtualMachineScaleSets/fresh"
    for place in ("", "/virtualMachines/0"):
        for query, expected in (({"$expand": "userData"}, True), ({}, False)):
            answer = rest.send(
                where[0], "GET", rest.url(path + place, {}, "2024-11-01", query)
            ).text
            assert ("canary-user-1" in answer, "canary-password" in answer) == (expected, False)
