"""The api-versions that the sandbox accepts."""

from __future__ import annotations

import pytest
import requests

from azurerm_lite.sandbox import Sandbox
from azurerm_lite.sandbox.model import api_versions

GROUP = "/subscriptions/{}/resourceGroups/sandbox/providers/Microsoft.Compute"


def status(sandbox: Sandbox, path: str, version: str) -> int:
    """Return the status of a GET in the resource group with an api-version."""
    answer = requests.get(
        sandbox.url + GROUP.format(sandbox.subscription_id) + path,
        params={"api-version": version},
        headers={"Authorization": f"Bearer {sandbox.access_token}"},
        timeout=10,
    )
    return answer.status_code


@pytest.mark.parametrize("version", ["2026-04-01", "2026-03-01", "2025-11-01", "2025-04-01"])
def test_the_versions_of_current_sdks_reach_a_scale_set(sandbox: Sandbox, version: str) -> None:
    """They are the versions of the SDKs for Python and JavaScript, az and Terraform."""
    assert status(sandbox, "/virtualMachineScaleSets/web", version) == 200


@pytest.mark.parametrize("version", ["2026-03-03", "2025-12-03", "2025-03-03", "2024-03-03"])
def test_galleries_have_versions_of_their_own(sandbox: Sandbox, version: str) -> None:
    """A scale set does not have them."""
    assert status(sandbox, "/galleries/demo", version) == 200
    assert status(sandbox, "/virtualMachineScaleSets/web", version) == 400


@pytest.mark.parametrize("table", [api_versions.COMPUTE, api_versions.GALLERIES])
def test_the_tables_are_newest_first(table: dict[str, str]) -> None:
    """Azure's error lists them in this order."""
    assert list(table) == sorted(table, reverse=True)


def test_a_version_newer_than_the_table_is_accepted(sandbox: Sandbox) -> None:
    """So the next SDK works before its version is in the table."""
    assert status(sandbox, "/virtualMachineScaleSets/web", "2099-01-01") == 200
