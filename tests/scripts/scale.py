"""Scale a set to a capacity from the command line, with azurerm's modules by name."""

import argparse
import time

import azurerm
import azurerm.restfns
from azurerm import subfns
from azurerm.settings import COMP_API, get_rm_endpoint

parser = argparse.ArgumentParser()
parser.add_argument("--rgname", "-g", required=True)
parser.add_argument("--vmssname", "-n", required=True)
parser.add_argument("--capacity", "-c", required=True)
args = parser.parse_args()

token = azurerm.get_access_token_from_cli()
sub = subfns.get_subscription_from_cli()
print(azurerm.scale_vmss(token, sub, args.rgname, args.vmssname, args.capacity).status_code)
endpoint = "".join(
    [
        *(get_rm_endpoint(), "/subscriptions/", sub, "/resourceGroups/", args.rgname),
        *(
            "/providers/Microsoft.Compute/virtualMachineScaleSets/",
            args.vmssname,
            "?api-version=",
            COMP_API,
        ),
    ]
)
while azurerm.restfns.do_get(endpoint, token)["properties"]["provisioningState"] != "Succeeded":
    time.sleep(0.05)
print(len(azurerm.list_vmss_vms(token, sub, args.rgname, args.vmssname)["value"]))
if azurerm.scale_vmss(token, sub, args.rgname, args.vmssname, 1000).status_code >= 400:
    raise SystemExit(3)
