"""Azure's own: azure-mgmt-compute with azure-identity, at their defaults."""

from __future__ import annotations

import os
from typing import Any

import harness  # first: it may replace the clocks
from azure.core.credentials import AccessToken
from azure.identity import EnvironmentCredential
from azure.mgmt.compute import ComputeManagementClient

GROUP = os.environ.get("BENCHMARK_GROUP", "g")


class Given:
    """A credential with a token that is at hand."""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """The token."""
        return AccessToken(os.environ.get("BENCHMARK_TOKEN", "token"), 2**33)


client = ComputeManagementClient(
    Given(),
    os.environ.get("AZURE_SUBSCRIPTION_ID", "s"),
    base_url=os.environ["AZURE_RM_ENDPOINT"],
    credential_scopes=["https://management.azure.com/.default"],
    connection_verify=os.environ["REQUESTS_CA_BUNDLE"],
)
credential = None


def get_vmss(name: str) -> Any:
    """The model of a scale set; as a dict, which is what the others give."""
    return client.virtual_machine_scale_sets.get(GROUP, name).as_dict()


def get_instance_views(name: str) -> list[Any]:
    """Every instance, as the client's own objects."""
    return list(client.virtual_machine_scale_set_vms.list(GROUP, name, expand="instanceView"))


def wait(name: str) -> None:
    """An upgrade of an instance, to its end."""
    client.virtual_machine_scale_sets.begin_update_instances(
        GROUP, name, {"instanceIds": ["0"]}
    ).result()


def rollout(name: str) -> int:
    """The whole set to its model, in a loop written by hand; how many instances have it."""
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


def token() -> str:
    """A token that is at hand."""
    global credential
    credential = credential or EnvironmentCredential(disable_instance_discovery=True)
    return credential.get_token("https://management.azure.com/.default").token


harness.serve(
    {each.__name__: each for each in (get_vmss, get_instance_views, wait, rollout, token)}
)
