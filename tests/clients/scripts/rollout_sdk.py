"""Upgrade one update domain after another with azure-mgmt-compute 30.6 and azure-identity."""

import os
import sys

from azure.identity import EnvironmentCredential
from azure.mgmt.compute import ComputeManagementClient

endpoint = os.environ["AZURE_RM_ENDPOINT"]
group, name, version = sys.argv[1:]
client = ComputeManagementClient(
    EnvironmentCredential(disable_instance_discovery=True),
    os.environ["AZURE_SUBSCRIPTION_ID"],
    base_url=endpoint,
    credential_scopes=[f"{endpoint}/.default"],
)
model = client.virtual_machine_scale_sets.get(group, name)
model.virtual_machine_profile.storage_profile.image_reference.version = version
client.virtual_machine_scale_sets.begin_create_or_update(group, name, model).result()
domains = {}
for vm in client.virtual_machine_scale_set_vms.list(group, name, expand="instanceView"):
    domains.setdefault(vm.instance_view.platform_update_domain, []).append(vm.instance_id)
for domain, ids in sorted(domains.items()):
    client.virtual_machine_scale_sets.begin_update_instances(
        group, name, {"instance_ids": ids}
    ).result()
    print(domain, ids)
