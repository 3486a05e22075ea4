"""Azure's SDK: azure-mgmt-compute and azure-identity with their defaults."""

from __future__ import annotations

import functools
import os
from typing import Any

import harness  # first: it may replace the clocks
from azure.core.credentials import AccessToken
from azure.identity import EnvironmentCredential
from azure.mgmt.compute import ComputeManagementClient

GROUP = os.environ.get("BENCHMARK_GROUP", "g")


class FixedCredential:
    """A credential with a fixed token."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return the token."""
        return AccessToken(os.environ.get("BENCHMARK_TOKEN", "token"), 2**33)


client = ComputeManagementClient(
    FixedCredential(),
    os.environ.get("AZURE_SUBSCRIPTION_ID", "s"),
    base_url=os.environ["AZURE_RM_ENDPOINT"],
    credential_scopes=["https://management.azure.com/.default"],
    connection_verify=os.environ["REQUESTS_CA_BUNDLE"],
)


def get_vmss(name: str) -> Any:
    """Return the model of a scale set as a dict, like the other contestants."""
    return client.virtual_machine_scale_sets.get(GROUP, name).as_dict()


def get_instance_views(name: str) -> list[Any]:
    """Return every instance, as objects of the SDK."""
    return list(client.virtual_machine_scale_set_vms.list(GROUP, name, expand="instanceView"))


def wait(name: str) -> None:
    """Upgrade an instance, and wait for the operation."""
    client.virtual_machine_scale_sets.begin_update_instances(
        GROUP, name, {"instanceIds": ["0"]}
    ).result()


def rollout(name: str) -> int:
    """Roll out a scale set in a loop; return the number of instances with the latest model."""
    domains: dict[int, list[str]] = {}
    for vm in get_instance_views(name):
        domains.setdefault(vm.properties.instance_view.platform_update_domain, []).append(
            vm.instance_id
        )
    done = 0
    for domain in sorted(domains):
        body = {"instanceIds": domains[domain]}
        client.virtual_machine_scale_sets.begin_update_instances(GROUP, name, body).result()
        done = sum(bool(vm.properties.latest_model_applied) for vm in get_instance_views(name))
    return done


@functools.cache
def credential() -> EnvironmentCredential:
    """Return the credential, which the first call creates."""
    return EnvironmentCredential(disable_instance_discovery=True)


def token() -> str:
    """Return a cached token."""
    return credential().get_token("https://management.azure.com/.default").token


harness.serve(
    {call.__name__: call for call in (get_vmss, get_instance_views, wait, rollout, token)}
)
