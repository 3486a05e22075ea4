"""Upgrade one update domain after another with azure-mgmt-compute 4.6.2.

The library signs in with adal, which asks login.microsoftonline.com about every authority. So the
token comes from the sandbox's v1 endpoint.
"""

import os
import sys

import requests
from azure.mgmt.compute import ComputeManagementClient
from msrest.authentication import BasicTokenAuthentication
from msrestazure.azure_cloud import get_cloud_from_metadata_endpoint

endpoint = os.environ["AZURE_RM_ENDPOINT"]
group, name, version = sys.argv[1:]
cloud = get_cloud_from_metadata_endpoint(endpoint)
answer = requests.post(
    f"{cloud.endpoints.active_directory}{os.environ['AZURE_TENANT_ID']}/oauth2/token",
    data={
        "grant_type": "client_credentials",
        "client_id": os.environ["AZURE_CLIENT_ID"],
        "client_secret": os.environ["AZURE_CLIENT_SECRET"],
        "resource": cloud.endpoints.active_directory_resource_id,
    },
    timeout=10,
)
client = ComputeManagementClient(
    BasicTokenAuthentication(answer.json()),
    os.environ["AZURE_SUBSCRIPTION_ID"],
    base_url=cloud.endpoints.resource_manager,
)
client.config.long_running_operation_timeout = 1
model = client.virtual_machine_scale_sets.get(group, name)
model.virtual_machine_profile.storage_profile.image_reference.version = version
client.virtual_machine_scale_sets.create_or_update(group, name, model).result()
domains = {}
for vm in client.virtual_machine_scale_set_vms.list(group, name, expand="instanceView"):
    domains.setdefault(vm.instance_view.platform_update_domain, []).append(vm.instance_id)
for domain, ids in sorted(domains.items()):
    client.virtual_machine_scale_sets.update_instances(group, name, ids).result()
    print(domain, ids)
