"""Gives the collection the function that it calls and azure-cli-core does not have."""

import contextlib

with contextlib.suppress(ImportError):
    from azure.cli.core import cloud
    from msrestazure.azure_cloud import get_cloud_from_metadata_endpoint

    cloud.get_cloud_from_metadata_endpoint = get_cloud_from_metadata_endpoint
