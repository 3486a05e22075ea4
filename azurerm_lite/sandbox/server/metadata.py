"""The metadata endpoint: clients read the cloud's endpoints from it before they sign in."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Request

from .. import errors
from .._answer import Answer

PATH = "/metadata/endpoints"
CLOUD_NAME = "AzureSandbox"
# The resource manager's audiences in the public cloud; az requests tokens for the first.
_AUDIENCES = ["https://management.core.windows.net/", "https://management.azure.com/"]
# The first version that returns an array of clouds, and the first that returns one object again.
_LIST_SINCE = "2019-05-01"
_OBJECT_SINCE = "2022-09-01"


def answer(request: Request) -> Answer:
    """Return the endpoints in the shape of the api-version."""
    version = request.args.get("api-version")
    if not version:
        raise errors.missing_api_version()
    url = request.host_url.rstrip("/")
    # Compared as text: the oldest version, of Azure Stack, is 1.0.
    if version < _LIST_SINCE:
        return Answer(200, _first_shape(url))
    cloud = _cloud(url)
    return Answer(200, cloud if version >= _OBJECT_SINCE else [cloud])


def _first_shape(url: str) -> dict[str, Any]:
    """Return the endpoints of Azure Stack's documentation, which msrestazure and Ansible read."""
    return {
        "galleryEndpoint": f"{url}/",
        "graphEndpoint": f"{url}/",
        "portalEndpoint": f"{url}/",
        "authentication": {"loginEndpoint": f"{url}/", "audiences": _AUDIENCES},
    }


def _cloud(url: str) -> dict[str, Any]:
    """Return the cloud; every endpoint is the sandbox, so that no token is sent elsewhere."""
    return {
        "name": CLOUD_NAME,
        "portal": f"{url}/",
        "gallery": f"{url}/",
        "resourceManager": f"{url}/",
        "graphAudience": f"{url}/",
        "authentication": {
            "loginEndpoint": f"{url}/",
            "audiences": _AUDIENCES,
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "suffixes": {},
    }
