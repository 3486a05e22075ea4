"""List the scale sets of a resource group with their instances, in the style of azurerm."""

import json
import sys

import azurerm

rgname = sys.argv[1]
access_token = azurerm.get_access_token_from_cli()
if access_token is None:
    sys.exit("no token")
subscription_id = azurerm.get_subscription_from_cli()

for sub in azurerm.list_subscriptions(access_token)["value"]:
    print(sub["subscriptionId"], sub["displayName"])
for vmss in azurerm.list_vmss(access_token, subscription_id, rgname)["value"]:
    print(vmss["name"], vmss["location"], vmss["sku"]["name"], vmss["sku"]["capacity"])
    for vm in azurerm.list_vmss_vms(access_token, subscription_id, rgname, vmss["name"])["value"]:
        print("  ", vm["instanceId"], vm["name"], vm["properties"]["provisioningState"])
    view = azurerm.get_vmss_instance_view(access_token, subscription_id, rgname, vmss["name"])
    print(json.dumps(view["virtualMachine"], sort_keys=True))
missing = azurerm.get_vmss(access_token, subscription_id, rgname, "missing")
print(missing["error"]["code"])
print(azurerm.list_vmss_vms(access_token, subscription_id, rgname, "missing")["error"]["code"])
